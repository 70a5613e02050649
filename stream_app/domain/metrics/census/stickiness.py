"""How many of a month's users come on a day (DAU / MAU), and on how many days each of them came.

Cells: `daily` (place, day), `active` (see `runs`), and `histogram` (place, active days in the window that ends with the
last closed day).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.asked import ratio
from stream_app.domain.metrics.census.runs import active_on, runs_of, tally_active
from stream_app.domain.metrics.census.series import columns, earliest, latest, line, shown, upto, windows_known
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
    tally.add("daily", [places[days.users], days.periods])
    tally_active(tally, places, runs_of(days, asked.query.window))
    active = np.bincount(days.users[days.periods > last - asked.query.window], minlength=places.size)
    came = active > 0
    tally.add("histogram", [places[came], active[came]])


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {"window": asked.query.window}


def answer(asked: Asked, tally: Tally, places: NDArray[np.int64]) -> Entry:
    """The entry of one segment: a row a closed day from the first activity on, and the histogram of the last one.

    The histogram is empty where the last closed day is not shown.
    """
    window = asked.query.window
    first = earliest(tally, "daily", 2, places)
    days = shown(asked, Grain.DAY, first)
    days = latest(asked, days, windows_known(asked, tally, days, window))
    if first is None or not days.size:
        return {"days": [], "histogram": []}
    daily = line(tally, "daily", places, first, int(days[-1]))[days - first]
    monthly = active_on(tally, places, days, first)
    histogram = line(tally, "histogram", places, 1, window).tolist() if days[-1] == asked.last_closed(Grain.DAY) else []
    return {
        "days": [
            {"date": asked.calendar.start_date(Grain.DAY, day), "dau": dau, "mau": mau, "stickiness": ratio(dau, mau)}
            for day, dau, mau in columns(days, daily, monthly)
        ],
        "histogram": [{"days": number, "users": users} for number, users in enumerate(histogram, 1)],
    }
