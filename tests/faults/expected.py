"""The figures of a load once more, plainly, fast enough for millions of events: dicts and sets by user.

It shares nothing with the service but the lengths of the horizons, and answers in the form of the API.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from oracle import DEFINITIONS, EPOCH, NONE, ONE_DAY, OTHER, WEEKDAYS, as_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from faults.load import Event

HORIZON = {"day": 384, "week": 128, "month": 64}
#: How many days back the service remembers by day.
KNOWN_DAYS = 128
HOUR_MS = 3_600_000


class Expected:
    """What the service must answer after these events."""

    def __init__(self, *, timezone: str, week_start: str, inactivity_days: int) -> None:
        self.timezone, self.inactivity_days = timezone, inactivity_days
        self.zone = ZoneInfo(timezone)
        self.week_start = WEEKDAYS.index(week_start)
        self.days: dict[str, dict[int, set[int]]] = {name: defaultdict(set) for name in DEFINITIONS}
        self.first: dict[int, tuple[int, str, str, str]] = {}
        self.last_event = 0
        self._day_of_hour: dict[int, int] = {}

    def add(self, events: Iterable[Event]) -> None:
        counting = [(kinds, self.days[name]) for name, kinds in DEFINITIONS.items()]
        for event in events:
            day, user = self.day(event.time), event.user
            for kinds, days in counting:
                if event.kind in kinds:
                    days[user].add(day)
            candidate = (event.time, event.event_id, event.plan or NONE, event.country)
            known = self.first.get(user)
            if known is None or candidate < known:
                self.first[user] = candidate
            self.last_event = max(self.last_event, event.time)

    # -- time

    def day(self, time: int) -> int:
        """The local date of an instant (ms), as days since 1970. Clocks are whole hours apart where this is used."""
        hour = time // HOUR_MS
        found = self._day_of_hour.get(hour)
        if found is None:
            found = (datetime.fromtimestamp(hour * 3600, self.zone).date() - EPOCH).days
            self._day_of_hour[hour] = found
        return found

    def period(self, grain: str, day: int) -> int:
        local = EPOCH + timedelta(days=day)
        if grain == "month":
            return local.year * 12 + local.month - 1
        if grain == "week":
            return (day - (local.weekday() - self.week_start) % 7) // 7
        return day

    def start(self, grain: str, number: int) -> date:
        if grain == "month":
            return date(number // 12, number % 12 + 1, 1)
        if grain == "week":
            return next(d for d in (EPOCH + timedelta(days=number * 7 + i) for i in range(7))
                        if d.weekday() == self.week_start)  # fmt: skip
        return EPOCH + timedelta(days=number)

    def closed(self, grain: str, number: int, watermark: int) -> bool:
        end = self.start(grain, number + 1)
        return round(datetime(end.year, end.month, end.day, tzinfo=self.zone).timestamp()) * 1000 <= watermark

    # -- figures

    def segments(self, definition: str, dimension: str | None, top: int) -> list[tuple[dict[str, str], list[set[int]]]]:
        """The segments to show, each with the days of its users: the largest first, the rest as `(other)`."""
        days = self.days[definition]
        if dimension is None:
            return [({}, list(days.values()))]
        place = {"plan": 2, "country": 3}[dimension]
        members: dict[str, list[set[int]]] = defaultdict(list)
        for user, active in days.items():
            members[self.first[user][place]].append(active)  # type: ignore[index]
        ranked = sorted(members, key=lambda v: (-len(members[v]), v))
        rest = [active for value in ranked[top:] for active in members[value]]
        return [({dimension: v}, members[v]) for v in ranked[:top]] + ([({dimension: OTHER}, rest)] if rest else [])

    def retention(
        self, *, definition: str, grain: str, kind: str, dimension: str | None, watermark: int, top: int = 20
    ) -> dict[str, Any]:
        return {
            "definition": definition, "grain": grain, "kind": kind, "timezone": self.timezone,
            "as_of": as_of(watermark),
            "segments": [
                {"segment": segment, "cohorts": self._cohorts(grain, kind, users, watermark)}
                for segment, users in self.segments(definition, dimension, top)
            ],
        }  # fmt: skip

    def _cohorts(self, grain: str, kind: str, users: list[set[int]], watermark: int) -> list[dict[str, Any]]:
        numbers: dict[int, int] = {}
        sizes: dict[int, int] = defaultdict(int)
        counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        limit = HORIZON[grain] - 1
        for days in users:
            periods = set()
            for day in days:
                number = numbers.get(day)
                if number is None:
                    number = numbers[day] = self.period(grain, day)
                periods.add(number)
            cohort = min(periods)
            sizes[cohort] += 1
            if kind == "classic":
                row = counts[cohort]
                for number in periods:
                    row[number - cohort] += 1
            else:
                counts[cohort][min(max(periods) - cohort, limit)] += 1
        last = self.period(grain, self.day(max(self.last_event, watermark - 1)))
        rows = []
        for cohort in sorted(sizes):
            width = min(last - cohort + 1, limit + 1)
            cells = [counts[cohort].get(index, 0) for index in range(width)]
            if kind == "rolling":
                # Who came back at an index or later: sums from the end, of each user's last index.
                cells = list(accumulate(reversed(cells)))[::-1]
            shown = [c if self.closed(grain, cohort + i, watermark) else None for i, c in enumerate(cells)]
            start = self.start(grain, cohort).isoformat()
            rows.append({"start": start, "size": sizes[cohort], "retained": shown})
        return rows

    def churn(
        self, *, definition: str, dimension: str | None, days: int, watermark: int, top: int = 20
    ) -> dict[str, Any]:
        last = self.day(watermark)
        while not self.closed("day", last, watermark):
            last -= 1
        newest = self.day(max(watermark, self.last_event))
        segments = []
        for segment, users in self.segments(definition, dimension, top):
            first = max(last - days + 1, min(map(min, users)), newest - KNOWN_DAYS + self.inactivity_days + 1)
            segments.append({"segment": segment, "days": self._lifecycle(users, first, last)})
        return {
            "definition": definition, "inactivity_days": self.inactivity_days, "timezone": self.timezone,
            "as_of": as_of(watermark), "segments": segments,
        }  # fmt: skip

    def _lifecycle(self, users: list[set[int]], first: int, last: int) -> list[dict[str, Any]]:
        arrived: dict[int, int] = defaultdict(int)
        active: dict[int, int] = defaultdict(int)
        for days in users:
            arrived[min(days)] += 1
            counted: set[int] = set()
            for day in days:
                counted.update(range(max(day, first), min(day + self.inactivity_days, last + 1)))
            for day in counted:
                active[day] += 1
        customers = sum(count for day, count in arrived.items() if day < first)
        rows = []
        for day in range(first, last + 1):
            customers += arrived[day]
            rows.append({"date": (EPOCH + day * ONE_DAY).isoformat(), "customers": customers, "active": active[day],
                         "churned": customers - active[day]})  # fmt: skip
        return rows
