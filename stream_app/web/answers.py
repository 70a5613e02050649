"""Answers of the API, from the latest snapshot this process can have, each computed once a snapshot."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from stream_app.domain.errors import StreamAppError
from stream_app.stores.base import StoreUnavailable
from stream_app.web.health import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.domain.metrics import Snapshot
    from stream_app.stores.base import SnapshotReader
    from stream_app.web.health import HealthBoard
    from stream_app.web.queries import Query

log = logging.getLogger(__name__)

#: How long a request waits for the store before it takes the figures seen last, and before it gives up without any.
_PATIENCE_SECONDS = 2.0
_FIRST_SECONDS = 10.0
#: How many bytes of answers are kept.
_KEPT_BYTES = 64 * 1024 * 1024
PART = "figures"


class NoFiguresError(StreamAppError):
    """There is no snapshot to answer from, not even an old one."""


@dataclass(frozen=True, slots=True)
class Latest:
    """A snapshot and what can be said of it.

    Attributes:
        snapshot: the figures.
        number: changes with the snapshot.
        stale: the store did not answer; newer figures may exist.
    """

    snapshot: Snapshot
    number: int
    stale: bool


class Answers:
    """Reads through to the store, and remembers.

    Args:
        reader: gives the snapshots.
        health: is told of the part `figures`: `starting` before the first snapshot, `degraded` while they are stale.
    """

    def __init__(self, reader: SnapshotReader, health: HealthBoard) -> None:
        self._reader = reader
        self._health = health
        self._token = uuid4().hex[:8]
        self._last: Snapshot | None = None
        self._number = 0
        self._reading: asyncio.Task[Snapshot | None] | None = None
        self._bodies: OrderedDict[tuple[Any, ...], asyncio.Future[bytes]] = OrderedDict()
        self._alerts: list[dict[str, Any]] | None = None
        health.set(PART, State.STARTING, "no figures have been published yet")

    async def latest(self) -> Latest:
        """The latest snapshot; the last one seen where the store does not answer in time.

        Raises:
            NoFiguresError: there is none.
        """
        try:
            snapshot = await self._read()
        except (StoreUnavailable, TimeoutError) as error:
            reason = _why(error)
            if self._last is None:
                self._health.set(PART, State.STARTING, reason)
                raise NoFiguresError(reason) from error
            self._health.set(PART, State.DEGRADED, f"those shown may be out of date; {reason}")
            return Latest(self._last, self._number, stale=True)
        if snapshot is None:
            self._health.set(PART, State.STARTING, "no figures have been published yet")
            raise NoFiguresError("no figures have been published yet; they appear once a worker owns partitions")
        if snapshot is not self._last:
            self._last, self._number = snapshot, self._number + 1
            self._bodies.clear()
        self._health.set(PART, State.OK)
        return Latest(snapshot, self._number, stale=False)

    async def _read(self) -> Snapshot | None:
        # One reading at a time, and none is cut off: a first one may take longer than a request waits.
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._reader.snapshot())
            self._reading.add_done_callback(_looked_at)
        patience = _FIRST_SECONDS if self._last is None else _PATIENCE_SECONDS
        return await asyncio.wait_for(asyncio.shield(self._reading), patience)

    def etag(self, latest: Latest) -> str:
        """Names the figures of an address; another process names them differently."""
        return f'"{self._token}-{latest.number}"'

    async def body(self, latest: Latest, name: str, query: Query, compute: Callable[[], Any]) -> bytes:
        """The JSON of an answer: kept until the next snapshot, computed beside the event loop otherwise.

        Args:
            latest: what it is computed from.
            name: of the question.
            query: its parameters.
            compute: gives what is to be written as JSON. Runs in a thread.

        Raises:
            QueryError: the parameters do not go together.
        """
        key = (latest.number, name, *sorted(query.items()))
        if key in self._bodies:
            self._bodies.move_to_end(key)
        else:
            body = asyncio.create_task(asyncio.to_thread(lambda: orjson.dumps(compute())))
            body.add_done_callback(lambda done: self._settle(key, done))
            self._bodies[key] = body
        return await asyncio.shield(self._bodies[key])

    def _settle(self, key: tuple[Any, ...], done: asyncio.Future[bytes]) -> None:
        """Keep an answer as long as there is room; ask again where it failed."""
        if done.cancelled() or done.exception() is not None:
            self._bodies.pop(key, None)
            return
        total = sum(len(body.result()) for body in self._bodies.values() if body.done())
        for oldest in list(self._bodies)[:-1]:
            if total <= _KEPT_BYTES:
                break
            if self._bodies[oldest].done():
                total -= len(self._bodies.pop(oldest).result())

    async def alerts(self) -> tuple[list[dict[str, Any]], bool]:
        """The alerts as the reader gives them, and whether they are those seen last.

        Raises:
            NoFiguresError: the store does not answer, and none were seen yet.
        """
        try:
            self._alerts = await asyncio.wait_for(self._reader.alerts(), _PATIENCE_SECONDS)
        except (StoreUnavailable, TimeoutError) as error:
            if self._alerts is None:
                raise NoFiguresError(_why(error)) from error
            return self._alerts, True
        return self._alerts, False

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])


def _why(error: Exception) -> str:
    return str(error) or "the store takes too long to answer"


def _looked_at(future: asyncio.Future[Any]) -> None:
    # Whoever asked may be gone, and an error that nobody fetches is not worth a traceback.
    if not future.cancelled():
        future.exception()
