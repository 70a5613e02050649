"""The events every contender reads: a month of visits of users who differ, from a seed, and the matrix they must find.

Activity is skewed (log-normal), users arrive all through the month and come less and less, days have a rhythm. Events
are in order of time, as a product writes them; a record carries a UUID as its event id and a segment of two dimensions.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

DAYS = 30
PARTITIONS = 4
START = "2024-03-01"
DAY_MS = 86_400_000
PLANS = ("free", "pro", "team")
COUNTRIES = ("US", "DE", "FR", "GB", "IN", "BR", "JP", "PL", "NL", "SE")
#: (cohort's day, days since) -> users: the daily retention matrix, classic, cells that are not zero.
Matrix = dict[tuple[int, int], int]


@dataclass(frozen=True, eq=False)
class Workload:
    """n events in order of time.

    Attributes:
        users: int64 (n,), number of each event's user.
        times: int64 (n,), ms since the epoch, UTC.
        ids: the user id by number.
        plans, countries: the segment by user number.
        seed: what it was made from.
    """

    users: NDArray[np.int64]
    times: NDArray[np.int64]
    ids: list[str]
    plans: list[str]
    countries: list[str]
    seed: int

    def __len__(self) -> int:
        return len(self.users)

    def sample(self, events: int) -> Workload:
        """All events of a share of the users, so that they are about `events`: for what would take too long on all."""
        share = min(events / len(self), 1.0)
        chosen = np.random.default_rng(self.seed + 1).random(len(self.ids)) < share
        keep = chosen[self.users]
        return Workload(self.users[keep], self.times[keep], self.ids, self.plans, self.countries, self.seed + 1)

    def records(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Partition, key and JSON value of each event, in order."""
        keys = [user_id.encode() for user_id in self.ids]
        partitions = [zlib.crc32(key) % PARTITIONS for key in keys]
        segments = [
            f'","segment":{{"plan":"{plan}","country":"{country}"}}}}'
            for plan, country in zip(self.plans, self.countries, strict=True)
        ]
        texts = np.datetime_as_string(self.times.astype("datetime64[ms]")).tolist()
        numbers = np.random.default_rng(self.seed + 2).bytes(16 * len(self)).hex()
        for i, (user, text) in enumerate(zip(self.users.tolist(), texts, strict=True)):
            n = numbers[32 * i : 32 * i + 32]
            event_id = f"{n[:8]}-{n[8:12]}-4{n[13:16]}-a{n[17:20]}-{n[20:]}"
            value = (
                f'{{"type":"visit","event_id":"{event_id}","user_id":"{self.ids[user]}",'
                f'"occurred_at":"{text}Z{segments[user]}'
            )
            yield partitions[user], keys[user], value.encode()

    def matrix(self) -> Matrix:
        """The daily matrix, in plain Python."""
        days: dict[int, set[int]] = defaultdict(set)
        for user, day in zip(self.users.tolist(), (self.times // DAY_MS).tolist(), strict=True):
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
    start = int(np.datetime64(START, "ms").astype(np.int64))
    # Half of the users are there from the first days on, the others arrive through the month.
    arrivals = np.where(rng.random(users) < 0.5, rng.random(users) * 2, rng.random(users) * (DAYS - 2))
    # Who arrives late has had less time to come back.
    weights = rng.lognormal(0.0, 0.8, users) * (DAYS - arrivals)
    chosen = rng.choice(users, size=events, p=weights / weights.sum())
    # The power brings visits closer to the arrival: retention falls with time.
    days = arrivals[chosen] + (DAYS - arrivals[chosen]) * rng.random(events) ** 1.3
    within = rng.triangular(0.0, 0.6, 1.0, events)  # few at night
    times = start + (np.floor(days) + within) * DAY_MS
    order = np.argsort(times, kind="stable")
    return Workload(
        chosen[order],
        times[order].astype(np.int64),
        [f"user-{number:08d}" for number in range(users)],
        rng.choice(PLANS, size=users, p=(0.7, 0.2, 0.1)).tolist(),
        rng.choice(COUNTRIES, size=users).tolist(),
        seed,
    )
