"""Events to what questions need of them: users, their segments and first events, active days or hours, orders."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.columns import grow
from stream_app.domain.counters import Segments
from stream_app.domain.events import Kind
from stream_app.domain.filters import meant
from stream_app.domain.index import HashIndex, hash_keys
from stream_app.domain.orders import digests_of
from stream_app.domain.periods import Grain
from stream_app.domain.rows import LATER
from stream_app.domain.users import UserTable
from stream_app.offline.kept import OrderEntries, UnitPairs
from stream_app.offline.population import FilePopulation
from stream_app.offline.runs import IN_MEMORY, Runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import EventBatch, Filter
    from stream_app.domain.filters import Where
    from stream_app.domain.periods import Calendar
    from stream_app.offline.needs import Needs

    Ints = NDArray[np.int64]

_UNLIMITED = 1 << 30


class Gathering:
    """Takes batches of events and gives the population they make, whatever their order.

    Args:
        needs: what to keep.
        calendar: the business time zone and week start.
        conditions: what the bits of the batches' `matches` stand for.
        in_memory: bytes of each kind of entry from which on they go to temporary files.
    """

    def __init__(
        self, needs: Needs, calendar: Calendar, *, conditions: Sequence[Where] = (),
        in_memory: int = IN_MEMORY,
    ) -> None:  # fmt: skip
        self._needs, self._calendar = needs, calendar
        self._conditions = conditions
        self._segments = Segments(needs.dimensions, _UNLIMITED)
        # Without a dimension nobody asks for a user's first event as such: an index to the users is enough.
        self._table = UserTable((), calendar, self._segments) if needs.dimensions else None
        self._index = HashIndex()
        self._first: dict[Filter, Ints] = {what: np.full(64, LATER, np.int64) for what in needs.first}
        grains = (Grain.DAY, Grain.HOUR) if needs.hours else (Grain.DAY,)
        waiting = in_memory // 4
        self._pairs = {
            (what, grain): Runs(UnitPairs(), waiting=waiting, in_memory=in_memory)
            for what in needs.active
            for grain in grains
        }
        # Sorting orders takes more memory than sorting numbers.
        self._orders = Runs(OrderEntries(), waiting=waiting // 2, in_memory=in_memory // 2) if needs.orders else None
        self.earliest: int | None = None
        self.latest: int | None = None

    def __len__(self) -> int:
        return len(self._index if self._table is None else self._table)

    def add(self, batch: EventBatch) -> None:
        """Adds events."""
        if not len(batch):
            return
        low, high = int(batch.times.min()), int(batch.times.max())
        self.earliest = low if self.earliest is None else min(low, self.earliest)
        self.latest = high if self.latest is None else max(high, self.latest)
        users = self._users(batch)
        needs = self._needs
        chosen = {what: meant(what, batch, self._conditions) for what in dict.fromkeys((*needs.first, *needs.active))}
        for what, times in self._first.items():
            of = chosen[what]
            grow(times, len(self), LATER)
            if of is None:
                np.minimum.at(times, users, batch.times)
            else:
                np.minimum.at(times, users[of], batch.times[of])
        units: dict[Grain, Ints] = {}
        for (what, grain), runs in self._pairs.items():
            if grain not in units:
                units[grain] = self._calendar.at(grain, batch.times)
            of = chosen[what]
            runs.add(UnitPairs.packed(*(c if of is None else c[of] for c in (users, units[grain]))))
        if self._orders is not None:
            self._add_orders(self._orders, batch, users)

    def add_orders(self, batch: EventBatch) -> None:
        """Adds the orders and refunds, if they are needed, of events that are not to be counted themselves."""
        if self._orders is None or not len(batch):
            return
        users = self._users(batch)
        for times in self._first.values():
            grow(times, len(self), LATER)
        self._add_orders(self._orders, batch, users)

    def _users(self, batch: EventBatch) -> Ints:
        if self._table is None:
            return self._index.upsert(hash_keys(batch.users))
        users = self._table.join_first(batch)
        self._table.take_dirty()
        return users

    @staticmethod
    def _add_orders(orders: Runs, batch: EventBatch, users: Ints) -> None:
        bought = true_at(batch.kinds != Kind.VISIT)
        if not bought.size:
            return
        amounts = batch.amounts[bought]
        ids = [
            batch.event_ids[i] if amount < 0 else batch.orders[i] or ""
            for i, amount in zip(bought.tolist(), amounts.tolist(), strict=True)
        ]
        digests = digests_of(ids)
        orders.add(OrderEntries.packed(users[bought], digests, batch.times[bought], amounts))

    def population(self) -> FilePopulation:
        """Everything that was added."""
        count = len(self)
        combo = self._segments.combo(()) if self._table is None else None
        combos = np.full(count, combo) if self._table is None else self._table.combo[:count].astype(np.int64)
        days = None
        if self.earliest is not None and self.latest is not None:
            days = self._calendar.day(self.earliest), self._calendar.day(self.latest)
        return FilePopulation(
            self._calendar, self._segments, days=days, combos=combos,
            first={what: times[:count] for what, times in self._first.items()}, pairs=self._pairs, orders=self._orders,
        )  # fmt: skip
