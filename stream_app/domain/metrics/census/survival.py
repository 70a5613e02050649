"""Survival: after how many days customers churn, or first return, by Kaplan-Meier.

Of a file, customers are watched to its end; by the service for the horizon of days that its rows hold. Cells: `ended`
(place, cohort, day, 1 for an event and 0 for last seen), days counted from the customer's first one; and `kept` (place,
cohort, day): it is not known what a customer who was then still there did after that day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.members import first_cohorts
from stream_app.domain.metrics.census.series import latest, of_segment, opens
from stream_app.domain.metrics.kaplan_meier import kaplan_meier
from stream_app.domain.metrics.population import Pairs
from stream_app.domain.periods import HORIZON, Grain
from stream_app.domain.rows import LATER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]

#: Later than every day there is.
_NEVER = 1 << 40


def count(asked: Asked, part: Slice, places: Ints, tally: Tally) -> None:
    """Adds a slice to the tally."""
    last = asked.last_closed(Grain.DAY)
    if last is None:
        return
    users, times, cohorts = first_cohorts(asked, part)
    begun = asked.calendar.days(times)
    closed = begun <= last
    users, cohorts, begun = users[closed], cohorts[closed], begun[closed]
    starts = np.full(places.size, _NEVER)
    starts[users] = begun
    pairs = part.active(asked.query.definition.return_filter, Grain.DAY)
    after = (pairs.periods > starts[pairs.users]) & (pairs.periods <= last)
    came = Pairs(pairs.users[after], pairs.periods[after])
    event = _returned(came, starts) if asked.query.kind == "return" else _churned(came, starts, asked.query.window)
    ends = event[users]
    until = np.full(users.size, last) if tally.whole else np.minimum(begun + HORIZON[Grain.DAY] - 1, last)
    known = _known(asked, part, tally, begun, users)
    hidden = known < np.minimum(ends, until)
    tally.add("kept", [places[users[hidden]], cohorts[hidden], (known - begun)[hidden]])
    days = np.minimum(ends, until) - begun
    tally.add("ended", [places[users], cohorts, days, (ends <= until).astype(np.int64)])


def _returned(came: Pairs, starts: Ints) -> Ints:
    """The day of each user's first return, `_NEVER` for none; shape of `starts`."""
    found = np.full(starts.size, _NEVER)
    first = opens(came)
    found[came.users[first]] = came.periods[first]
    return found


def _churned(came: Pairs, starts: Ints, window: int) -> Ints:
    """The first day at the end of which each user is churned, if nothing more is done; shape of `starts`."""
    first = opens(came)
    before = np.roll(came.periods, 1)
    before[first] = starts[came.users[first]]
    latest_day = starts.copy()
    last = np.roll(first, -1)
    latest_day[came.users[last]] = came.periods[last]
    gaps = np.flatnonzero(came.periods - before > window)
    users, at = np.unique(came.users[gaps], return_index=True)  # of each user the first
    latest_day[users] = before[gaps[at]]
    return latest_day + window


def _known(asked: Asked, part: Slice, tally: Tally, begun: Ints, users: Ints) -> Ints:
    """A day up to which everything is kept, of each of n users who began on these days; shape (n,)."""
    definition = asked.query.definition
    if tally.whole or definition.start_filter == definition.return_filter:
        return np.full(users.size, _NEVER)  # or up to the horizon
    # Bitmaps begin with the first return, which may have come before the start.
    first = part.first(definition.return_filter)[users]
    since = asked.calendar.days(np.where(first == LATER, 0, first))
    early, late = asked.reach(Grain.DAY, tally, since)
    return np.where((first == LATER) | (early >= late), _NEVER, early - 1)


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    kind = asked.query.kind
    return {"kind": kind, "inactivity_days": asked.query.window if kind == "churn" else None}


def answer(asked: Asked, tally: Tally, places: Ints) -> Entry:
    """The entry of one segment: everybody but the cohorts before `from`, and the closed cohorts."""
    grain, closed = asked.query.grain, asked.last_closed(asked.query.grain)
    ended, sums = of_segment(tally.of("ended", 4), places)
    kept, _ = of_segment(tally.of("kept", 3), places)
    order = np.argsort(ended[:, 1], kind="stable")
    ended, sums = ended[order], sums[order]
    cohorts = np.unique(ended[:, 1])
    rows = []
    for cohort in latest(asked, cohorts, cohorts <= (-_NEVER if closed is None else closed)).tolist():
        of = slice(*np.searchsorted(ended[:, 1], [cohort, cohort + 1]))
        estimate = _estimate(ended[of], sums[of], kept[kept[:, 1] == cohort])
        rows.append({"start": asked.calendar.start_date(grain, cohort), **estimate})
    return {"all": {"start": None, **_estimate(ended, sums, kept)}, "cohorts": rows}


def _estimate(keys: Ints, sums: Ints, kept: Ints) -> dict[str, Any]:
    """The estimate of cells, as far as everything is known of everybody."""
    days, events = keys[:, 2], keys[:, 3] == 1
    if len(kept):
        known = max(int(kept[:, 2].min()), 0)
        events &= days <= known
        days = np.minimum(days, known)
    each, at = np.unique(days, return_inverse=True)
    died, censored = np.zeros((2, each.size), np.int64)
    np.add.at(died, at[events], sums[events])
    np.add.at(censored, at[~events], sums[~events])
    return kaplan_meier(each, died, censored)
