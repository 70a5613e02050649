"""The metrics of one worker, in a registry of their own.

Counters and histograms are this worker's: sum them over workers. The figures of a snapshot are the service's, the same
in every worker that shows it: take their maximum. Besides those of `METRICS` there are the standard ones of the process
(`process_cpu_seconds_total`, `process_resident_memory_bytes`, ...).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stream_app import __version__
from stream_app.exporters.alerts import AlertsCollector
from stream_app.exporters.figures import SnapshotCollector
from stream_app.exporters.table import BY_NAME, METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stream_app.domain.metrics import Snapshot

__all__ = ["METRICS", "Metric", "Metrics", "OptionalGauge"]

_CHUNK_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_COMMIT_BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CENSUS_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

_RULES = (
    "stream_app_rules_loaded",
    "stream_app_rules_reload_successful",
    "stream_app_rules_reload_success_timestamp_seconds",
)

M = TypeVar("M", Counter, Gauge)


class OptionalGauge(Collector):
    """A gauge that is absent until it is set, because zero would be wrong.

    Args:
        metric: its entry in the table; without labels.
    """

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._value: float | None = None

    def set(self, value: float | None) -> None:
        """Show this value from now on; None makes the gauge absent again."""
        self._value = value

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """One family with one sample or none."""
        family = GaugeMetricFamily(self._metric.name, self._metric.help)
        if self._value is not None:
            family.add_metric([], self._value)
        yield family


class Metrics:
    """Every metric of a worker, one attribute each; `show` takes the snapshot that the figures are of.

    Args:
        top: how many values of a dimension are exported; the rest are one, `(other)`.
        clock: the wall clock, in seconds since 1970.
    """

    def __init__(self, *, top: int = 20, clock: Callable[[], float] = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series of each counter that nobody asks for
        self.registry = CollectorRegistry()
        self.records_read = self._made(Counter, "stream_app_records_read_total")
        self.records_counted = self._made(Counter, "stream_app_records_counted_total")
        self.records_dead_lettered = self._made(Counter, "stream_app_records_dead_lettered_total")
        self.records_dropped = self._made(Counter, "stream_app_records_dropped_total")
        self.records_lost = self._made(Counter, "stream_app_records_lost_total")
        self.late_events = self._made(Counter, "stream_app_late_events_total")
        self.corrected_cells = self._made(Counter, "stream_app_corrected_cells_total")
        self.chunk_seconds = self._histogram("stream_app_chunk_seconds", _CHUNK_BUCKETS)
        self.commit_seconds = self._histogram("stream_app_commit_seconds", _COMMIT_BUCKETS)
        self.commits = self._made(Counter, "stream_app_commits_total")
        self.rows_written = self._made(Counter, "stream_app_rows_written_total")
        self.partials_written = self._made(Counter, "stream_app_partials_written_total")
        self.committed_bytes = self._made(Counter, "stream_app_committed_bytes_total")
        self.newest_event_age_seconds = self._made(Gauge, "stream_app_newest_event_age_seconds")
        self.recovered_users = self._made(Counter, "stream_app_recovered_users_total")
        self.snapshot_seconds = self._histogram("stream_app_snapshot_seconds", _COMMIT_BUCKETS)
        self.lag_records = self._made(Gauge, "stream_app_lag_records")
        self.partitions_owned = self._made(Gauge, "stream_app_partitions_owned")
        self.recovery_seconds = OptionalGauge(BY_NAME["stream_app_recovery_seconds"])
        self.notifications = self._made(Counter, "stream_app_notifications_total")
        self.notifications_withheld = self._made(Counter, "stream_app_notifications_withheld_total")
        self._rules = [OptionalGauge(BY_NAME[name]) for name in _RULES]
        self.snapshot_writes = self._made(Counter, "stream_app_snapshot_writes_total")
        self.census = self._made(Counter, "stream_app_census_total")
        self.census_seconds = self._histogram("stream_app_census_seconds", _CENSUS_BUCKETS)
        self._made(Gauge, "stream_app_build_info").labels(__version__).set(1)
        self._clock = clock
        self._figures, self._alerts = SnapshotCollector(top, clock), AlertsCollector(clock)
        for collector in (self.recovery_seconds, *self._rules, self._figures, self._alerts):
            self.registry.register(collector)
        ProcessCollector(registry=self.registry)

    def show(self, snapshot: Snapshot | None) -> None:
        """Export the figures of this snapshot from now on; None makes them absent. Costs nothing until a scrape."""
        self._figures.show(snapshot)

    def show_alerts(
        self, now: Sequence[Mapping[str, Any]], silences: Sequence[Mapping[str, Any]], rules: Iterable[str]
    ) -> None:
        """Export these alerts and silences from now on, as they are published, and zeros for rules without any."""
        self._alerts.show(now, silences, rules)

    def show_rules(self, number: int, problem: str | None = None) -> None:
        """Export what became of reading the rules file.

        Args:
            number: how many rules are in force.
            problem: why the file was refused; None: those in force are the file's.
        """
        loaded, successful, read_at = self._rules
        loaded.set(number)
        successful.set(0 if problem else 1)
        if not problem:
            read_at.set(self._clock())

    def _made(self, kind: type[M], name: str) -> M:
        metric = BY_NAME[name]
        return kind(metric.name, metric.help, metric.labels, registry=self.registry)

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        metric = BY_NAME[name]
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=buckets)
