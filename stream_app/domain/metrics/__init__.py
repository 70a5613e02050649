"""The figures of the service, computed from counters: pure, the same for the API, the page, alerts and `analyze`."""

from stream_app.domain.metrics.churn import churn
from stream_app.domain.metrics.retention import Cell, closed_cells, retention
from stream_app.domain.metrics.snapshot import Blocks, Snapshot

__all__ = ["Blocks", "Cell", "Snapshot", "churn", "closed_cells", "retention"]
