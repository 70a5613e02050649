"""Retention by cohort: classic and rolling, over first-time cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import Series, measure
from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.snapshot import choose, summed
from stream_app.domain.periods import HORIZON, KEPT, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.metrics.snapshot import Snapshot

GRAINS: Mapping[str, Grain] = {grain.value: grain for grain in KEPT}


@dataclass(frozen=True, slots=True)
class Cell:
    """One closed cell: of the `size` users of a cohort, `retained` had a return event in period `index`.

    Attributes:
        cohort: ordinal of the cohort's period.
        start: local date the cohort's period begins on.
        size: users of the cohort.
        retained: users with a return event in the period.
        closed_at: the instant (ms) the judged period closed.
    """

    cohort: int
    start: str
    size: int
    retained: int
    closed_at: int


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


def _sizes(snapshot: Snapshot, definition: str, grain: Grain, series: Sequence[Series]) -> dict[int, int]:
    pages = summed(snapshot.block(definition, measure(grain, "size"), s) for s in series)
    return {cohort: int(block[0]) for cohort, block in pages.items() if block[0] > 0}


def closed_cells(snapshot: Snapshot, *, definition: str, grain: str, index: int, series: Series) -> list[Cell]:
    """The closed cells of one index of classic retention, oldest cohort first; open ones are not there.

    Raises:
        QueryError: a name is unknown or the index lies outside the horizon.
    """
    snapshot.definition(definition)
    chosen = choose("grain", grain, GRAINS)
    if not 0 <= index < HORIZON[chosen]:
        raise QueryError(f"index: {index} is outside the horizon of grain {grain}; use 0 to {HORIZON[chosen] - 1}")
    last_closed = snapshot.last_closed(chosen)
    if last_closed is None:
        return []
    sizes = _sizes(snapshot, definition, chosen, [series])
    on = snapshot.block(definition, measure(chosen, "on"), series)
    cells = []
    for cohort in sorted(c for c in sizes if c + index <= last_closed):
        block = on.get(cohort + index)
        retained = int(block[index]) if block is not None and index < len(block) else 0
        cells.append(
            Cell(
                cohort=cohort,
                start=snapshot.calendar.start_date(chosen, cohort),
                size=sizes[cohort],
                retained=sizes[cohort] if index == 0 else retained,
                closed_at=snapshot.calendar.end(chosen, cohort + index),
            )
        )
    return cells
