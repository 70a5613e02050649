"""(being written)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally


def count(asked: Asked, part: Slice, places: NDArray[np.int64], tally: Tally) -> None:
    """Adds a slice to the tally."""
    raise NotImplementedError


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    raise NotImplementedError


def answer(asked: Asked, tally: Tally, places: NDArray[np.int64]) -> Entry:
    """The entry of one segment."""
    raise NotImplementedError
