"""The figures computed again, plainly: a list of events, sets, `datetime` and `zoneinfo`.

It is what the columnar code is tested against, so it shares nothing with it but the horizon. Events are dicts:

    {"user": "u1", "time": 852076800000, "kind": "visit" | "purchase" | "refund", "event_id": "e1",
     "segment": {"plan": "pro"}}        # time in ms since the epoch; segment may be missing

Order, duplicates and lateness do not matter to it: it knows all events, and what has closed by the watermark.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from stream_app.domain.periods import HORIZON

if TYPE_CHECKING:
    from collections.abc import Iterable

EPOCH = date(1970, 1, 1)
ONE_DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: name -> the kinds of events that start, and that count as a return
DEFINITIONS = {"engagement": ("visit", "purchase"), "repurchase": ("purchase",)}
NONE, OTHER = "(none)", "(other)"


class Oracle:
    """Answers like the metrics of the service, from a list of events."""

    def __init__(
        self,
        events: Iterable[dict[str, Any]] = (),
        *,
        timezone: str = "UTC",
        week_start: str = "monday",
        inactivity_days: int = 30,
    ) -> None:
        self.events: list[dict[str, Any]] = list(events)
        self.timezone = timezone
        self.zone = ZoneInfo(timezone)
        self.week_start = WEEKDAYS.index(week_start)
        self.inactivity_days = inactivity_days

    def add(self, *events: dict[str, Any]) -> None:
        self.events.extend(events)

    # -- time

    def day(self, time: int) -> date:
        """The local date of an instant (ms)."""
        # Whole seconds: clocks change on them, and a float of ms would round.
        return datetime.fromtimestamp(time // 1000, self.zone).date()

    def period(self, grain: str, day: date) -> int:
        """The number of a day's period; consecutive periods have consecutive numbers."""
        if grain == "month":
            return day.year * 12 + day.month - 1
        if grain == "week":
            first = day - timedelta(days=(day.weekday() - self.week_start) % 7)
            return (first - EPOCH).days // 7
        return (day - EPOCH).days

    def first_day(self, grain: str, number: int) -> date:
        if grain == "month":
            return date(number // 12, number % 12 + 1, 1)
        if grain == "week":
            # The one day of seven that begins a week.
            days = (EPOCH + timedelta(days=number * 7 + i) for i in range(7))
            return next(d for d in days if d.weekday() == self.week_start)
        return EPOCH + timedelta(days=number)

    def starts_at(self, day: date) -> int:
        """The first instant (ms) of a local date."""
        return round(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def closed(self, grain: str, number: int, watermark: int) -> bool:
        return self.starts_at(self.first_day(grain, number + 1)) <= watermark

    # -- users

    def activity(self, definition: str) -> dict[str, set[date]]:
        """The local days on which each user did what the definition counts."""
        days: dict[str, set[date]] = defaultdict(set)
        for event in self.events:
            if event["kind"] in DEFINITIONS[definition]:
                days[event["user"]].add(self.day(event["time"]))
        return days

    def values(self, dimension: str) -> dict[str, str]:
        """Each user's value of a dimension: that of the first event, of whatever kind."""
        first: dict[str, tuple[int, str, str]] = {}
        for event in self.events:
            value = (event.get("segment") or {}).get(dimension) or NONE
            candidate = (event["time"], event["event_id"], value)
            first[event["user"]] = min(first.get(event["user"], candidate), candidate)
        return {user: value for user, (_, _, value) in first.items()}

    def segments(self, users: Iterable[str], dimension: str | None, top: int) -> list[tuple[dict[str, str], set[str]]]:
        """The segments to show, each with its users: the largest first, the rest as `(other)`."""
        if dimension is None:
            return [({}, set(users))]
        values = self.values(dimension)
        members: dict[str, set[str]] = defaultdict(set)
        for user in users:
            members[values[user]].add(user)
        ranked = sorted((v for v in members if v != OTHER), key=lambda v: (-len(members[v]), v))
        shown = [({dimension: v}, members[v]) for v in ranked[:top]]
        rest = [members[v] for v in members if v not in ranked[:top]]
        return [*shown, ({dimension: OTHER}, set().union(*rest))] if rest else shown

    # -- figures

    def retention(
        self,
        *,
        definition: str,
        grain: str,
        kind: str = "classic",
        dimension: str | None = None,
        top: int = 20,
        watermark: int | None,
    ) -> dict[str, Any]:
        days = self.activity(definition)
        segments = []
        for segment, users in self.segments(days, dimension, top):
            cohorts: dict[int, list[set[int]]] = defaultdict(list)
            for user in users:
                periods = {self.period(grain, day) for day in days[user]}
                cohorts[min(periods)].append(periods)
            rows = (
                []
                if watermark is None
                else [self._row(grain, kind, cohort, cohorts[cohort], watermark) for cohort in sorted(cohorts)]
            )
            segments.append({"segment": segment, "cohorts": rows})
        return {
            "definition": definition,
            "grain": grain,
            "kind": kind,
            "timezone": self.timezone,
            "as_of": as_of(watermark),
            "segments": segments,
        }

    def _row(self, grain: str, kind: str, cohort: int, users: list[set[int]], watermark: int) -> dict[str, Any]:
        latest = max([watermark - 1, *(event["time"] for event in self.events)])
        last_period = self.period(grain, self.day(latest))
        retained: list[int | None] = []
        for index in range(min(last_period - cohort + 1, HORIZON[grain])):
            period = cohort + index
            if not self.closed(grain, period, watermark):
                retained.append(None)
            elif index == 0:
                retained.append(len(users))
            elif kind == "classic":
                retained.append(sum(period in periods for periods in users))
            else:
                # The last index stands for everything past the horizon as well.
                retained.append(sum(max(periods) >= period for periods in users))
        return {"start": self.first_day(grain, cohort).isoformat(), "size": len(users), "retained": retained}

    def churn(
        self,
        *,
        definition: str,
        dimension: str | None = None,
        days: int = 90,
        top: int = 20,
        watermark: int | None,
        known_days: int | None = None,
    ) -> dict[str, Any]:
        """Churn by inactivity window.

        `known_days`: how many days of activity the other side remembers; it cannot tell an earlier day whose window
        is not wholly among them, so such a day is left out.
        """
        active_days = self.activity(definition)
        segments = []
        for segment, users in self.segments(active_days, dimension, top):
            rows = []
            if watermark is not None and users:
                last = self.day(watermark)
                while self.starts_at(last + ONE_DAY) > watermark:
                    last -= ONE_DAY
                first = max(last - (days - 1) * ONE_DAY, min(min(active_days[user]) for user in users))
                if known_days is not None:
                    latest = self.day(max([watermark, *(event["time"] for event in self.events)]))
                    first = max(first, latest - timedelta(days=known_days - self.inactivity_days - 1))
                day = first
                while day <= last:
                    rows.append(self._lifecycle(day, [active_days[user] for user in users]))
                    day += ONE_DAY
            segments.append({"segment": segment, "days": rows})
        return {
            "definition": definition,
            "inactivity_days": self.inactivity_days,
            "timezone": self.timezone,
            "as_of": as_of(watermark),
            "segments": segments,
        }

    def _lifecycle(self, day: date, users: list[set[date]]) -> dict[str, Any]:
        window = {day - timedelta(days=i) for i in range(self.inactivity_days)}
        customers = sum(min(days) <= day for days in users)
        active = sum(not window.isdisjoint(days) for days in users)
        return {"date": day.isoformat(), "customers": customers, "active": active, "churned": customers - active}


def as_of(watermark: int | None) -> str | None:
    """The watermark as RFC 3339, with milliseconds only where there are any."""
    if watermark is None:
        return None
    text = datetime.fromtimestamp(watermark // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{watermark % 1000:03d}Z" if watermark % 1000 else f"{text}Z"
