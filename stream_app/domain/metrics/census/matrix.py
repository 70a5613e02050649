"""The rows and columns of a retention matrix: which cohorts and indexes there are, and what has closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.metrics.census.members import WINDOW_HOURS
from stream_app.domain.metrics.census.series import latest, of_segment
from stream_app.domain.periods import HORIZON, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a matrix of n cohorts and k columns shows.

    Attributes:
        cohorts: ordinals of the cohorts' periods, int64 (n,), rising.
        sizes: users, int64 (n,), none 0.
        widths: how many columns the row of a cohort has, int64 (n,).
        begins, ends: the first and the last index of each column, int64 (k,): the same but of brackets.
        closed: whether the calendar periods of a cell have closed, (n, k); not for 24-hour windows.
    """

    cohorts: Ints
    sizes: Ints
    widths: Ints
    begins: Ints
    ends: Ints
    closed: NDArray[np.bool_]

    def rows(self) -> Iterable[tuple[int, int, int]]:
        """(cohort, size, width) of each row."""
        return zip(self.cohorts.tolist(), self.sizes.tolist(), self.widths.tolist(), strict=True)


def frame_of(asked: Asked, tally: Tally, places: Ints, brackets: Sequence[tuple[int, int]] = ()) -> Frame:
    """The frame of a segment: its cohorts that have users, as many of the latest as are asked for.

    Args:
        asked: the question.
        tally: with cells `size` (place, cohort).
        places: of the segment.
        brackets: the first and the last index of each bracket; after index 0 they are then the columns.
    """
    grain = asked.query.grain
    last_period, last_closed = asked.last_period(grain), asked.last_closed(grain)
    keys, sums = of_segment(tally.of("size", 2), places)
    cohorts, at = np.unique(keys[:, 1], return_inverse=True)
    sizes = np.zeros(cohorts.size, np.int64)
    np.add.at(sizes, at, sums)
    if last_period is None or last_closed is None:  # nothing has closed yet
        cohorts = cohorts[:0]
    held = cohorts <= (last_period or 0)
    if asked.query.cohorts == "recurring":
        held &= asked.known(grain, cohorts, tally)
    shown = latest(asked, cohorts, held)
    sizes = sizes[np.searchsorted(cohorts, shown)]
    widths = np.minimum(_widths(asked, shown), HORIZON[grain])
    begins = ends = np.arange(int(widths.max(initial=0)))
    if brackets and shown.size:
        begins, ends = np.array([(0, 0), *brackets], np.int64).T
        widths = np.full(shown.size, begins.size)
    return Frame(shown, sizes, widths, begins, ends, shown[:, None] + ends <= (last_closed or 0))


def _widths(asked: Asked, cohorts: Ints) -> Ints:
    """How many indexes have begun of each cohort: of 24-hour windows, for its oldest possible user."""
    grain = asked.query.grain
    if asked.query.windows == "calendar":
        return (asked.last_period(grain) or 0) - cohorts + 1
    return ((asked.last_period(Grain.HOUR) or 0) - first_hours(asked, cohorts)) // WINDOW_HOURS[grain] + 1


def first_hours(asked: Asked, periods: Ints) -> Ints:
    """The hour that each of these periods begins with, shape (n,)."""
    starts = [asked.calendar.start(asked.query.grain, period) for period in periods.tolist()]
    return asked.calendar.hours(np.array(starts, np.int64))


def filled(tally: Tally, name: str, places: Ints, frame: Frame, width: int | None = None) -> Ints:
    """Cells (place, cohort, column) of a segment as a matrix.

    Args:
        tally: what was counted.
        name: of the cells.
        places: of the segment.
        frame: gives the rows, and the columns (n, k) unless there is a width.
        width: how many columns; what lies past the last one is then added to it.

    Returns:
        Sums, shape (n, k).
    """
    found = np.zeros((frame.cohorts.size, frame.ends.size if width is None else width), np.int64)
    keys, sums = of_segment(tally.of(name, 3), places)
    if not found.size or not sums.size:
        return found
    rows = np.minimum(np.searchsorted(frame.cohorts, keys[:, 1]), frame.cohorts.size - 1)
    columns = keys[:, 2] if width is None else np.minimum(keys[:, 2], width - 1)
    inside = (frame.cohorts[rows] == keys[:, 1]) & (columns < found.shape[1])
    np.add.at(found, (rows[inside], columns[inside]), sums[inside])
    return found
