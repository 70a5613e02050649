"""Retention by cohort: classic and rolling, over first-time cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import measure
from stream_app.domain.periods import HORIZON

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics.snapshot import Snapshot
    from stream_app.domain.periods import Grain


@dataclass(frozen=True, slots=True)
class Frame:
    """Which cohorts and indexes there are to show at a snapshot.

    Attributes:
        first: ordinal of the first cohort.
        last_period: the latest period of which anything is known.
        last_closed: the latest closed period.
        horizon: the most indexes of a cohort.
    """

    first: int
    last_period: int
    last_closed: int
    horizon: int

    @property
    def height(self) -> int:
        """How many cohorts."""
        return max(self.last_period - self.first + 1, 0)

    def width(self, cohort: int) -> int:
        """How many indexes a cohort's row has."""
        return min(self.last_period - cohort + 1, self.horizon)

    def observed(self, cohort: int) -> int:
        """How many of them have closed."""
        return min(max(self.last_closed - cohort + 1, 0), self.width(cohort))


def frame_of(snapshot: Snapshot, grain: Grain, cohorts: Iterable[int]) -> Frame | None:
    """The frame of a snapshot whose first cohort is the least of these; None where there is nothing to show."""
    last_period, last_closed, first = (
        snapshot.last_period(grain),
        snapshot.last_closed(grain),
        min(cohorts, default=None),
    )
    if last_period is None or last_closed is None or first is None:
        return None
    return Frame(first, last_period, last_closed, HORIZON[grain])


def measures(grain: Grain, kind: str) -> tuple[str, str]:
    """The measures of the cohorts' sizes, and of the cells that a kind of retention is made of."""
    return measure(grain, "size"), measure(grain, "on" if kind == "classic" else "last")


def shown(cells: NDArray[Any], sizes: NDArray[np.int64], kind: str) -> NDArray[Any]:
    """Rows as they are shown, of cells (n, width) and sizes (n,): index 0 is the size, by the start event alone."""
    # A user counts at every index up to that of the last return.
    rows = cells.copy() if kind == "classic" else np.cumsum(cells[:, ::-1], axis=1, dtype=cells.dtype)[:, ::-1]
    rows[:, 0] = sizes
    return rows


def closed_cells(
    snapshot: Snapshot, *, definition: str, grain: Grain, index: int, series: Series
) -> Iterator[tuple[int, int, int]]:
    """The closed cells of one index of classic retention: ordinal of the cohort, its users, and those who came back.

    Oldest cohort first; open cells are not there, nor are cohorts without users.

    Raises:
        QueryError: the definition is unknown.
    """
    snapshot.definition(definition)
    last_closed = snapshot.last_closed(grain)
    size, cells = measures(grain, "classic")
    sizes, on = snapshot.block(definition, size, series), snapshot.block(definition, cells, series)
    for cohort in sorted(sizes) if last_closed is not None else ():
        users = sizes[cohort].item(0)
        if users > 0 and cohort + index <= (last_closed or 0):
            block = on.get(cohort + index)
            came = block.item(index) if block is not None and index < block.size else 0
            yield cohort, users, users if index == 0 else came
