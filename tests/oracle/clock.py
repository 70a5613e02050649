"""Local days and periods by `datetime` and `zoneinfo` alone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

EPOCH = date(1970, 1, 1)
ONE_DAY = timedelta(days=1)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
#: Months of the grains that are made of whole ones.
MONTHS = {"month": 1, "quarter": 3, "half-year": 6}


class Clock:
    """A time zone and a week start. Periods have numbers that follow each other."""

    def __init__(self, timezone: str = "UTC", week_start: str = "monday") -> None:
        self.timezone, self.zone, self.week_start = timezone, ZoneInfo(timezone), WEEKDAYS.index(week_start)

    def local(self, time: int) -> datetime:
        # Whole seconds: clocks change on them, and a float of ms would round.
        return datetime.fromtimestamp(time // 1000, self.zone)

    def day(self, time: int) -> date:
        """The local date of an instant (ms)."""
        return self.local(time).date()

    def hour(self, time: int) -> int:
        """The number of an instant's local hour: what the full hours of the wall clock lie apart from UTC's counts."""
        offset = self.local(time).utcoffset() or timedelta()
        return (time // 1000 + int(offset.total_seconds()) % 3600) // 3600

    def number(self, grain: str, day: date) -> int:
        """The period of a local day."""
        if grain in MONTHS:
            return (day.year * 12 + day.month - 1) // MONTHS[grain]
        if grain == "week":
            first = day - timedelta(days=(day.weekday() - self.week_start) % 7)
            return (first - EPOCH).days // 7
        return (day - EPOCH).days

    def period(self, grain: str, time: int) -> int:
        """The period of an instant (ms)."""
        return self.hour(time) if grain == "hour" else self.number(grain, self.day(time))

    def first_day(self, grain: str, number: int) -> date:
        if grain in MONTHS:
            month = number * MONTHS[grain]
            return date(month // 12, month % 12 + 1, 1)
        if grain == "week":
            # The one day of seven that begins a week.
            days = (EPOCH + timedelta(days=number * 7 + i) for i in range(7))
            return next(d for d in days if d.weekday() == self.week_start)
        return EPOCH + timedelta(days=number)

    def last_day(self, grain: str, number: int) -> date:
        return self.first_day(grain, number + 1) - ONE_DAY

    def starts_at(self, day: date) -> int:
        """The first instant (ms) of a local date."""
        return round(datetime(day.year, day.month, day.day, tzinfo=self.zone).timestamp()) * 1000

    def start(self, grain: str, number: int) -> int:
        """The first instant (ms) of a period."""
        return _hour_start(self, number) if grain == "hour" else self.starts_at(self.first_day(grain, number))

    def start_text(self, grain: str, number: int) -> str:
        if grain == "hour":
            return self.local(self.start(grain, number)).isoformat(timespec="minutes")
        return self.first_day(grain, number).isoformat()

    def closed(self, grain: str, number: int, watermark: int | None) -> bool:
        return watermark is not None and self.start(grain, number + 1) <= watermark

    def last_closed(self, grain: str, watermark: int) -> int:
        number = self.period(grain, watermark)
        while not self.closed(grain, number, watermark):
            number -= 1
        return number


@cache
def _hour_start(clock: Clock, number: int) -> int:
    """A full hour of the wall clock, or else, near a clock change, the first minute that has the number."""
    offset = clock.local(number * 3_600_000).utcoffset() or timedelta()
    usual = (number * 3600 - int(offset.total_seconds()) % 3600) * 1000
    if clock.hour(usual - 1) < number == clock.hour(usual):
        return usual
    return next(t for t in range((number * 60 - 120) * 60_000, (number * 60 + 120) * 60_000, 60_000)
                if clock.hour(t) >= number)  # fmt: skip


def rfc3339(time: int | None) -> str | None:
    """An instant as RFC 3339, with milliseconds only where there are any."""
    if time is None:
        return None
    text = datetime.fromtimestamp(time // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{time % 1000:03d}Z" if time % 1000 else f"{text}Z"
