"""Answers of the API, from the latest snapshot this process can have, each computed once a snapshot.

While figures are asked for, the store is followed: what is asked again and again is made ready from a new snapshot
before that snapshot is shown, so that a request finds its answer made and waits neither for the store nor for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from stream_app.domain.errors import StreamAppError
from stream_app.stores.base import StoreUnavailable
from stream_app.web.health import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.periods import Calendar
    from stream_app.stores.base import Alerts, SnapshotReader, Wanted
    from stream_app.web.health import HealthBoard

    #: Gives the JSON of an answer.
    Compute = Callable[[Snapshot, Query], bytes]

log = logging.getLogger(__name__)

#: How long a request waits for the store before it takes the figures seen last, and before it gives up without any.
_PATIENCE_SECONDS = 2.0
_FIRST_SECONDS = 10.0
#: The store is followed for so long after a request, with the answers asked for in that time, at most so many.
_INTEREST_SECONDS = 10.0
_AHEAD = 8
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
        follow: seconds between two looks at the store while figures are asked for; 0: each request looks for itself.
    """

    def __init__(self, reader: SnapshotReader, health: HealthBoard, *, follow: float = 0.0) -> None:
        self._reader = reader
        self._health = health
        self._follow = follow
        self._following: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._asked: OrderedDict[Query, tuple[float, Compute]] = OrderedDict()
        self._token = uuid4().hex[:8]
        self._last: Snapshot | None = None
        self._number = 0
        self._reading: asyncio.Task[Snapshot | None] | None = None
        self._bodies: OrderedDict[tuple[int, Query], asyncio.Future[bytes]] = OrderedDict()
        self._alerts: Alerts | None = None
        health.set(PART, State.STARTING, "no figures have been published yet")

    async def latest(self) -> Latest:
        """The latest snapshot; the last one seen where the store does not answer in time.

        Raises:
            NoFiguresError: there is none.
        """
        self._asked_at = asyncio.get_running_loop().time()
        if self._last is not None and self._following is not None and not self._following.done():
            return Latest(self._last, self._number, stale=False)
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
            self._show(snapshot, {})
        self._health.set(PART, State.OK)
        if self._follow and (self._following is None or self._following.done()):
            self._following = asyncio.create_task(self._keep_up())
            self._following.add_done_callback(_looked_at)
        return Latest(snapshot, self._number, stale=False)

    def _show(self, snapshot: Snapshot, ahead: Mapping[Query, asyncio.Future[bytes]]) -> None:
        self._last, self._number = snapshot, self._number + 1
        self._bodies.clear()
        self._bodies.update({(self._number, query): body for query, body in ahead.items()})

    async def _keep_up(self) -> None:
        """Follows the store until nobody asks any more, or it does not answer: requests then ask it themselves."""
        now = asyncio.get_running_loop().time
        while now() - self._asked_at < _INTEREST_SECONDS:
            await asyncio.sleep(self._follow)
            snapshot = await self._read()
            if snapshot is None:
                return
            if snapshot is not self._last:
                self._show(snapshot, await self._made_ahead(snapshot, now() - _INTEREST_SECONDS))

    async def _made_ahead(self, snapshot: Snapshot, since: float) -> dict[Query, asyncio.Future[bytes]]:
        for query, (asked_at, _) in list(self._asked.items()):
            if asked_at < since or len(self._asked) > _AHEAD:
                del self._asked[query]
        made: dict[Query, asyncio.Future[bytes]] = {}
        for query, (_, compute) in list(self._asked.items()):
            body = asyncio.ensure_future(asyncio.to_thread(compute, snapshot, query))
            try:
                await body
            except Exception as error:  # noqa: BLE001 - who asks for it is told
                log.debug("An answer was not made ahead: %r", error)
                del self._asked[query]
            else:
                made[query] = body
        return made

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

    async def body(self, latest: Latest, query: Query, compute: Compute) -> bytes:
        """The JSON of an answer: kept until the next snapshot, computed beside the event loop otherwise.

        Args:
            latest: what it is computed from.
            query: the question.
            compute: gives the answer. Runs in a thread.
        """
        if self._follow:
            self._asked[query] = (self._asked_at, compute)
            self._asked.move_to_end(query)
        key = (latest.number, query)
        if key in self._bodies:
            self._bodies.move_to_end(key)
        else:
            body = asyncio.create_task(asyncio.to_thread(compute, latest.snapshot, query))
            body.add_done_callback(lambda done: self._settle(key, done))
            self._bodies[key] = body
        return await asyncio.shield(self._bodies[key])

    def _settle(self, key: tuple[int, Query], done: asyncio.Future[bytes]) -> None:
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

    async def alerts(self) -> tuple[Alerts, bool]:
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

    async def history(self, wanted: Wanted, last: int) -> list[dict[str, Any]]:
        """The latest rows of the alerts' history that are asked for, latest first.

        Raises:
            NoFiguresError: the store does not answer.
        """
        try:
            return await asyncio.wait_for(self._reader.history(wanted, last), _FIRST_SECONDS)
        except (StoreUnavailable, TimeoutError) as error:
            raise NoFiguresError(_why(error)) from error

    @property
    def calendar(self) -> Calendar | None:
        """The business calendar; None before the first snapshot."""
        return None if self._last is None else self._last.calendar

    async def close(self) -> None:
        """End a reading that is under way."""
        for task in (self._following, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])


def _why(error: Exception) -> str:
    return str(error) or "the store takes too long to answer"


def _looked_at(future: asyncio.Future[Any]) -> None:
    # Whoever asked may be gone, and an error that nobody fetches is not worth a traceback.
    if not future.cancelled():
        future.exception()
