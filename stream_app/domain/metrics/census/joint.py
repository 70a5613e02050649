"""Of recurring cohorts: how many users started in one period and returned in another, for every pair of periods.

A user with m periods is in up to m * m / 2 cells. Of few periods they are listed; of many, a product of matrices of
users and periods counts them at a hundredth of the cost each.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stream_app.domain.metrics.population import Pairs

    Ints = NDArray[np.int64]

#: What listing a cell costs, in multiplications.
_LISTED = 1000
#: The most numbers of a matrix, of users and periods or of pairs of periods: 64 MB of 32-bit floats, in which counts of
#: so few users are exact.
_MOST = 1 << 24


def worth_it(cells: int, users: int, starts: Pairs, returns: Pairs) -> bool:
    """Whether a product is the cheaper way to so many cells of so many users."""
    if not cells:
        return False
    pairs = _span(starts, returns)[1] ** 2
    return pairs <= _MOST and cells * _LISTED > users * pairs


def _span(starts: Pairs, returns: Pairs) -> tuple[int, int]:
    """The first period, and how many there are to the last one."""
    low, high = (int(end((end(starts.periods), end(returns.periods)))) for end in (np.min, np.max))
    return low, high - low + 1


def joint(starts: Pairs, returns: Pairs, places: Ints, horizon: int) -> Iterator[tuple[Ints, Ints, Ints, Ints]]:
    """Counts users by where they started and where they returned later.

    Args:
        starts: periods of the users of a slice, not empty.
        returns: likewise.
        places: each user's segment, (n,).
        horizon: indexes from this one on are left out.

    Yields:
        Columns (m,): how many users, their segment, the period of the start, how many periods later they returned.
    """
    low, width = _span(starts, returns)
    order = np.argsort(places, kind="stable")
    rank = np.empty(places.size, np.int64)
    rank[order] = np.arange(places.size)
    height = max(_MOST // width, 1)
    for first in range(0, places.size, height):
        of = places[order[first : first + height]]
        started, returned = (_matrix(pairs, rank - first, (of.size, width), low) for pairs in (starts, returns))
        bounds = np.flatnonzero(np.diff(of, prepend=-1, append=-1)).tolist()
        found = [
            _cells(started[begin:end].T @ returned[begin:end], int(of[begin]), low, horizon)
            for begin, end in pairwise(bounds)
        ]
        users, segments, cohorts, indexes = (np.concatenate(column) for column in zip(*found, strict=True))
        yield users, segments, cohorts, indexes


def _cells(both: NDArray[np.float32], place: int, low: int, horizon: int) -> tuple[Ints, Ints, Ints, Ints]:
    later = np.triu(both, 1) - np.triu(both, horizon)
    rows, columns = np.nonzero(later)
    return later[rows, columns].astype(np.int64), np.full(rows.size, place), rows + low, columns - rows


def _matrix(pairs: Pairs, row: Ints, shape: tuple[int, int], low: int) -> NDArray[np.float32]:
    """1 where the user of a row has the period of a column, else 0."""
    found = np.zeros(shape, np.float32)
    rows = row[pairs.users]
    inside = (rows >= 0) & (rows < shape[0])
    found[rows[inside], pairs.periods[inside] - low] = 1
    return found
