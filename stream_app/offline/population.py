"""The users of a file, as a census takes them: everything is known of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.events import Filter
from stream_app.domain.metrics.population import Orders, Pairs
from stream_app.domain.periods import Grain
from stream_app.offline.kept import OrderEntries, UnitPairs
from stream_app.offline.runs import SLICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from stream_app.domain.counters import Segments
    from stream_app.domain.periods import Calendar
    from stream_app.offline.runs import Runs

    Ints = NDArray[np.int64]

#: Whose pairs a run holds, by day or by hour.
PairsKey = tuple[Filter, Grain]


class FileSlice:
    """Some users of a file; see `domain.metrics.population.Slice`."""

    def __init__(
        self, calendar: Calendar, start: int, combos: Ints, first: Mapping[Filter, Ints],
        pairs: Mapping[PairsKey, Ints], orders: NDArray[Any] | None,
    ) -> None:  # fmt: skip
        self._calendar, self._start = calendar, start
        self._combos, self._first, self._pairs, self._orders = combos, first, pairs, orders
        self._unpacked: Orders | None = None

    @property
    def combos(self) -> Ints:
        """Each user's combination of segment values."""
        return self._combos

    def first(self, what: Filter) -> Ints:
        """The time (ms) of each user's first event that is meant."""
        return self._first[what]

    def active(self, what: Filter, grain: Grain) -> Pairs:
        """The periods in which users had an event that is meant."""
        users, units = UnitPairs.unpacked(
            self._pairs[what, Grain.HOUR if grain is Grain.HOUR else Grain.DAY], self._start
        )
        if grain in {Grain.HOUR, Grain.DAY} or not units.size:
            return Pairs(users, units)
        low = int(units.min())
        of_day = self._calendar.periods(grain, np.arange(low, int(units.max()) + 1))
        return Pairs(users, of_day[units - low]).once()

    def orders(self) -> Orders:
        """The orders and refunds."""
        if self._orders is None:
            raise LookupError("orders were not gathered")
        if self._unpacked is None:
            self._unpacked = OrderEntries.unpacked(self._orders, self._start)
        return self._unpacked


class FilePopulation:
    """All users of a file; see `domain.metrics.population.Population`.

    Args:
        calendar: the business time zone and week start.
        segments: what the combinations are of.
        days: the local days of the earliest and the latest event; None without events.
        combos: each user's combination of segment values.
        first: by filter, the time (ms) of each user's first event that is meant.
        pairs: users and days or hours, by filter and grain.
        orders: orders and refunds; None where none were gathered.
    """

    hours: int | None = None
    whole = True

    def __init__(
        self, calendar: Calendar, segments: Segments, *, days: tuple[int, int] | None, combos: Ints,
        first: Mapping[Filter, Ints], pairs: Mapping[PairsKey, Runs], orders: Runs | None,
    ) -> None:  # fmt: skip
        self.calendar, self.segments = calendar, segments
        self.first_day: int | None = None if days is None else days[0]
        self.last_day: int | None = None if days is None else days[1]
        self._combos, self._first, self._pairs, self._orders = combos, first, pairs, orders

    def __len__(self) -> int:
        return len(self._combos)

    def slices(self) -> Iterator[FileSlice]:
        """The users, `SLICE` at a time."""
        users = len(self)
        pairs = {key: runs.slices(users) for key, runs in self._pairs.items()}
        orders = None if self._orders is None else self._orders.slices(users)
        for start in range(0, users, SLICE):
            of = slice(start, min(start + SLICE, users))
            yield FileSlice(
                self.calendar, start, self._combos[of], {what: times[of] for what, times in self._first.items()},
                {key: next(parts) for key, parts in pairs.items()}, None if orders is None else next(orders),
            )  # fmt: skip
