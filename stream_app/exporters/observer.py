"""What the engine reports, as metrics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_app.engine.ledger import Written
    from stream_app.engine.source_config import ChunkCounts
    from stream_app.exporters.prometheus import Metrics


class MetricsObserver:
    """The engine's `Observer`."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def chunk(self, topic: str, counts: ChunkCounts, seconds: float) -> None:
        """A chunk was counted."""
        metrics = self._metrics
        metrics.records_read.labels(topic).inc(counts.read)
        metrics.records_counted.labels(topic).inc(counts.counted)
        metrics.late_events.inc(counts.late)
        metrics.chunk_seconds.observe(seconds)
        if counts.dropped:
            metrics.records_dropped.labels("beyond_horizon").inc(counts.dropped)
        for reason, count in Counter(counts.reasons).items():
            metrics.records_dead_lettered.labels(reason).inc(count)

    def commit(self, outcome: str, seconds: float, written: Written | None = None) -> None:
        """A commit ended."""
        metrics = self._metrics
        metrics.commits.labels(outcome).inc()
        if outcome == "committed":
            metrics.commit_seconds.observe(seconds)
        if written is not None:
            metrics.rows_written.inc(written.rows)
            metrics.partials_written.inc(written.partials)
            metrics.committed_bytes.labels("rows").inc(written.row_bytes)
            metrics.committed_bytes.labels("partials").inc(written.partial_bytes)

    def recovered(self, partition: int, users: int, seconds: float) -> None:
        """A source partition's state was restored."""
        self._metrics.recovery_seconds.set(seconds)
        self._metrics.recovered_users.inc(users)

    def lost(self, topic: str, records: int) -> None:
        """Records of a source topic were deleted before they were read."""
        self._metrics.records_lost.labels(topic).inc(records)

    def census(self, figure: str, outcome: str, seconds: float) -> None:
        """A question to all workers ended."""
        self._metrics.census.labels(figure, outcome).inc()
        if outcome == "answered":
            self._metrics.census_seconds.observe(seconds)

    def corrected(self, definition: str, cells: int) -> None:
        """Late events changed cells of periods that had closed."""
        self._metrics.corrected_cells.labels(definition).inc(cells)
