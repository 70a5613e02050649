"""Hypothesis strategies: streams of events that are hard on calendars, ties and the horizon."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from stream_app.domain.periods import Calendar

#: A zone, and days whose neighbourhood holds a clock change there (or the turn of a leap February, of a year).
ZONES = {
    "UTC": ("2024-02-28", "1969-12-30"),
    "Europe/Berlin": ("2024-03-30", "2023-10-28"),
    "America/Sao_Paulo": ("2018-11-03", "2018-02-17"),  # clocks change at midnight
    "Asia/Kolkata": ("2023-12-30", "2024-02-28"),
    "Australia/Lord_Howe": ("2024-04-06", "2023-09-30"),  # by half an hour
}
MINUTE, HOUR = 60_000, 3_600_000
#: Times of day (ms after local midnight), most of them at its edges.
MOMENTS = (0, 1, -1, 15 * MINUTE, -15 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 12 * HOUR, 23 * HOUR, 24 * HOUR - 1)
VALUES = (None, "", "a", "b", "c", "(other)")


@cache
def calendar(timezone: str, week_start: str = "monday") -> Calendar:
    return Calendar(timezone, week_start)


@dataclass(frozen=True)
class Stream:
    """Events in the order of their times, and how they were counted."""

    events: list[dict[str, Any]]
    timezone: str
    week_start: str
    inactivity_days: int
    watermark: int

    @property
    def calendar(self) -> Calendar:
        return calendar(self.timezone, self.week_start)

    @property
    def last_event(self) -> int | None:
        return max((e["time"] for e in self.events), default=None)


def event_id(number: int, form: int) -> str:
    """Unique ids of every form: short, of 16 bytes, UUIDs (one ends with a NUL byte), long ones alike at first."""
    # Reversed digits: the order of ids is not the order of events.
    digits = f"{number:04d}"[::-1]
    return (
        digits,
        f"id-{digits}-{digits}-{digits}"[:16].ljust(16, "x"),
        str(uuid.UUID(int=int("9" + digits) << 64 | 7)),
        str(uuid.UUID(int=int("9" + digits) << 64)),  # the bytes end with NUL
        str(uuid.UUID(int=int("9" + digits) << 64 | 0xABCDEF)).upper(),
        "a-long-prefix-that-all-share-" + digits,
        f"é\n{digits}" * 5,
        f"{digits}\0",
    )[form]


@st.composite
def clusters(draw: st.DrawFn) -> list[int]:
    """Days after the base that times gather around: within a ring, within the horizon of days, past every horizon."""
    reach = draw(st.sampled_from((2, 40, 200, 420, 2200)))
    count = draw(st.integers(1, 4))
    return draw(st.lists(st.integers(0, reach), min_size=count, max_size=count))


@st.composite
def moments(draw: st.DrawFn, timezone: str, base: date, around: list[int]) -> int:
    day = base + timedelta(days=draw(st.sampled_from(around)) + draw(st.integers(0, 3)))
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(timezone))
    return round(midnight.timestamp()) * 1000 + draw(st.sampled_from(MOMENTS))


@st.composite
def streams(draw: st.DrawFn, most: int = 40) -> Stream:
    timezone = draw(st.sampled_from(sorted(ZONES)))
    base = date.fromisoformat(draw(st.sampled_from(ZONES[timezone])))
    # Few distinct times: equal ones are common.
    near = moments(timezone, base, draw(clusters()))
    moments_drawn = draw(st.integers(1, 12))
    times = draw(st.lists(near, min_size=moments_drawn, max_size=moments_drawn))
    count = draw(st.integers(0, most))  # Hypothesis by itself prefers lists too short to go wrong
    drawn = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("u1", "u2", "u3")),
                st.sampled_from(times),
                st.sampled_from(("visit", "visit", "purchase", "purchase", "refund")),
                st.integers(0, 7),
                st.sampled_from(VALUES),
                st.sampled_from(VALUES[:4]),
                st.sampled_from(("web", "app")),
                st.tuples(st.integers(0, 5), st.integers(0, 3)),
            ),
            min_size=count,
            max_size=count,
        )
    )
    events = [
        {
            "user": user, "time": time, "kind": kind, "event_id": event_id(number, form),
            "segment": {"plan": plan, "country": country}, "properties": {"channel": channel},
            "order_id": f"o{order}", "amount": -amount - 1 if kind == "refund" else amount,
        }
        for number, (user, time, kind, form, plan, country, channel, (order, amount)) in enumerate(drawn)
    ]  # fmt: skip
    latest = max(times)
    watermark = draw(st.one_of(st.sampled_from(times), near, st.just(latest + 40 * 24 * HOUR)))
    week_start = draw(st.sampled_from(("monday", "sunday", "thursday")))
    return Stream(
        sorted(events, key=lambda e: e["time"]),
        timezone,
        week_start,
        draw(st.sampled_from((1, 7, 30, 127))),
        watermark,
    )


@st.composite
def arrivals(draw: st.DrawFn, events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The events out of order, some of them twice, in batches (an empty one too)."""
    twice = draw(st.lists(st.sampled_from(events), max_size=8)) if events else []
    order = draw(st.permutations([*events, *twice]))
    cuts = sorted(draw(st.lists(st.integers(0, len(order)), max_size=6)))
    return [list(order[a:b]) for a, b in zip([0, *cuts], [*cuts, len(order)], strict=True)]
