"""The users of a source partition as a census takes them: what their rows hold, read where it lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain import bits
from stream_app.domain.bits import true_at
from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.population import Orders, Pairs, no_pairs
from stream_app.domain.periods import HORIZON, KEPT, MONTHS, Grain
from stream_app.domain.rows import LATER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stream_app.domain.activity import Activity
    from stream_app.domain.events import Filter
    from stream_app.domain.orders import Arranged
    from stream_app.domain.users import UserTable

    Ints = NDArray[np.int64]

#: Users of a slice: what a census counts, within about 20 ms of a core, between two looks at anything else.
SLICE = 4096


class LiveSlice:
    """The users `start` to `stop` - 1 of a table; see `domain.metrics.population.Slice`."""

    def __init__(self, table: UserTable, orders: Arranged | None, start: int, stop: int) -> None:
        self._table, self._orders = table, orders
        self._start, self._stop = start, stop
        self._found: Orders | None = None

    @property
    def combos(self) -> Ints:
        """Each user's combination of segment values."""
        return self._table.combo[self._start : self._stop].astype(np.int64)

    def first(self, what: Filter) -> Ints:
        """The time (ms) of each user's first event that is meant."""
        activity = kept(self._table, what)
        users, places = self._places(activity)
        times = np.full(self._stop - self._start, LATER, np.int64)
        times[users] = activity.rows["anchor"][places]
        return times

    def active(self, what: Filter, grain: Grain) -> Pairs:
        """The periods in which users had an event that is meant, as far as their rows hold them."""
        activity = kept(self._table, what)
        users, places = self._places(activity)
        if not users.size:
            return no_pairs()
        rows, calendar = activity.rows.take(places), self._table.calendar
        if grain is Grain.HOUR:
            if not activity.hour_words:
                return no_pairs()
            of, index = bits.where(rows["hours"])
            index -= calendar.hour_slack
            inside = index < 24 * self._table.hour_days
            return Pairs(users[of[inside]], (calendar.hours(rows["anchor"])[of] + index)[inside])
        held = grain if grain in KEPT else Grain.MONTH
        first, last = (calendar.periods(held, rows[name].astype(np.int64)) for name in ("first_day", "last_day"))
        of, index = bits.where(rows[held.value])
        periods = first[of] + index
        beyond = true_at(last - first >= HORIZON[held])
        if beyond.size:  # the ring goes on where the bitmap ends
            near, age = bits.where(rows["ring"][beyond])
            near = beyond[near]
            recent = calendar.periods(held, rows["last_day"].astype(np.int64)[near] - age)
            past = recent - first[near] >= HORIZON[held]
            near, recent = _risen(near[past], recent[past]).once()
            at = np.searchsorted(of, near, side="right")
            of, periods = np.insert(of, at, near), np.insert(periods, at, recent)
        if held is not grain:
            of, periods = Pairs(of, periods // MONTHS[grain]).once()
        return Pairs(users[of], periods)

    def orders(self) -> Orders:
        """The orders and refunds."""
        if self._orders is None:
            raise QueryError(
                "figure: the service keeps no orders; set orders: true, and count anew with `stream-app rebuild`"
            )
        if self._found is None:
            self._found = self._orders.part(self._start, self._stop)
        return self._found

    def _places(self, activity: Activity) -> tuple[Ints, Ints]:
        """The users of the slice with a row, and the places of these."""
        places = activity.place[self._start : self._stop]
        users = true_at(places >= 0)
        return users, places[users].astype(np.int64)


class LivePopulation:
    """All users of a table; see `domain.metrics.population.Population`. The table must not change while it is counted.

    Args:
        table: the users.
        orders: their orders; None where none are kept, or none are asked for.
    """

    whole = False

    def __init__(self, table: UserTable, orders: Arranged | None = None) -> None:
        self.calendar, self.segments = table.calendar, table.segments
        self._table, self._orders = table, orders

    def slices(self) -> Iterator[LiveSlice]:
        """The users, `SLICE` at a time."""
        for start in range(0, len(self._table), SLICE):
            yield LiveSlice(self._table, self._orders, start, min(start + SLICE, len(self._table)))

    @property
    def first_day(self) -> int | None:
        """The local day of the earliest event; None without events."""
        first = self._table.first[: len(self._table)]
        earliest = int(first.min(initial=LATER))
        return None if earliest == LATER else self.calendar.day(earliest)

    @property
    def last_day(self) -> int | None:
        """The local day of the latest activity; None without."""
        return max((int(a.rows["last_day"][: len(a)].max()) for a in self._table.activities if len(a)), default=None)

    @property
    def hours(self) -> int | None:
        """How many hours are kept of a user from the first event on."""
        return 24 * self._table.hour_days


def kept(table: UserTable, what: Filter) -> Activity:
    """The activity of a filter. Raises QueryError where the table does not keep it."""
    for activity in table.activities:
        if activity.what == what:
            return activity
    known = ", ".join(dict.fromkeys(f"{f.event}{' with conditions' if f.where else ''}" for f in table.filters))
    raise QueryError(
        f"definition: the service does not keep when users had an event {what.event!r}"
        f"{' with these conditions' if what.where else ''} (kept: {known}); configure a definition with it"
    )


def _risen(users: Ints, periods: Ints) -> Pairs:
    """Pairs by user and then by period; users rise already."""
    order = np.lexsort((periods, users))
    return Pairs(users[order], periods[order])
