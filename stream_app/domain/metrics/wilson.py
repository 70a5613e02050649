"""The Wilson score interval of a share, at 95 %."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: Of the standard normal distribution, what 95 % lie within.
Z = 1.959963984540054


def wilson(hits: NDArray[np.int64], of: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """The bounds of hits / of, as E. B. Wilson gave them in JASA 22 (1927), p. 209; neither leaves 0 to 1.

    Args:
        hits: int64 (n,), 0 to `of`.
        of: int64 (n,), 1 or more.

    Returns:
        The lower and the upper bounds, float64 (n,).
    """
    square = Z * Z
    centre = hits + square / 2
    spread = Z * np.sqrt(hits * ((of - hits) / of) + square / 4)
    # Of none and of all, the outer bounds are exact, and their roundings are not.
    low = np.where(hits == 0, 0.0, (centre - spread) / (of + square))
    high = np.where(hits == of, 1.0, (centre + spread) / (of + square))
    return low, high
