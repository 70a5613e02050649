"""The figures of the service, computed from counters: pure, the same for the API, the page, alerts and `analyze`."""

from stream_app.domain.metrics.retention import Cell, closed_cells
from stream_app.domain.metrics.snapshot import Blocks, Snapshot

__all__ = ["Blocks", "Cell", "Snapshot", "closed_cells"]
