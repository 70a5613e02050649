"""The HTTP API. Figures come from `domain.metrics` alone; errors are JSON and say what would have been right."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from stream_app import __version__
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import FIGURES, ParameterError, parse
from stream_app.web.answers import Answers, Latest, NoFiguresError
from stream_app.web.censuses import etag
from stream_app.web.matrices import Matrices
from stream_app.web.pieces import Pieces
from stream_app.web.replies import fresh, none_expected, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from multidict import MultiMapping
    from prometheus_client import CollectorRegistry

    from stream_app.domain.events import Definition, Filter
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.kept import Kept
    from stream_app.domain.metrics.query import Query
    from stream_app.web.censuses import Censuses
    from stream_app.web.health import HealthBoard

log = logging.getLogger(__name__)


class Api:
    """The handlers.

    Args:
        answers: gives the figures that are counted as events come.
        censuses: gives all others.
        kept: what the service keeps of users, by which questions are refused.
        currency, minor_units: the reporting currency and its decimals.
        health: what the parts of the process say.
        registry: the metrics.
        status: what this worker alone knows (`partitions`, `lag`, ...), JSON-ready.
        clock: the wall clock, in seconds since 1970.
        top: how many values of a dimension are shown where the request does not say.
    """

    def __init__(
        self,
        answers: Answers,
        censuses: Censuses,
        health: HealthBoard,
        registry: CollectorRegistry,
        *,
        kept: Kept,
        currency: str,
        minor_units: int,
        status: Callable[[], Mapping[str, Any]],
        clock: Callable[[], float],
        top: int,
    ) -> None:
        self._answers = answers
        self._censuses = censuses
        self._kept = kept
        self._currency, self._minor_units = currency, minor_units
        self._health = health
        self._registry = registry
        self._status = status
        self._clock = clock
        self._matrices = Matrices()
        self._top = top

    def routes(self) -> list[web.RouteDef]:
        """Where each handler is."""
        return [
            *(web.get(f"/api/v1/{figure}", self.figure) for figure in FIGURES),
            web.get("/api/v1/status", self.status),
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def figure(self, request: web.Request) -> web.Response:
        """A figure: from the counters where they hold it, else by a census."""
        latest = await self._answers.latest()
        snapshot = latest.snapshot
        query = self._parsed(request.path.rpartition("/")[2], request.query, snapshot)
        headers = fresh(latest.stale)
        if counted.known(snapshot, query):
            headers["ETag"] = self._answers.etag(latest)
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return web.Response(status=304, headers=headers)
            body = await self._answers.body(latest, query, self._compute)
        else:
            replace(self._kept, filters=_filters(snapshot.definitions)).check(query, snapshot.calendar)
            asked = counted.asked_at(snapshot, query, self._currency, self._minor_units)
            body = await self._censuses.body(latest.number, asked, snapshot.epochs)
            headers["ETag"] = etag(body)
            if request.headers.get("If-None-Match") == headers["ETag"]:
                return web.Response(status=304, headers=headers)
        return web.Response(body=Pieces(body), headers=headers)

    def _parsed(self, figure: str, given: MultiMapping[str], snapshot: Snapshot) -> Query:
        for name in given:
            values = given.getall(name)
            if len(values) > 1:
                raise ParameterError(name, ", ".join(values), "it is given more than once; give it once")
        if given.get("figure", figure) != figure:
            message = f"the address is that of {figure}; ask /api/v1/FIGURE for another, and leave this out"
            raise ParameterError("figure", given["figure"], message, [figure])
        return parse(
            {**given, "figure": figure},
            definitions=snapshot.definitions,
            dimensions=snapshot.dimensions,
            calendar=snapshot.calendar,
            top=self._top,
        )

    def _compute(self, snapshot: Snapshot, query: Query) -> bytes:
        """The answer that the counters hold. Runs in a thread."""
        asked = counted.asked_at(snapshot, query, self._currency, self._minor_units)
        if query.figure == "retention":
            return self._matrices.retention(snapshot, asked)
        return orjson.dumps(counted.answer(asked, snapshot))

    async def status(self, request: web.Request) -> web.Response:
        """What is known: how far, how much, by which definitions and dimensions; and how this worker is."""
        none_expected(request.query)
        latest: Latest | None = None
        try:
            latest = await self._answers.latest()
        except NoFiguresError as error:
            log.debug("The status has no figures: %s", error)
        return reply(
            {
                "version": __version__,
                "figures": None if latest is None else self._known(latest.snapshot),
                "worker": dict(self._status()),
                "health": self._health.to_json(),
            },
            headers=fresh(latest is None or latest.stale),
        )

    def _known(self, snapshot: Snapshot) -> dict[str, Any]:
        watermark, last_event = snapshot.watermark, snapshot.last_event
        return {
            "as_of": snapshot.as_of,
            "behind_seconds": None if watermark is None else round(self._clock() - watermark / 1000, 3),
            "last_event": None if last_event is None else rfc3339(last_event),
            "timezone": snapshot.calendar.timezone,
            "week_start": snapshot.calendar.week_start,
            "definitions": [_shown(definition) for definition in snapshot.definitions],
            "dimensions": list(snapshot.dimensions),
            "kept": {"hour_days": self._kept.hour_days, "orders": self._kept.orders},
            "totals": dict(snapshot.totals),
            "late_share": snapshot.late_share,
            "corrections": _corrections(snapshot),
        }

    async def healthz(self, _: web.Request) -> web.Response:
        """The process lives: 200, or 503 where it should be restarted."""
        healthy = self._health.healthy
        body = {"healthy": healthy} if healthy else self._health.to_json()
        return reply(body, status=200 if healthy else 503)

    async def readyz(self, _: web.Request) -> web.Response:
        """The process does its work: 200, or 503 with the reasons. What is degraded is listed either way."""
        try:
            await self._answers.latest()
        except NoFiguresError as error:
            log.debug("Not ready: %s", error)  # the board has it
        return reply(self._health.to_json(), status=200 if self._health.ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """The metrics, in the format Prometheus asked for."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        body = await asyncio.to_thread(encode, self._registry)
        return web.Response(body=body, headers={"Content-Type": content_type})


def _filters(definitions: Sequence[Definition]) -> frozenset[Filter]:
    return frozenset(what for d in definitions for what in (d.start_filter, d.return_filter))


def _shown(definition: Definition) -> dict[str, Any]:
    """A definition, its conditions only where it has any."""
    shown: dict[str, Any] = {
        "name": definition.name,
        "start": definition.start,
        "returns": definition.returns,
        "inactivity_days": definition.inactivity_days,
    }
    for name, where in (("start_where", definition.start_where), ("return_where", definition.return_where)):
        if where:
            shown[name] = dict(where)
    if definition.min_active > 1:
        shown["min_active"] = definition.min_active
    return shown


def _corrections(snapshot: Snapshot) -> dict[str, Any]:
    """How many cells of closed periods late events changed since the merging worker began, and when last."""
    found = snapshot.corrections
    since, latest = (None if time is None else rfc3339(time) for time in (found.since, found.latest))
    return {"count": sum(found.cells.values()), "by_definition": dict(found.cells), "since": since, "latest": latest}
