"""The HTTP API. Figures come from `domain.metrics` alone; errors are JSON and say what would have been right."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from stream_app import __version__
from stream_app.domain.errors import QueryError
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics import churn
from stream_app.web.answers import Answers, Latest, NoFiguresError
from stream_app.web.matrices import Matrices
from stream_app.web.pieces import Pieces
from stream_app.web.queries import BadParameterError, churn_spec, parse, retention_spec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from multidict import MultiMapping
    from prometheus_client import CollectorRegistry

    from stream_app.domain.metrics import Snapshot
    from stream_app.web.answers import Compute
    from stream_app.web.health import HealthBoard
    from stream_app.web.queries import Query, Spec

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger(__name__)

#: Header of every answer with figures: `current`, or `stale` where the store did not answer.
FRESHNESS = "Stream-App-Figures"


class Api:
    """The handlers.

    Args:
        answers: gives the figures.
        health: what the parts of the process say.
        registry: the metrics.
        status: what this worker alone knows (`partitions`, `lag`, ...), JSON-ready.
        clock: the wall clock, in seconds since 1970.
        top: how many values of a dimension are shown where the request does not say.
    """

    def __init__(
        self,
        answers: Answers,
        health: HealthBoard,
        registry: CollectorRegistry,
        *,
        status: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float],
        top: int,
    ) -> None:
        self._answers = answers
        self._health = health
        self._registry = registry
        self._status = status
        self._clock = clock
        self._matrices = Matrices()
        self._retention_spec = retention_spec(top)
        self._churn_spec = churn_spec(top)

    def routes(self) -> list[web.RouteDef]:
        """Where each handler is."""
        return [
            web.get("/api/v1/retention", self.retention),
            web.get("/api/v1/churn", self.churn),
            web.get("/api/v1/alerts", self.alerts),
            web.get("/api/v1/status", self.status),
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def retention(self, request: web.Request) -> web.Response:
        """The retention matrix."""
        return await self._figures(request, "retention", self._retention_spec, self._matrices.retention)

    async def churn(self, request: web.Request) -> web.Response:
        """Customers active and churned by day."""
        return await self._figures(request, "churn", self._churn_spec, _churn)

    async def _figures(self, request: web.Request, name: str, spec: Spec, compute: Compute) -> web.Response:
        latest = await self._answers.latest()
        query = parse(spec, request.query, latest.snapshot)
        headers = _fresh(latest.stale) | {"ETag": self._answers.etag(latest)}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        body = await self._answers.body(latest, name, query, compute)
        return web.Response(body=Pieces(body), headers=headers)

    async def alerts(self, request: web.Request) -> web.Response:
        """Alerts that are firing or pending, and what happened lately."""
        _none_expected(request.query)
        found, stale = await self._answers.alerts()
        current = [_without_mark(alert) for alert in found if alert.get("current")]
        current.sort(key=lambda alert: alert.get("state") != "firing")
        past = [_without_mark(alert) for alert in found if not alert.get("current")]
        return _json({"current": current, "history": past}, headers=_fresh(stale))

    async def status(self, request: web.Request) -> web.Response:
        """What is known: how far, how much, by which definitions and dimensions; and how this worker is."""
        _none_expected(request.query)
        latest: Latest | None = None
        try:
            latest = await self._answers.latest()
        except NoFiguresError as error:
            log.debug("The status has no figures: %s", error)
        return _json(
            {
                "version": __version__,
                "figures": None if latest is None else self._known(latest.snapshot),
                "worker": dict(self._status()),
                "health": self._health.to_json(),
            },
            headers=_fresh(latest is None or latest.stale),
        )

    def _known(self, snapshot: Snapshot) -> dict[str, Any]:
        watermark, last_event = snapshot.watermark, snapshot.last_event
        return {
            "as_of": snapshot.as_of,
            "behind_seconds": None if watermark is None else round(self._clock() - watermark / 1000, 3),
            "last_event": None if last_event is None else rfc3339(last_event),
            "timezone": snapshot.calendar.timezone,
            "week_start": snapshot.calendar.week_start,
            "definitions": [
                {"name": d.name, "start": d.start, "returns": d.returns, "inactivity_days": d.inactivity_days}
                for d in snapshot.definitions
            ],
            "dimensions": list(snapshot.dimensions),
            "totals": dict(snapshot.totals),
        }

    async def healthz(self, _: web.Request) -> web.Response:
        """The process lives: 200, or 503 where it should be restarted."""
        healthy = self._health.healthy
        body = {"healthy": healthy} if healthy else self._health.to_json()
        return _json(body, status=200 if healthy else 503)

    async def readyz(self, _: web.Request) -> web.Response:
        """The process does its work: 200, or 503 with the reasons. What is degraded is listed either way."""
        try:
            await self._answers.latest()
        except NoFiguresError as error:
            log.debug("Not ready: %s", error)  # the board has it
        return _json(self._health.to_json(), status=200 if self._health.ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics, in the format Prometheus asked for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _churn(snapshot: Snapshot, query: Query) -> bytes:
    chosen: Any = {name: query[name] for name in ("definition", "days", "top")}
    return orjson.dumps(churn(snapshot, dimension=query["segment"], **chosen))  # type: ignore[arg-type]


def _none_expected(given: MultiMapping[str]) -> None:
    for name in given:
        raise BadParameterError(name, given[name], "there are no parameters here", [])


def _without_mark(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in alert.items() if name != "current"}


def _fresh(stale: bool) -> dict[str, str]:
    return {FRESHNESS: "stale" if stale else "current", "Cache-Control": "no-cache"}


def _json(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"} | dict(headers or {}),
    )


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns what went wrong into an answer that says so."""
    try:
        return await handler(request)
    except BadParameterError as error:
        return _json(error.to_json(), status=400)
    except QueryError as error:
        return _json({"error": {"parameter": None, "value": None, "message": str(error), "allowed": []}}, status=400)
    except NoFiguresError as error:
        return _json({"error": {"message": str(error)}}, status=503, headers={"Retry-After": "2"})
    except web.HTTPException as error:
        if error.status < 400:
            raise
        headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        message = f"{request.method} {request.path}: {error.reason}"
        return _json({"error": {"message": message}}, status=error.status, headers=headers)
    except Exception:
        log.exception("A request failed: method=%s path=%s.", request.method, request.path)
        message = "this is an error of stream-app; its log has the details"
        return _json({"error": {"message": message}}, status=500)
