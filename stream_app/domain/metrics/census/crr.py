"""Customer retention over each closed period: who was active at its start and at its end, by inactivity window.

Cells: `customers` (place, local day of the first activity), `active` (see `runs`); by (place, period) `new_active`, the
new ones who are active at its end, and `kept`, the change from the period before of those active at both ends; `whole`
(place, place in `_PARTS`), of the time from `from` until `until`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.asked import ratio
from stream_app.domain.metrics.census.runs import Runs, active_on, runs_of, tally_active, value_at
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

    Ints = NDArray[np.int64]

_PARTS = ("start_active", "end_active", "new", "new_active", "kept")


def count(asked: Asked, part: Slice, places: Ints, tally: Tally) -> None:
    """Adds a slice to the tally."""
    grain, calendar = asked.query.grain, asked.calendar
    last_day, last = asked.last_closed(Grain.DAY), asked.last_closed(grain)
    if last_day is None or last is None:
        return
    days = upto(part.active(asked.query.definition.return_filter, Grain.DAY), last_day)
    if not days.users.size:
        return
    first = opens(days)
    users, firsts = days.users[first], days.periods[first]
    runs = runs_of(days, asked.query.window)
    tally.add("customers", [places[users], firsts])
    tally_active(tally, places, runs)
    begin = calendar.period(grain, int(firsts.min()))
    if begin <= last:
        edges = first_days(calendar, grain, begin, last + 1)
        _kept(tally, places, runs, edges, begin)
        _new_active(tally, places, runs, users, firsts, edges, begin)
    whole = _whole(asked)
    if whole is not None:
        at_start, at_end = (runs.cover(users, np.full(users.size, day)) for day in (whole[0] - 1, whole[1]))
        new = (firsts >= whole[0]) & (firsts <= whole[1])
        for which, held in enumerate((at_start, at_end, new, new & at_end, at_start & at_end)):
            tally.add("whole", [places[users[held]], np.full(int(held.sum()), which)])


def _kept(tally: Tally, places: Ints, runs: Runs, edges: Ints, begin: int) -> None:
    """Adds the users who are active at both ends of periods, whose first days are `edges`, the last one excluded."""
    users, begins, ends = runs
    # One run reaches from before a period's first day to its last one: so it does for all periods in between.
    low = np.searchsorted(edges, begins + 1, side="left")
    high = np.searchsorted(edges, ends + 1, side="right") - 1
    within = low < high
    # A run ends within a period that it reaches into, and another one covers the period's last day.
    ended = np.flatnonzero((high >= 0) & (high < edges.size - 1) & (edges[high] > begins))
    ended = ended[runs.cover(users[ended], edges[high[ended] + 1] - 1)]
    of, again = places[users], high[ended]
    keys = [
        np.concatenate([of[within], of[within], of[ended], of[ended]]),
        np.concatenate([low[within], high[within], again, again + 1]) + begin,
    ]
    signs = np.repeat(np.array([1, -1, 1, -1]), [within.sum(), within.sum(), again.size, again.size])
    tally.add("kept", keys, signs)


def _new_active(tally: Tally, places: Ints, runs: Runs, users: Ints, firsts: Ints, edges: Ints, begin: int) -> None:
    """Adds the users who are active at the end of the period in which they came."""
    at = np.searchsorted(edges, firsts, side="right") - 1
    closed = at < edges.size - 1
    users, at = users[closed], at[closed]
    still = runs.cover(users, edges[at + 1] - 1)
    tally.add("new_active", [places[users[still]], at[still] + begin])


def _whole(asked: Asked) -> tuple[int, int] | None:
    """The first and the last local day from `from` until `until`, where both are given and that time has passed."""
    begin, until = asked.query.begin, asked.query.until
    if begin is None or until is None or asked.watermark is None or until > asked.watermark:
        return None
    return asked.calendar.day(begin), asked.calendar.day(until) - 1


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {"inactivity_days": asked.query.window}


def answer(asked: Asked, tally: Tally, places: Ints) -> Entry:
    """The entry of one segment: a row a closed period, from the one of the first customer on, and one of all of it."""
    return {"periods": _periods(asked, tally, places), "whole": _whole_row(asked, tally, places)}


def _periods(asked: Asked, tally: Tally, places: Ints) -> list[dict[str, Any]]:
    grain, calendar, window = asked.query.grain, asked.calendar, asked.query.window
    first = earliest(tally, "customers", 2, places)
    begin = None if first is None else calendar.period(grain, first)
    periods = shown(asked, grain, begin)
    if first is None or begin is None or not periods.size:
        return []
    edges = first_days(calendar, grain, begin, int(periods[-1]) + 1)
    known = [windows_known(asked, tally, edges[periods - begin + one] - 1, window) for one in (0, 1)]
    periods = latest(asked, periods, known[0] & known[1])
    if not periods.size:
        return []
    at = periods - begin
    starts, ends = edges[at], edges[at + 1] - 1
    customers = np.cumsum(line(tally, "customers", places, first, int(ends[-1])))
    new = value_at(customers, ends - first) - value_at(customers, starts - 1 - first)
    new_active = line(tally, "new_active", places, begin, int(periods[-1]))[at]
    kept = np.cumsum(line(tally, "kept", places, begin, int(periods[-1])))[at]
    active = [active_on(tally, places, days, first) for days in (starts - 1, ends)]
    return [_row(asked, *values) for values in columns(starts, ends, *active, new, new_active, kept)]


def _whole_row(asked: Asked, tally: Tally, places: Ints) -> dict[str, Any] | None:
    days = _whole(asked)
    if days is None:
        return None
    ends = np.array([days[0] - 1, days[1]])
    if not windows_known(asked, tally, ends, asked.query.window).all():
        return None
    return _row(asked, *days, *line(tally, "whole", places, 0, len(_PARTS) - 1).tolist())


def _row(
    asked: Asked, start: int, end: int, start_active: int, end_active: int, new: int, new_active: int, kept: int
) -> dict[str, Any]:
    lost = start_active - kept
    return {
        "start": asked.calendar.start_date(Grain.DAY, start),
        "end": asked.calendar.start_date(Grain.DAY, end),
        "start_active": start_active,
        "end_active": end_active,
        "new": new,
        "new_active": new_active,
        "kept": kept,
        "lost": lost,
        "resurrected": end_active - kept - new_active,
        "crr": ratio(end_active - new, start_active),
        "kept_rate": ratio(kept, start_active),
        "churn_rate": ratio(lost, start_active),
    }
