"""The watch over a worker: its health and its lag each second, and the end of one that reads no more."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from stream_app.web.health import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prometheus_client import Gauge

    from stream_app.agents.merge import Merger
    from stream_app.agents.notify import Notify
    from stream_app.engine.sources import Sources
    from stream_app.exporters.prometheus import Metrics
    from stream_app.outlets import Outlets
    from stream_app.web.health import HealthBoard

#: Seconds without progress, with records waiting, after which the worker gives up and lets a supervisor restart it:
#: after a broker outage a Faust worker can sit there for good (faust #523, #532).
STALL_SECONDS = 120.0
#: The same for an assignment, and Faust's own recovery of its small tables, that does not end while the broker answers.
JOIN_SECONDS = 300.0
#: Seconds a notification may be owed before health says so.
OWED_SECONDS = 60.0


class Watch:
    """Looks at the parts of a worker.

    Args:
        sources, merger, notify, outlets: the parts.
        health, metrics: told what is seen.
        clock: the wall clock (ms).
        fail: ends the worker.
        connected: whether the broker answers.
    """

    def __init__(
        self,
        sources: Sources,
        merger: Merger,
        notify: Notify,
        outlets: Outlets,
        health: HealthBoard,
        metrics: Metrics,
        clock: Callable[[], int],
        fail: Callable[[BaseException], None],
        *,
        connected: Callable[[], bool],
    ) -> None:
        self._sources, self._merger, self._notify, self._outlets = sources, merger, notify, outlets
        self._health, self._metrics, self._clock, self._fail = health, metrics, clock, fail
        self._connected = connected
        self._merging = False
        self._flowed_at = time.monotonic()
        self._lags: set[tuple[str, str]] = set()
        self._ages: set[tuple[str, str]] = set()

    async def run(self) -> None:
        """Looks once a second, for good."""
        try:
            while True:
                self._look()
                await asyncio.sleep(1)
        except Exception as error:  # noqa: BLE001 - a worker that nobody watches must not go on
            self._fail(error)

    def _look(self) -> None:
        owned, flowing = self._sources.owned, self._sources.flowing
        recovering = sorted(number for number, source in owned.items() if not source.ready)
        if not flowing or recovering:
            waiting = f"partitions {recovering}" if recovering else "the group's assignment"
            self._health.set("partitions", State.STARTING, f"waits for {waiting}; this passes by itself")
        else:
            self._health.set("partitions", State.OK)
        if self._connected():
            self._health.set("broker", State.OK)
        else:
            self._health.set("broker", State.DEGRADED, "it does not answer; counting goes on when it is back")
        self._metrics.partitions_owned.set(len(owned))
        self._report_merging()
        self._report_owed()
        lag, now = self._report_lag(), time.monotonic()
        if flowing or not self._connected():
            self._flowed_at = now
        if not lag or not flowing:
            self._sources.progressed_at = now
        if now - self._sources.progressed_at > STALL_SECONDS:
            self._fail(RuntimeError(f"{lag} records wait and none was read for {STALL_SECONDS:.0f} s"))
        if now - self._flowed_at > JOIN_SECONDS:
            self._fail(RuntimeError(f"the group's assignment or Faust's recovery did not end in {JOIN_SECONDS:.0f} s"))

    def _report_merging(self) -> None:
        merging = self._merger.active
        if self._merging and not merging:
            self._outlets.withdraw()
        self._merging = merging

    def _report_owed(self) -> None:
        late = [entry for entry in self._notify.owed if entry.added_at < self._clock() / 1000 - OWED_SECONDS]
        state, note = (State.DEGRADED, f"{len(late)} owed; {late[0].note}") if late else (State.OK, "")
        self._health.set("notifications", state, note)

    def _report_lag(self) -> int:
        now = self._clock()
        lags: dict[tuple[str, str], float] = {}
        ages: dict[tuple[str, str], float] = {}
        for number, source in self._sources.owned.items():
            for topic, status in source.status(now).items():
                lags[topic, str(number)] = status.lag
                if status.last_event is not None:
                    ages[topic, str(number)] = (now - status.last_event) / 1000
        _show(self._metrics.lag_records, lags, self._lags)
        _show(self._metrics.newest_event_age_seconds, ages, self._ages)
        self._lags, self._ages = set(lags), set(ages)
        return int(sum(lags.values()))


def _show(gauge: Gauge, values: Mapping[tuple[str, str], float], before: set[tuple[str, str]]) -> None:
    """Sets a gauge by its labels; those that are gone are absent."""
    for gone in before - values.keys():
        gauge.remove(*gone)
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
