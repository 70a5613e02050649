"""Customers kept and lost at the end of each closed period, by inactivity window.

Cells: `customers` (place, local day of the first activity), `active` (see `runs`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.runs import active_on, runs_of, tally_active
from stream_app.domain.metrics.census.series import (
    columns,
    earliest,
    first_days,
    latest,
    line,
    opens,
    shown,
    upto,
    windows_known,
)
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally


def count(asked: Asked, part: Slice, places: NDArray[np.int64], tally: Tally) -> None:
    """Adds a slice to the tally."""
    last = asked.last_closed(Grain.DAY)
    if last is None:
        return
    days = upto(part.active(asked.query.definition.return_filter, Grain.DAY), last)
    first = opens(days)
    tally.add("customers", [places[days.users[first]], days.periods[first]])
    tally_active(tally, places, runs_of(days, asked.query.window))


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {"inactivity_days": asked.query.window}


def answer(asked: Asked, tally: Tally, places: NDArray[np.int64]) -> Entry:
    """The entry of one segment: a row a closed period, from the one of the first customer on."""
    grain, calendar = asked.query.grain, asked.calendar
    first = earliest(tally, "customers", 2, places)
    periods = shown(asked, grain, None if first is None else calendar.period(grain, first))
    if first is None or not periods.size:
        return {"days": []}
    ends = first_days(calendar, grain, int(periods[0]) + 1, int(periods[-1]) + 1) - 1
    ends = latest(asked, ends, windows_known(asked, tally, ends, asked.query.window))
    if not ends.size:
        return {"days": []}
    customers = np.cumsum(line(tally, "customers", places, first, int(ends[-1])))[ends - first]
    active = active_on(tally, places, ends, first)
    return {
        "days": [
            {"date": calendar.start_date(Grain.DAY, day), "customers": known, "active": now, "churned": known - now}
            for day, known, now in columns(ends, customers, active)
        ]
    }
