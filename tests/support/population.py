"""Populations for tests of figures: made event by event from plain lists, without the engine and without columns.

Events are the dicts of the oracle, with what an order and a condition need besides:

    {"user": "u1", "time": 852076800000, "kind": "visit" | "purchase" | "refund", "event_id": "e1",
     "segment": {"plan": "pro"}, "order_id": "o1", "amount": 1999, "properties": {"channel": "web"}}

`time` is in ms since the epoch, `amount` in minor units, negative for a refund. Only user, time and kind are needed:
an event id is made from the place in the list, an order id is the event id, an amount 0 (of a refund -1).
"""

from __future__ import annotations

import json
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import NONE, Segments
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Filter
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.population import Orders, Pairs
from stream_app.domain.metrics.query import parse
from stream_app.domain.metrics.tally import Tally
from stream_app.domain.periods import HORIZON, KEPT, Calendar, Grain
from stream_app.domain.rows import LATER, RING_DAYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stream_app.domain.events import Definition

Event = dict[str, Any]
_KINDS = {"visit": ("visit",), "purchase": ("purchase",), "any": ("visit", "purchase")}
_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.HALF_YEAR: 6}


def meant(what: Filter, event: Event) -> bool:
    """Whether a filter means this event."""
    return event["kind"] in _KINDS[what.event] and all(_property(event, name) == text for name, text in what.where)


def _property(event: Event, name: str) -> str | None:
    for place in (event.get("properties") or {}, event, event.get("segment") or {}):
        if name in place:
            value = place[name]
            return value if isinstance(value, str) else json.dumps(value)
    return None


class ListSlice:
    """Some users, each with the list of the user's events; what is not kept is taken away in `active`."""

    def __init__(self, population: ListPopulation, users: list[list[Event]]) -> None:
        self._of, self._users, self._calendar = population, users, population.calendar

    @property
    def combos(self) -> np.ndarray:
        return np.array([self._of.segments.combo(self._of.values(events)) for events in self._users], np.int64)

    def first(self, what: Filter) -> np.ndarray:
        times = [min((e["time"] for e in events if meant(what, e)), default=LATER) for events in self._users]
        return np.array(times, np.int64)

    def active(self, what: Filter, grain: Grain) -> Pairs:
        users: list[int] = []
        periods: list[int] = []
        for user, events in enumerate(self._users):
            times = np.array([e["time"] for e in events if meant(what, e)], np.int64)
            kept = sorted(set(self._calendar.at(grain, times).tolist()) & self._kept(times, grain))
            users += [user] * len(kept)
            periods += kept
        return Pairs(np.array(users, np.int64), np.array(periods, np.int64))

    def _kept(self, times: np.ndarray, grain: Grain) -> set[int]:
        """The periods of a user's events that the population knows of: of rows, by bitmaps and ring."""
        every = set(self._calendar.at(grain, times).tolist())
        if self._of.whole or not times.size:
            return every
        if grain is Grain.HOUR:
            first = min(every)
            return {hour for hour in every if hour < first + (self._of.hours or 0)}
        days = set(self._calendar.days(times).tolist())
        ring = {self._calendar.period(grain, day) for day in days if day > max(days) - RING_DAYS}
        unit = grain if grain in KEPT else Grain.MONTH
        units = {self._calendar.period(unit, day) for day in days}
        early = {one for one in units if one < min(units) + HORIZON[unit]}
        return ring | (early if unit is grain else {one // _MONTHS[grain] for one in early})

    def orders(self) -> Orders:
        rows = [(user, *order) for user, events in enumerate(self._users) for order in _orders(events)]
        users, times, amounts, conflicts = zip(*rows, strict=True) if rows else ((), (), (), ())
        return Orders(
            np.array(users, np.int64),
            np.array(times, np.int64),
            np.array(amounts, np.int64),
            np.array(conflicts, np.bool_),
        )


def _orders(events: Iterable[Event]) -> list[tuple[int, int, bool]]:
    """(time, amount, conflict) of each order and refund of one user, by time."""
    met: dict[tuple[str, str], set[tuple[int, int]]] = defaultdict(set)
    for event in events:
        if event["kind"] != "visit":
            what = "order_id" if event["kind"] == "purchase" else "event_id"
            met[what, event[what]].add((event["time"], event["amount"]))
    return sorted((*max(seen), what == "order_id" and len(seen) > 1) for (what, _), seen in met.items())


class ListPopulation:
    """All users of a list of events.

    Args:
        events: in any order.
        calendar: the business time zone and week start.
        dimensions: the segment dimensions.
        per_slice: how many users a slice has.
        whole: everything is known, as of a file. False: only what the service's rows keep.
        hours: how many hours from a user's first are kept, where not whole.
    """

    def __init__(
        self, events: Iterable[Event], *, calendar: Calendar, dimensions: Sequence[str] = (), per_slice: int = 2,
        whole: bool = True, hours: int = 8 * 24,
    ) -> None:  # fmt: skip
        self.calendar = calendar
        self.segments = Segments(dimensions, 1 << 30)
        self.whole = whole
        self.hours = None if whole else hours
        self._per_slice = per_slice
        users: dict[str, list[Event]] = defaultdict(list)
        for number, event in enumerate(events):
            usual = {"event_id": f"e{number}", "amount": -1 if event["kind"] == "refund" else 0}
            filled = usual | event
            users[event["user"]].append({"order_id": filled["event_id"]} | filled)
        self._users = [users[user] for user in sorted(users)]
        for theirs in self._users:
            self.segments.combo(self.values(theirs))

    def values(self, events: Sequence[Event]) -> tuple[str, ...]:
        """The segment values of the user whose events these are."""
        first = min(events, key=lambda e: (e["time"], e["event_id"]))
        return tuple((first.get("segment") or {}).get(d) or NONE for d in self.segments.dimensions)

    def slices(self) -> Iterator[ListSlice]:
        for start in range(0, len(self._users), self._per_slice):
            yield ListSlice(self, self._users[start : start + self._per_slice])

    @cached_property
    def _days(self) -> list[int]:
        return sorted(self.calendar.day(event["time"]) for events in self._users for event in events)

    @property
    def first_day(self) -> int | None:
        return self._days[0] if self._days else None

    @property
    def last_day(self) -> int | None:
        return self._days[-1] if self._days else None


def ask(
    given: Mapping[str, str], events: Sequence[Event], *, calendar: Calendar, watermark: int | None = None,
    definitions: Sequence[Definition] = (ENGAGEMENT, REPURCHASE), dimensions: Sequence[str] = (),
) -> Asked:  # fmt: skip
    """The question of these parameters, as `analyze` asks it of these events.

    Args:
        given: the parameters, by their names in the API.
        events: of all users.
        calendar: the business time zone and week start.
        watermark: what is closed (ms); None: `until`, or else the latest event.
        definitions, dimensions: those that can be named.
    """
    query = parse(given, definitions=definitions, dimensions=dimensions, calendar=calendar)
    times = [event["time"] for event in events if query.until is None or event["time"] < query.until]
    last = max(times, default=None)
    reached = last if watermark is None and (query.until is None or last is None) else watermark or query.until
    return Asked(query=query, calendar=calendar, watermark=reached, last_event=last)


def figure(
    given: Mapping[str, str], events: Sequence[Event], *, calendar: Calendar | None = None,
    watermark: int | None = None, definitions: Sequence[Definition] = (ENGAGEMENT, REPURCHASE),
    dimensions: Sequence[str] = (), per_slice: int = 2, partitions: int = 1, whole: bool = True, hours: int = 8 * 24,
) -> dict[str, Any]:  # fmt: skip
    """The answer of a figure over these events; see `ask` and `ListPopulation`.

    With `partitions`, the users are shared out over so many, each is counted for itself, and the tallies are merged.
    Events from `until` on are left out before counting only where everything is known, as `analyze` does.
    """
    calendar = calendar or Calendar()
    asked = ask(given, events, calendar=calendar, watermark=watermark, definitions=definitions, dimensions=dimensions)
    counted = [e for e in events if not whole or e["time"] < asked.end]
    names = sorted({event["user"] for event in counted})
    tallies = []
    for number in range(partitions):
        own = set(names[number::partitions])
        population = ListPopulation(
            [{"event_id": f"e{place}"} | e for place, e in enumerate(counted) if e["user"] in own],
            calendar=calendar, dimensions=dimensions, per_slice=per_slice, whole=whole, hours=hours,
        )  # fmt: skip
        tallies.append(census(asked, population))
    return answer(asked, Tally.merged(tallies))
