"""The events every contender reads: a month of visits and purchases of users who differ, and the matrix to be found.

Activity is skewed (log-normal), users arrive all through the month and come less and less, days have a rhythm. One
event in twenty is a purchase; some orders are sent again minutes later, under a new event id, as producers retry.
Events are in order of arrival; a record carries a UUID as its event id and a segment of two dimensions. All of it
follows from a seed.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DAYS = 30
PARTITIONS = 4
START = "2024-03-01"
DAY_MS = 86_400_000
VISITS, PURCHASES = "visits", "purchases"
PURCHASE_SHARE, RETRIED_SHARE = 0.05, 0.02
LONGEST_RETRY_MS = 600_000
PLANS = ("free", "pro", "team")
COUNTRIES = ("US", "DE", "FR", "GB", "IN", "BR", "JP", "PL", "NL", "SE")
#: (cohort's day, days since) -> users: the daily retention matrix, classic, cells that are not zero.
Matrix = dict[tuple[int, int], int]


@dataclass(frozen=True, eq=False)
class Events:
    """n events in order of arrival.

    Attributes:
        users: int64 (n,), number of each event's user.
        times: int64 (n,), when it happened, ms since the epoch, UTC; a retried order keeps its time.
        orders: int64 (n,), number of a purchase's order, -1 for a visit.
    """

    users: NDArray[np.int64]
    times: NDArray[np.int64]
    orders: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.users)

    def where(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> Events:
        """Some of them, or all in another order."""
        return Events(*(getattr(self, column.name)[keep] for column in fields(self)))


@dataclass(frozen=True, eq=False)
class Workload:
    """Events, and who the users are.

    Attributes:
        events: in order of arrival.
        ids: the user id by number.
        plans, countries: the segment by user number.
        amounts: the amount by order number, in cents.
        seed: what it was made from.
    """

    events: Events
    ids: list[str]
    plans: list[str]
    countries: list[str]
    amounts: list[int]
    seed: int

    def __len__(self) -> int:
        return len(self.events)

    def sample(self, events: int) -> Workload:
        """All events of a share of the users, so that they are about `events`: for what would take too long on all."""
        share = min(events / len(self), 1.0)
        chosen = np.random.default_rng(self.seed + 1).random(len(self.ids)) < share
        return replace(self, events=self.events.where(chosen[self.events.users]), seed=self.seed + 1)

    def records(self) -> Iterator[tuple[str, int, bytes, bytes]]:
        """Topic (VISITS or PURCHASES), partition, key and JSON value of each event, in order.

        The partition follows from the key alone (CRC32), so that a user's visits and purchases lie side by side.
        """
        keys = [user_id.encode() for user_id in self.ids]
        partitions = [zlib.crc32(key) % PARTITIONS for key in keys]
        segments = [
            f'"segment":{{"plan":"{plan}","country":"{country}"}}}}'
            for plan, country in zip(self.plans, self.countries, strict=True)
        ]
        texts = np.datetime_as_string(self.events.times.astype("datetime64[ms]")).tolist()
        numbers = np.random.default_rng(self.seed + 2).bytes(16 * len(self)).hex()
        users, orders = self.events.users.tolist(), self.events.orders.tolist()
        for i, (user, text, order) in enumerate(zip(users, texts, orders, strict=True)):
            n = numbers[32 * i : 32 * i + 32]
            event = (
                f'"event_id":"{n[:8]}-{n[8:12]}-4{n[13:16]}-a{n[17:20]}-{n[20:]}","user_id":"{self.ids[user]}",'
                f'"occurred_at":"{text}Z"'
            )
            if order < 0:
                topic, value = VISITS, f'{{"type":"visit",{event},{segments[user]}'
            else:
                whole, cents = divmod(self.amounts[order], 100)
                bought = f'"order_id":"order-{order:08d}","amount":{whole}.{cents:02d},"currency":"USD"'
                topic, value = PURCHASES, f'{{"type":"purchase",{event},{bought},{segments[user]}'
            yield topic, partitions[user], keys[user], value.encode()

    def matrix(self) -> Matrix:
        """The daily matrix of any activity, in plain Python."""
        days: dict[int, set[int]] = defaultdict(set)
        for user, day in zip(self.events.users.tolist(), (self.events.times // DAY_MS).tolist(), strict=True):
            days[user].add(day)
        cells: dict[tuple[int, int], int] = defaultdict(int)
        for seen in days.values():
            cohort = min(seen)
            for day in seen:
                cells[cohort, day - cohort] += 1
        return dict(cells)


def make(events: int, users: int, seed: int) -> Workload:
    """A workload of so many events over at most so many users."""
    rng = np.random.default_rng(seed)
    purchases = round(events * PURCHASE_SHARE)
    retries = round(purchases * RETRIED_SHARE)
    happened = _happened(rng, events - retries, users)
    bought = rng.choice(len(happened), size=purchases - retries, replace=False)
    happened.orders[bought] = np.arange(len(bought))
    again = rng.choice(bought, size=retries) if retries else bought[:0]
    arrivals = np.concatenate((happened.times, happened.times[again] + rng.integers(1_000, LONGEST_RETRY_MS, retries)))
    every = np.concatenate((np.arange(len(happened)), again))
    return Workload(
        happened.where(every[np.argsort(arrivals, kind="stable")]),
        [f"user-{number:08d}" for number in range(users)],
        rng.choice(PLANS, size=users, p=(0.7, 0.2, 0.1)).tolist(),
        rng.choice(COUNTRIES, size=users).tolist(),
        np.maximum(rng.lognormal(8.0, 0.7, len(bought)), 100).astype(np.int64).tolist(),
        seed,
    )


def _happened(rng: np.random.Generator, events: int, users: int) -> Events:
    """Visits: who comes when, in no order."""
    start = int(np.datetime64(START, "ms").astype(np.int64))
    # Half of the users are there from the first days on, the others arrive through the month.
    arrivals = np.where(rng.random(users) < 0.5, rng.random(users) * 2, rng.random(users) * (DAYS - 2))
    # Who arrives late has had less time to come back.
    weights = rng.lognormal(0.0, 0.8, users) * (DAYS - arrivals)
    chosen = rng.choice(users, size=events, p=weights / weights.sum())
    # The power brings visits closer to the arrival: retention falls with time.
    days = arrivals[chosen] + (DAYS - arrivals[chosen]) * rng.random(events) ** 1.3
    within = rng.triangular(0.0, 0.6, 1.0, events)  # few at night
    times = (start + (np.floor(days) + within) * DAY_MS).astype(np.int64)
    return Events(chosen, times, np.full(events, -1, np.int64))
