"""Where figures and alerts go: Redis, Prometheus, the topics. What fails here stops no counting."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from stream_app.agents import judge, notify
from stream_app.domain.alerts import frontier
from stream_app.exporters.observer import MetricsObserver
from stream_app.stores.base import StoreUnavailable
from stream_app.web.health import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.agents.rulebook import Rulebook
    from stream_app.domain.counters import BlockKey
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.app import ServiceApp
    from stream_app.exporters.prometheus import Metrics
    from stream_app.stores.redis import RedisStore
    from stream_app.web.health import HealthBoard
log = logging.getLogger(__name__)

#: Seconds between two log lines on corrections.
_TOLD_EVERY = 60.0
#: The judge is told of the watermark at least once in so much of event time (ms): it stores how far it has judged, and
#: no later worker's watermark falls behind that. In every time zone hours begin at a quarter of an hour.
_STEP = 900_000


class Outlets:
    """Shows snapshots and alerts, and has the judge called when periods close.

    Args:
        app: the Faust app.
        store: the serving store.
        metrics: the worker's metrics.
        health: told whether the store answers.
        rulebook: the alert rules.

    Attributes:
        snapshot: the latest.
    """

    def __init__(
        self, app: ServiceApp, store: RedisStore, metrics: Metrics, health: HealthBoard, rulebook: Rulebook
    ) -> None:
        self._app, self._store, self._metrics, self._health = app, store, metrics, health
        self._rulebook = rulebook
        self.snapshot: Snapshot | None = None
        self._announced: tuple[int | None, ...] | None = None  # None: nothing yet
        self._announced_at: int | None = None
        self._observer = MetricsObserver(metrics)
        self._corrected: dict[str, int] = {}  # since the last log line
        self._told_at = float("-inf")

    def begin(self) -> None:
        """At a new assignment: periods are announced again, in case the judge missed some."""
        self._announced = None

    async def publish(self, snapshot: Snapshot, dirty: set[BlockKey] | None) -> None:
        """Shows a snapshot. A store that does not answer gets everything when it is back."""
        former, self.snapshot = self.snapshot, snapshot
        self._tell_corrections(former, snapshot)
        self._metrics.show(snapshot)
        closed = self._closed(snapshot)
        if closed != self._announced and snapshot.watermark is not None:
            await judge.announce(self._app, snapshot)
            self._announced, self._announced_at = closed, snapshot.watermark
        try:
            with self._metrics.snapshot_seconds.time():
                await self._store.publish(snapshot, dirty)
        except StoreUnavailable as error:
            self._metrics.snapshot_writes.labels("unavailable").inc()
            self._health.set("redis", State.DEGRADED, str(error))
        else:
            self._metrics.snapshot_writes.labels("written").inc()
            self._health.set("redis", State.OK)

    def _closed(self, snapshot: Snapshot) -> tuple[int | None, ...]:
        """What closed so far: the judge is told when it changes, also where there are no rules."""
        step = None if snapshot.watermark is None else snapshot.watermark // _STEP
        return step, *frontier(self._rulebook.rules, snapshot)

    def _tell_corrections(self, former: Snapshot | None, snapshot: Snapshot) -> None:
        """Says how many cells of closed periods are not what they were in the former snapshot."""
        same_sum = former is not None and former.corrections.since == snapshot.corrections.since
        before = former.corrections.cells if former is not None and same_sum else {}
        for definition, cells in snapshot.corrections.cells.items():
            more = cells - before.get(definition, 0)
            if more:
                self._observer.corrected(definition, more)
                self._corrected[definition] = self._corrected.get(definition, 0) + more
        now = asyncio.get_running_loop().time()
        if self._corrected and now - self._told_at >= _TOLD_EVERY:
            listed = ", ".join(f"{definition}: {cells}" for definition, cells in sorted(self._corrected.items()))
            log.info("Late events changed cells of closed periods, whose figures are published again (%s).", listed)
            self._corrected, self._told_at = {}, now

    def withdraw(self) -> None:
        """Another worker merges now: what this one showed is no longer its own to show."""
        self.snapshot = None
        self._metrics.show(None)
        self._metrics.show_alerts((), (), ())
        self._health.remove("redis")

    async def show_alerts(
        self,
        now: Sequence[Mapping[str, Any]],
        changes: Sequence[Mapping[str, Any]],
        silences: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Shows the alerts that are firing or pending or cannot be judged, the latest changes, and the silences."""
        self._metrics.show_alerts(now, silences, [rule.name for rule in self._rulebook.rules])
        try:
            await self._store.publish_alerts(now, changes, silences)
        except StoreUnavailable as error:
            self._health.set("redis", State.DEGRADED, str(error))  # they go out with the next snapshot

    def settled(self, judged: judge.Judge, notified: notify.Notify) -> bool:
        """Whether everything closed has been judged, and everything judged has been told."""
        if self.snapshot is None or self._closed(self.snapshot) != self._announced:
            return False
        reached = judged.watermark
        done = self._announced_at is None or (reached is not None and reached >= self._announced_at)
        return done and not judged.waiting and not notified.owed
