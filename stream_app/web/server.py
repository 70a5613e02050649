"""The web server of a worker: page, API, probes and metrics on one address, which is all it listens on."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from stream_app.domain.errors import ConnectionFailedError, UnansweredError
from stream_app.domain.metrics.kept import Kept
from stream_app.web.alerts import AlertsApi
from stream_app.web.answers import Answers
from stream_app.web.api import Api
from stream_app.web.censuses import Censuses
from stream_app.web.page import Page
from stream_app.web.replies import errors_as_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping

    from prometheus_client import CollectorRegistry

    from stream_app.domain.alerts import Command
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally
    from stream_app.stores.base import SnapshotReader
    from stream_app.web.censuses import Ask
    from stream_app.web.health import HealthBoard
    from stream_app.web.replies import Handler

log = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 2.0


class WebServer:
    """Serves from `start` to `stop`.

    Args:
        host: address to listen on.
        port: port to listen on; 0 takes a free one.
        reader: gives snapshots and alerts.
        health: what the parts of the process say; the server adds `figures`.
        registry: the metrics at `/metrics`.
        status: what this worker alone knows (`partitions`, `lag`, ...), JSON-ready, shown in `/api/v1/status`.
        clock: the wall clock, in seconds since 1970.
        top: how many values of a dimension are shown where a request does not say.
        follow: seconds between two looks at the reader while figures are asked for; 0: each request looks for itself.
        ask: asks all workers for what no counter holds; without it, only what counters hold is answered.
        observe: is told the figure, the outcome and the seconds of each such question.
        kept: what the service keeps of users.
        currency, minor_units: the reporting currency and its decimals.
        command: hands a silence or an acknowledgement to the judge; without it, none is taken.
        api_token: what requests that change something must bear; None: none may.
        rules: the names of the alert rules there are now; None: silences may name any.
        dimensions: those of segments; None: silences may name any.
        slack_actions: answers `/slack/actions`, the buttons of Slack's messages; None: there is no such address.

    Attributes:
        port: the port in use once started.
    """

    def __init__(
        self,
        host: str,
        port: int,
        reader: SnapshotReader,
        health: HealthBoard,
        registry: CollectorRegistry,
        *,
        status: Callable[[], Mapping[str, Any]] = dict,
        clock: Callable[[], float] = time.time,
        top: int = 20,
        follow: float = 0.0,
        ask: Ask | None = None,
        observe: Callable[[str, str, float], None] = lambda _figure, _outcome, _seconds: None,
        kept: Kept | None = None,
        currency: str = "USD",
        minor_units: int = 2,
        command: Callable[[Command], Awaitable[None]] | None = None,
        api_token: str | None = None,
        rules: Callable[[], Collection[str]] | None = None,
        dimensions: Collection[str] | None = None,
        slack_actions: Handler | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._answers = Answers(reader, health, follow=follow)
        self._censuses = Censuses(ask or _nobody, observe)
        self._api = Api(
            self._answers, self._censuses, health, registry, kept=kept or Kept(), currency=currency,
            minor_units=minor_units, status=status, clock=clock, top=top,
        )  # fmt: skip
        self._alerts = AlertsApi(
            self._answers, command=command, token=api_token, rules=rules, dimensions=dimensions, currency=currency,
            minor_units=minor_units, clock=clock,
        )  # fmt: skip
        self._slack_actions = slack_actions
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where the page is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/"

    async def start(self) -> None:
        """Listen.

        Raises:
            ConnectionFailedError: the address cannot be had.
        """
        app = web.Application(middlewares=[errors_as_json])
        app.add_routes([*Page().routes(), *self._api.routes(), *self._alerts.routes()])
        if self._slack_actions is not None:
            app.add_routes([web.post("/slack/actions", self._slack_actions)])
        app.on_response_prepare.append(_no_sniffing)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
        except (OSError, OverflowError) as error:
            await runner.cleanup()
            raise ConnectionFailedError(
                f"web: {self.host}:{self.port} cannot be listened on ({_reason(error)}); stop the program that uses "
                "it, or set web_port (option --port; 0 takes a free one) or web_host to another address"
            ) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        log.debug("Listening at %s.", self.url)

    async def stop(self) -> None:
        """Stop listening and close the connections. May be called twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            await self._censuses.close()
            await self._answers.close()


async def _nobody(_asked: Asked, _epochs: Mapping[int, int]) -> Tally:
    raise UnansweredError("this server has no workers to ask; only figures that are counted as events come are here")


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    # asyncio puts the address into the text once more; what a name resolver says has no such number.
    return (os.strerror(number) if number and number > 0 else getattr(error, "strerror", None) or str(error)).lower()


async def _no_sniffing(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
