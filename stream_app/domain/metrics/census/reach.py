"""Which cells of a retention matrix are known: a file holds everything, the service's rows do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.metrics.census.matrix import first_hours
from stream_app.domain.metrics.census.members import WINDOW_HOURS, sub_grain
from stream_app.domain.metrics.census.series import first_days
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.census.matrix import Frame
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]


def known(asked: Asked, tally: Tally, frame: Frame) -> NDArray[np.bool_]:
    """Which cells are known, shape (n, k): of every user of the cohort, all that decides them is kept."""
    query = asked.query
    found = np.ones(frame.closed.shape, np.bool_)
    unit = _unit(asked)
    # The period of a user's last return is always kept, but of hours, and of what comes before `until`.
    last_kept = query.kind == "rolling" and unit is query.grain and unit is not Grain.HOUR and query.until is None
    if tally.whole or last_kept or not found.size:
        return found
    # Bitmaps begin with a user's first return: in first-time cohorts of the same event, with the cohort.
    own = query.definition.start_filter == query.definition.return_filter and query.cohorts == "first"
    first, last = _spans(asked, frame, own)
    if query.kind == "rolling":
        last = np.full(last.shape, asked.last_period(unit))
    early, late = asked.reach(unit, tally, first[:, 0] if own else None)
    bound = early[:, None] if own else early
    found = (last < bound) | (first >= late) | (bound >= late)
    found[:, 0] = True  # the first start event is always kept
    return found


def _unit(asked: Asked) -> Grain:
    """The periods that decide a cell."""
    if asked.query.windows == "24h":
        return Grain.HOUR
    return asked.query.grain if asked.query.definition.min_active == 1 else sub_grain(asked.query.grain)


def _spans(asked: Asked, frame: Frame, own: bool) -> tuple[Ints, Ints]:
    """The first and the last unit that decide each cell, shapes (n, k); of windows, for the user who began last.

    Of users whose bitmaps begin with their own windows, all are alike: for the one who began first.
    """
    query = asked.query
    if query.windows == "24h":
        hours = WINDOW_HOURS[query.grain]
        began = first_hours(asked, frame.cohorts) if own else first_hours(asked, frame.cohorts + 1) - 1
        return began[:, None] + frame.begins * hours, began[:, None] + (frame.ends + 1) * hours - 1
    first, last = frame.cohorts[:, None] + frame.begins, frame.cohorts[:, None] + frame.ends
    unit = _unit(asked)
    if unit is query.grain:
        return first, last
    low, high = int(first.min()), int(last.max()) + 1
    starts = (
        first_hours(asked, np.arange(low, high + 1))
        if unit is Grain.HOUR
        else first_days(asked.calendar, query.grain, low, high)
    )
    return starts[first - low], starts[last + 1 - low] - 1
