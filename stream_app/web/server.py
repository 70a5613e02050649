"""The web server of a worker: page, API, probes and metrics on one address, which is all it listens on."""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from stream_app.domain.errors import ConnectionFailedError
from stream_app.web.answers import Answers
from stream_app.web.api import Api, errors_as_json
from stream_app.web.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import CollectorRegistry

    from stream_app.stores.base import SnapshotReader
    from stream_app.web.health import HealthBoard

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
    ) -> None:
        self.host = host
        self.port = port
        self._answers = Answers(reader, health, follow=follow)
        self._api = Api(self._answers, health, registry, status=status, clock=clock, top=top)
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
        app.add_routes([*Page().routes(), *self._api.routes()])
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
            await self._answers.close()


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    # asyncio puts the address into the text once more; what a name resolver says has no such number.
    return (os.strerror(number) if number and number > 0 else getattr(error, "strerror", None) or str(error)).lower()


async def _no_sniffing(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["X-Content-Type-Options"] = "nosniff"
