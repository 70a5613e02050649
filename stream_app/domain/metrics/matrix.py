"""The cells of one segment as a matrix of cohorts and indexes, kept up from one snapshot to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Pages = Mapping[int, NDArray[np.int64]]

_NOTHING = np.zeros(0, np.int64)


class CohortMatrix:
    """Users by cohort (row, from `first` on) and index (column): the sum of the pages of some series.

    A page of period p holds, over index k, the users of cohort p - k: it lies on a diagonal, which in the flat matrix
    is a slice of constant step. Whoever gives the next snapshot's pages pays for those that changed, which are told by
    the identity of their blocks: a snapshot's blocks never change.

    Args:
        first: ordinal of the first row's cohort.
        height: how many cohorts.
        width: how many indexes.
        series: how many series are summed.
        dtype: of the cells.

    Attributes:
        first: as given.
        sizes: users by cohort, int64, shape (height,).
        cells: shape (height, width); those of cohorts or indexes outside are left out.
    """

    def __init__(self, first: int, height: int, width: int, series: int = 1, dtype: type = np.int64) -> None:
        self.first = first
        self.sizes = np.zeros(height, np.int64)
        self.cells: NDArray[Any] = np.zeros((height, max(width, 2)), dtype)  # a diagonal of a single column has no step
        self._flat = self.cells.reshape(-1)
        self._sizes: list[dict[int, NDArray[np.int64]]] = [{} for _ in range(series)]
        self._pages: list[dict[int, NDArray[np.int64]]] = [{} for _ in range(series)]

    def follow(self, sizes: Sequence[Pages], pages: Sequence[Pages], *, shown: int | None = None) -> NDArray[np.bool_]:
        """Takes the pages of a snapshot, one mapping a series.

        Args:
            sizes: period -> block of one cell, the cohort's users.
            pages: period -> block over the index.
            shown: pages of later periods change no row that is shown; None where all do.

        Returns:
            Which rows changed, shape (height,).
        """
        changed = np.zeros(len(self.sizes), np.bool_)
        for known, given in zip(self._sizes, sizes, strict=True):
            for period, old, new in _differing(known, given):
                row = period - self.first
                more = int(new[0] if new.size else 0) - int(old[0] if old.size else 0)
                if more and 0 <= row < len(self.sizes):
                    self.sizes[row] += more
                    changed[row] = True
        for known, given in zip(self._pages, pages, strict=True):
            for period, old, new in _differing(known, given):
                if old.size:
                    self._change(period, old, new, changed if shown is None or period <= shown else None)
                else:
                    self._add(period, new, changed)
        return changed

    def _add(self, period: int, block: NDArray[np.int64], changed: NDArray[np.bool_]) -> None:
        height, width = self.cells.shape
        row = period - self.first  # of index 0
        start, stop = max(row - height + 1, 0), min(len(block), row + 1, width)
        if start < stop:
            place, step = (row - start) * width + start, width - 1
            end = place - (stop - start) * step
            self._flat[place : end if end >= 0 else None : -step] += block[start:stop].astype(self.cells.dtype)
            changed[row - stop + 1 : row - start + 1] = True

    def _change(
        self, period: int, old: NDArray[np.int64], new: NDArray[np.int64], changed: NDArray[np.bool_] | None
    ) -> None:
        more = np.zeros(max(len(old), len(new)), np.int64)
        more[: len(new)] = new
        more[: len(old)] -= old
        indexes = np.flatnonzero(more)
        rows = period - self.first - indexes
        inside = (rows >= 0) & (rows < self.cells.shape[0]) & (indexes < self.cells.shape[1])
        rows, indexes = rows[inside], indexes[inside]
        self.cells[rows, indexes] += more[indexes].astype(self.cells.dtype)
        if changed is not None:
            changed[rows] = True


def _differing(
    known: dict[int, NDArray[np.int64]], given: Pages
) -> list[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """(period, block before, block now) of the pages that are not the ones known; they are known from then on."""
    found = [
        (period, known.get(period, _NOTHING), block)
        for period, block in given.items()
        if known.get(period) is not block
    ]
    known.update((period, block) for period, _, block in found)
    if len(known) > len(given):
        found += [(period, known.pop(period), _NOTHING) for period in list(known.keys() - given.keys())]
    return found
