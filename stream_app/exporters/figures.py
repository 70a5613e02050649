"""The figures of a snapshot as metrics. What is not known is absent, never zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stream_app.domain.counters import ACTIVE, measure
from stream_app.domain.metrics.snapshot import summed
from stream_app.domain.periods import Grain
from stream_app.exporters.table import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stream_app.domain.metrics import Snapshot

#: The period indexes that are exported, by grain.
INDEXES: Mapping[Grain, tuple[int, ...]] = {
    Grain.DAY: (1, 3, 7, 14, 30),
    Grain.WEEK: (1, 2, 4, 8),
    Grain.MONTH: (1, 2, 3),
}

Samples = dict[str, list[tuple[list[str], float]]]


def segment_label(segment: Mapping[str, str]) -> str:
    """The value of the label `segment`.

    >>> segment_label({}), segment_label({"plan": "pro"})
    ('all', 'plan=pro')
    """
    return ",".join(f"{dimension}={value}" for dimension, value in segment.items()) or "all"


def ratios(snapshot: Snapshot, definition: str, top: int) -> Iterator[tuple[list[str], float]]:
    """(grain, index, segment) and classic retention of the latest cohort whose cell has closed, where there is one."""
    for grain, indexes in INDEXES.items():
        size, on = measure(grain, "size"), measure(grain, "on")
        closed = snapshot.last_closed(grain)
        if closed is None:
            continue
        for dimension in (None, *snapshot.dimensions):
            for segment, series in snapshot.segments(definition, size, dimension, top):
                sizes = {
                    cohort: int(block[0])
                    for cohort, block in summed(snapshot.block(definition, size, s) for s in series).items()
                    if block[0] > 0
                }
                for index in indexes:
                    cohort = max((c for c in sizes if c + index <= closed), default=None)
                    if cohort is not None:
                        retained = _cell([snapshot.block(definition, on, s) for s in series], cohort + index, index)
                        yield [grain.value, str(index), segment_label(segment)], retained / sizes[cohort]


def _cell(blocks: Sequence[Mapping[int, NDArray[np.int64]]], period: int, index: int) -> int:
    total = 0
    for pages in blocks:
        block = pages.get(period)
        if block is not None and index < len(block):
            total += int(block[index])
    return total


def active(snapshot: Snapshot, definition: str, top: int) -> Iterator[tuple[list[str], float]]:
    """(segment) and its customers active at the end of the latest closed day, from its first customer's day on."""
    closed = snapshot.last_closed(Grain.DAY)
    if closed is None:
        return
    size = measure(Grain.DAY, "size")
    for dimension in (None, *snapshot.dimensions):
        for segment, series in snapshot.segments(definition, size, dimension, top):
            if any(day <= closed for one in series for day in snapshot.block(definition, size, one)):
                yield (
                    [segment_label(segment)],
                    _cell([snapshot.block(definition, ACTIVE, s) for s in series], closed, 0),
                )


class SnapshotCollector(Collector):
    """Gives the figures of the latest snapshot to a registry.

    Args:
        top: how many values of a dimension are exported; the rest are one, `(other)`.
        clock: the wall clock, in seconds since 1970.
    """

    def __init__(self, top: int, clock: Callable[[], float]) -> None:
        self._top = top
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._computed: tuple[Snapshot, Samples] | None = None

    def show(self, snapshot: Snapshot | None) -> None:
        """Export this snapshot from now on. It must not change afterwards. Costs nothing until the next scrape."""
        self._snapshot = snapshot

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, computed once a snapshot."""
        snapshot = self._snapshot
        samples: Samples = {}
        if snapshot is not None:
            if self._computed is None or self._computed[0] is not snapshot:
                self._computed = (snapshot, self._figures(snapshot))
            samples = dict(self._computed[1])
            if snapshot.watermark is not None:
                samples["stream_app_event_time_lag_seconds"] = [([], self._clock() - snapshot.watermark / 1000)]
        for name in _FIGURES:
            family = GaugeMetricFamily(name, BY_NAME[name].help, labels=BY_NAME[name].labels)
            for labels, value in samples.get(name, ()):
                family.add_metric(labels, value)
            yield family

    def _figures(self, snapshot: Snapshot) -> Samples:
        samples: Samples = {name: [] for name in _FIGURES}
        if "users" in snapshot.totals:
            samples["stream_app_users"].append(([], snapshot.totals["users"]))
        if snapshot.watermark is not None:
            samples["stream_app_watermark_timestamp_seconds"].append(([], snapshot.watermark / 1000))
        for name in (definition.name for definition in snapshot.definitions if definition.counted):
            samples["stream_app_retention_ratio"] += [
                ([name, *labels], value) for labels, value in ratios(snapshot, name, self._top)
            ]
            samples["stream_app_active_customers"] += [
                ([name, *labels], value) for labels, value in active(snapshot, name, self._top)
            ]
        return samples


_FIGURES = (
    "stream_app_users",
    "stream_app_watermark_timestamp_seconds",
    "stream_app_event_time_lag_seconds",
    "stream_app_retention_ratio",
    "stream_app_active_customers",
)
