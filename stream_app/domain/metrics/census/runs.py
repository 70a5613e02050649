"""Runs of days on which users count as active by an inactivity window of W days: each active day counts for W days.

A run ends W - 1 days after its last active day. Of a year of daily activity one run is left, so what follows costs by
run and not by day; and the users who are active on a day are the runs begun up to it, less those that ended before it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain.metrics.census.series import line, opens

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.population import Pairs
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]

_ACTIVE = "active"


class Runs(NamedTuple):
    """Runs of days, by user and then by day; those of a user do not overlap.

    Attributes:
        users: places within the slice, int64 (r,), rising.
        begins: the first day, int64 (r,).
        ends: the last day, int64 (r,).
    """

    users: Ints
    begins: Ints
    ends: Ints

    def cover(self, users: Ints, days: Ints) -> NDArray[np.bool_]:
        """Whether each of these users counts as active on the day beside, shape (n,)."""
        if not self.users.size or not users.size:
            return np.zeros(users.size, np.bool_)
        low = min(int(self.begins.min()), int(days.min()))
        span = max(int(self.begins.max()), int(days.max())) - low + 1
        # The user's latest run that began by the day.
        at = np.searchsorted(self.users * span + (self.begins - low), users * span + (days - low), side="right") - 1
        found: NDArray[np.bool_] = (at >= 0) & (self.users[at] == users) & (self.ends[at] >= days)
        return found


def runs_of(days: Pairs, window: int) -> Runs:
    """The runs of users who were active on these days."""
    begin = opens(days)
    begin[1:] |= days.periods[1:] - days.periods[:-1] > window
    first = np.flatnonzero(begin)
    last = np.append(first[1:], begin.size) - 1 if first.size else first
    return Runs(days.users[first], days.periods[first], days.periods[last] + window - 1)


def tally_active(tally: Tally, places: Ints, runs: Runs) -> None:
    """Adds to the users who are active on each day, as changes from day to day: cells (place, day) of `active`."""
    of = places[runs.users]
    keys = [np.concatenate([of, of]), np.concatenate([runs.begins, runs.ends + 1])]
    tally.add(_ACTIVE, keys, np.repeat(np.array([1, -1], np.int64), of.size))


def active_on(tally: Tally, places: Ints, days: Ints, first: int) -> Ints:
    """The active users of a segment on each of these days, shape (n,); nobody was active before the day `first`."""
    if not days.size:
        return np.zeros(0, np.int64)
    active = np.cumsum(line(tally, _ACTIVE, places, first, int(days.max())))
    return value_at(active, days - first)


def value_at(values: Ints, at: Ints) -> Ints:
    """The values at these places, 0 for a place before the first one; shape (n,)."""
    found = np.zeros(at.size, np.int64)
    inside = at >= 0
    found[inside] = values[at[inside]]
    return found
