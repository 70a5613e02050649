"""Who belongs to which cohort, and when those users returned."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain.metrics.population import Pairs
from stream_app.domain.periods import HORIZON, HOUR_MS, Grain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stream_app.domain.events import Filter
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.population import Slice

    Ints = NDArray[np.int64]

#: Hours of a 24-hour window and of its multiples.
WINDOW_HOURS = {Grain.DAY: 24, Grain.WEEK: 7 * 24, Grain.MONTH: 30 * 24}
#: Returns that are looked at together: bounds the memory of recurring cohorts.
_TOGETHER = 1 << 20


class Members(NamedTuple):
    """Users as members of cohorts; with recurring cohorts a user is in several.

    Attributes:
        users: places within the slice, int64 (n,), rising.
        cohorts: ordinals of the cohorts' periods, int64 (n,).
        origins: what of `Pairs.periods` is index 0, int64 (n,).
        counted: how many indexes count, int64 (n,): the horizon, and of 24-hour windows those that have closed.
        reached: the same of 24-hour windows (and their multiples), None for calendar periods.
    """

    users: Ints
    cohorts: Ints
    origins: Ints
    counted: Ints
    reached: Ints | None = None


def first_cohorts(asked: Asked, part: Slice) -> tuple[Ints, Ints, Ints]:
    """Users by the period of their first start event: places (n,), its times in ms (n,), and periods (n,)."""
    query, calendar = asked.query, asked.calendar
    times = part.first(query.definition.start_filter)
    users = np.flatnonzero(times < asked.end)
    cohorts = calendar.at(query.grain, times[users])
    kept = _not_before(asked, cohorts)
    users, cohorts = users[kept], cohorts[kept]
    return users, times[users], cohorts


def _not_before(asked: Asked, cohorts: Ints) -> NDArray[np.bool_]:
    begin = asked.first_shown(asked.query.grain)
    return np.ones(cohorts.shape, np.bool_) if begin is None else cohorts >= begin


def members_and_returns(asked: Asked, part: Slice) -> tuple[Members, Pairs]:
    """The members of the cohorts, and by user the periods or windows with a return."""
    query = asked.query
    if query.cohorts == "recurring":
        starts = _until(asked, query.grain, part.active(query.definition.start_filter, query.grain))
        kept = _not_before(asked, starts.periods)
        users, cohorts = starts.users[kept], starts.periods[kept]
        return _by_calendar(asked, users, cohorts), _returns(asked, part)
    users, times, cohorts = first_cohorts(asked, part)
    if query.windows == "calendar":
        return _by_calendar(asked, users, cohorts), _returns(asked, part)
    hours = WINDOW_HOURS[query.grain]
    began = asked.calendar.hours(times)
    closed = asked.last_closed(Grain.HOUR)
    reached = np.clip(((began if closed is None else closed + 1) - began) // hours, 0, HORIZON[query.grain])
    members = Members(users, cohorts, np.zeros(users.size, np.int64), reached, reached)
    return members, _windows(asked, part, users, began, hours)


def _by_calendar(asked: Asked, users: Ints, cohorts: Ints) -> Members:
    return Members(users, cohorts, cohorts, np.full(users.size, HORIZON[asked.query.grain]))


def _until(asked: Asked, grain: Grain, pairs: Pairs) -> Pairs:
    cut = asked.cut(grain)
    return pairs if cut is None else pairs.where(pairs.periods < cut)


def _windows(asked: Asked, part: Slice, users: Ints, began: Ints, hours: int) -> Pairs:
    """By user the windows, counted from the first event of the user's own, with a return."""
    returns = _until(asked, Grain.HOUR, part.active(asked.query.definition.return_filter, Grain.HOUR))
    origin = np.full(part.combos.size, np.iinfo(np.int64).max)
    origin[users] = began
    returns = returns.where(returns.periods >= origin[returns.users])
    found = Pairs(returns.users, (returns.periods - origin[returns.users]) // hours)
    return found.once()


def _returns(asked: Asked, part: Slice) -> Pairs:
    """By user the periods with enough of a return."""
    query = asked.query
    what: Filter = query.definition.return_filter
    if query.definition.min_active == 1:
        return _until(asked, query.grain, part.active(what, query.grain))
    grain = sub_grain(query.grain)
    subs = _until(asked, grain, part.active(what, grain))
    # The instant whose UTC hour gives an hour its ordinal lies within it.
    days = asked.calendar.days(subs.periods * HOUR_MS) if grain is Grain.HOUR else subs.periods
    found = Pairs(subs.users, asked.calendar.periods(query.grain, days))
    first = np.flatnonzero(found.changes())
    enough = first[np.diff(first, append=found.users.size) >= query.definition.min_active]
    return Pairs(found.users[enough], found.periods[enough])


def sub_grain(grain: Grain) -> Grain:
    """What the sub-periods of a period are."""
    return Grain.HOUR if grain is Grain.DAY else Grain.DAY


class Lookup:
    """Finds users' periods in a range.

    Args:
        pairs: of a slice.
    """

    def __init__(self, pairs: Pairs) -> None:
        self.periods = pairs.periods
        self._low = int(pairs.periods.min()) if pairs.periods.size else 0
        self._span = int(pairs.periods.max()) - self._low + 1 if pairs.periods.size else 0
        # One more than that: where a user's end is not where the next one begins.
        self._keys = pairs.users * (self._span + 1) + (pairs.periods - self._low)

    def between(self, users: Ints, first: Ints, stop: Ints) -> tuple[Ints, Ints]:
        """Where in `periods` those of these users from `first` to before `stop` begin and end; shapes (n,)."""
        base = users * (self._span + 1)
        begins, ends = (
            np.searchsorted(self._keys, base + np.clip(t - self._low, 0, self._span)) for t in (first, stop)
        )
        return begins, np.maximum(begins, ends)


def each_between(begins: Ints, ends: Ints) -> Iterator[tuple[Ints, Ints]]:
    """The numbers from each begin to before its end, and which one it is of; at most about a million at a time."""
    sizes = ends - begins
    upto = np.cumsum(sizes)
    start = 0
    while start < sizes.size:
        done = int(upto[start] - sizes[start])
        stop = max(int(np.searchsorted(upto, done + _TOGETHER, side="right")), start + 1)
        part = sizes[start:stop]
        of = np.repeat(np.arange(start, stop), part)
        yield of, begins[of] + np.arange(of.size) - (upto - sizes)[of] + done
        start = stop
