"""The load: a year of a product's events as they arrive, from a seed, written again whenever it is asked for.

Users arrive all along and come back unevenly. Events arrive out of order by minutes, some late by hours to months, some
twice; orders are sent again under new event ids; users change plan; one record in five hundred is broken.
"""

from __future__ import annotations

import datetime as dt
import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from support.broken import broken_records

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 1_677_628_800_000  # 2023-03-01T00:00:00Z
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
PLANS = ("free", "free", "free", "pro", "team", None)
COUNTRIES = tuple(f"C{number:02d}" for number in range(30))
DIMENSIONS = ("plan", "country")
#: Small enough to be many.
BROKEN = [(key, value) for key, value in broken_records("plan") if len(value or b"") < 10_000]


class Event(NamedTuple):
    """What happened, as the oracle takes it."""

    kind: str  # visit, purchase or refund
    user: int
    time: int  # ms
    event_id: str
    order: str
    plan: str | None
    country: str

    @property
    def key(self) -> bytes:
        return b"u%d" % self.user

    @property
    def value(self) -> bytes:
        # One in eight has its time in text.
        at = f'"{_rfc3339(self.time)}"' if self.time % 8 == 0 else self.time
        plan = "" if self.plan is None else f'"plan":"{self.plan}",'
        bought = ""
        if self.kind != "visit":
            amount = "12.34" if self.kind == "purchase" else "-12.34"
            bought = f'"order_id":"{self.order}","amount":{amount},"currency":"USD",'
        return (
            f'{{"type":"{"visit" if self.kind == "visit" else "purchase"}","event_id":"{self.event_id}",'
            f'"user_id":"u{self.user}","occurred_at":{at},{bought}"segment":{{{plan}"country":"{self.country}"}}}}'
        ).encode()


class Broken(NamedTuple):
    """A record that cannot be counted."""

    topic: int  # 0 visits, 1 purchases
    partition: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True)
class Load:
    """So many records over so many days, to so many partitions of each topic."""

    seed: int
    events: int
    partitions: int
    days: int
    users: int

    @property
    def end(self) -> int:
        """An instant (ms) after every event."""
        return START + self.days * DAY_MS

    def arrivals(self) -> Iterator[Event | Broken]:
        """The records in the order they arrive in: exactly `events`, the broken ones among them."""
        chance = random.Random(self.seed)
        again: list[tuple[int, int, Event]] = []
        for i in range(self.events):
            if again and again[0][0] <= i:
                yield heapq.heappop(again)[2]
            elif chance.random() < 0.002:
                key, value = BROKEN[i % len(BROKEN)]
                yield Broken(chance.randrange(2), chance.randrange(self.partitions), key, value)
            else:
                event = self._event(chance, i)
                yield event
                if chance.random() < 0.03:  # delivered twice: soon after, or much later
                    gap = chance.expovariate(1 / (self.events * chance.choice((0.0005, 0.01, 0.2))))
                    heapq.heappush(again, (i + 1 + int(gap), i, event))
                elif event.kind == "purchase" and chance.random() < 0.05:
                    later = event.time if chance.random() < 0.6 else event.time + chance.randrange(2 * HOUR_MS)
                    retry = event._replace(event_id=f"r{i}", time=later)
                    heapq.heappush(again, (i + 1 + chance.randrange(2_000), i, retry))

    def _event(self, chance: random.Random, i: int) -> Event:
        now = START + i * self.days * DAY_MS // self.events
        draw = chance.random()
        if draw < 0.9:
            time = now - int(chance.expovariate(1 / 120_000))
        elif draw < 0.98:
            time = now - chance.randrange(3 * DAY_MS)
        elif draw < 0.995:
            time = now - chance.randrange(45 * DAY_MS)
        else:
            time = START + int(chance.random() * (now - START))
        time = max(time, START)
        if chance.random() < 0.05:
            time -= time % HOUR_MS  # so that first events tie
        known = 1 + i * self.users // self.events
        if chance.random() < 0.4:
            user = known - 1 - int(known * 0.05 * chance.random())  # those who came lately
        else:
            user = int(known * chance.random() ** 2.5)  # a few do much
        kind = "visit"
        if chance.random() < 0.2:
            kind = "purchase" if chance.random() < 0.95 else "refund"
        plan = PLANS[(user + (chance.random() < 0.03)) % len(PLANS)]
        country = COUNTRIES[int(len(COUNTRIES) * ((user * 2_654_435_761 % 4_096) / 4_096) ** 2)]
        return Event(kind, user, time, f"e{i}", f"o{i}", plan, country)

    def closing(self) -> list[Event]:
        """Events past the end, a visit and a purchase a partition: once they are read, all days before have closed."""
        return self._everywhere("closing", self.end + 3 * DAY_MS)

    def ancient(self) -> list[Event]:
        """Events older than the horizon, a visit and a purchase a partition: to be dropped."""
        return self._everywhere("ancient", START - 1000 * DAY_MS)

    def _everywhere(self, name: str, time: int) -> list[Event]:
        return [
            Event(kind, 1_000_000 * self.partitions + p, time, f"{name}-{kind}-{p}", f"{name}-{p}", "free", "C00")
            for p in range(self.partitions) for kind in ("visit", "purchase")
        ]  # fmt: skip

    def place(self, record: Event | Broken) -> tuple[int, int]:
        """Topic (0 visits, 1 purchases) and partition of a record: a user stays on one."""
        if isinstance(record, Broken):
            return record.topic, record.partition
        return int(record.kind != "visit"), record.user % self.partitions


def _rfc3339(time: int) -> str:
    instant = dt.datetime.fromtimestamp(time // 1000, dt.UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"
