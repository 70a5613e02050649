"""Events for tests of figures, written as days: `events_of({"ann": [0, 3, 7]})`."""

from __future__ import annotations

import datetime as dt
import random
from typing import TYPE_CHECKING, Any

from stream_app.domain.periods import DAY_MS, EPOCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Event = dict[str, Any]
#: 2024-01-01, a Monday; day 0 of tests.
FIRST = (dt.date(2024, 1, 1) - EPOCH).days


def at(day: int, hour: float = 12) -> int:
    """The instant (ms, UTC) of an hour of a day."""
    return (FIRST + day) * DAY_MS + int(hour * 3_600_000)


def date(day: int) -> str:
    """The date of a day, as answers have it."""
    return (EPOCH + dt.timedelta(days=FIRST + day)).isoformat()


def events_of(days: Mapping[str, Iterable[int]], kind: str = "visit", **more: Any) -> list[Event]:
    """An event at noon (UTC) of each day of each user."""
    return [{"user": user, "time": at(day), "kind": kind, **more} for user, of in days.items() for day in of]


def paid(user: str, day: int, amount: int, **more: Any) -> Event:
    """A purchase, or a refund where the amount is negative."""
    return {"user": user, "time": at(day), "kind": "refund" if amount < 0 else "purchase", "amount": amount, **more}


def some_events(seed: int, users: int = 12, days: int = 100) -> list[Event]:
    """Visits, purchases and refunds of users who come and go, over days from 0 on."""
    chance = random.Random(seed)
    found: list[Event] = []
    for number in range(users):
        user = f"u{number:02d}"
        segment = {"plan": chance.choice(("free", "pro"))}
        day = chance.randrange(days // 2)
        while day < days:
            kind, amount = chance.choice((("visit", 0), ("purchase", chance.randrange(500)), ("refund", -50)))
            found.append({"user": user, "time": at(day, chance.random() * 24), "kind": kind, "amount": amount,
                          "segment": segment})  # fmt: skip
            day += chance.choice((0, 0, 1, 1, 1, 2, 5, 9, 40))
    chance.shuffle(found)
    return found
