"""The figures of the service, computed from counters: pure, the same for the API, the page, alerts and `analyze`."""

from stream_app.domain.metrics.retention import closed_cells
from stream_app.domain.metrics.snapshot import Blocks, Snapshot

__all__ = ["Blocks", "Snapshot", "closed_cells"]
