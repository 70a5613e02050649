"""Which cells of a rule's figure have closed, and when."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from stream_app.domain.alerts.measures import has_cohorts
from stream_app.domain.alerts.observation import Closing
from stream_app.domain.metrics.census.members import WINDOW_HOURS
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.periods import Calendar


@dataclass(frozen=True)
class Closings:
    """When the cells of a figure close; a later cohort's never before an earlier one's.

    Attributes:
        calendar: what counting is done by.
        grain: of the cohorts or periods.
        first, last: indexes of the first and the last period that a cell is made of; 0 for figures of periods.
        window_hours: length of the periods that are counted from users' own first hours; 0: calendar periods.
        days_back: a row tells of so many local days up to the end of its period; 0: of its period.
    """

    calendar: Calendar
    grain: Grain
    first: int = 0
    last: int = 0
    window_hours: int = 0
    days_back: int = 0

    @classmethod
    def of(cls, rule: Rule, calendar: Calendar, inactivity_days: int = 0) -> Closings:
        """Those of a rule; `inactivity_days` is the window by which a figure tells who is active."""
        given = dict(rule.parameters)
        if not has_cohorts(rule.figure, rule.measure):
            return cls(calendar, rule.grain, days_back=inactivity_days)
        if rule.figure == "value":  # what a cohort has brought since it began
            return cls(calendar, rule.grain, 0, rule.index)
        if "brackets" in given:
            sizes = [int(size) for size in given["brackets"].split(",")]
            first = 1 + sum(sizes[: rule.index - 1])
            last = first + sizes[rule.index - 1] - 1
        else:
            first = last = rule.index
        hours = WINDOW_HOURS[rule.grain] if given.get("windows") == "24h" else 0
        return cls(calendar, rule.grain, first, last, hours)

    def when(self, cohort: int) -> Closing:
        """The time of a cohort's or period's cell."""
        known = self._known.get(cohort)
        if known is None:
            start = self.calendar.start_date(self.grain, cohort)
            known = self._known[cohort] = Closing(start, self._since(cohort), self.closed_at(cohort))
        return known

    @cached_property
    def _known(self) -> dict[int, Closing]:
        return {}

    def closed_at(self, cohort: int) -> int:
        """The instant (ms) a cohort's or period's cell closes: for windows of users' own, that of the latest user."""
        if not self.window_hours:
            return self.calendar.end(self.grain, cohort + self.last)
        latest = self._first_hour(cohort + 1) - 1
        return self.calendar.start(Grain.HOUR, latest + (self.last + 1) * self.window_hours)

    def _since(self, cohort: int) -> int:
        if self.window_hours:
            return self.calendar.start(Grain.HOUR, self._first_hour(cohort) + self.first * self.window_hours)
        if self.days_back:
            next_day = self.calendar.first_day(self.grain, cohort + 1)
            return self.calendar.start(Grain.DAY, next_day - self.days_back)
        return self.calendar.start(self.grain, cohort + self.first)

    def _first_hour(self, period: int) -> int:
        return self.calendar.period_at(Grain.HOUR, self.calendar.start(self.grain, period))

    def latest(self, watermark: int | None) -> int | None:
        """The latest cohort or period whose cell has closed at a watermark (ms); None before any event."""
        if watermark is None:
            return None
        cohort = self.calendar.last_closed(self.grain, watermark)
        if not self.window_hours:
            return cohort - self.last
        while self.closed_at(cohort) > watermark:
            cohort -= 1
        return cohort
