"""Business hours: when messages are sent, in the business time zone."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from stream_app.domain.periods import DAY_MS, EPOCH, WEEKDAYS, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stream_app.domain.periods import Calendar

MINUTE_MS = 60_000
EXAMPLES = "weekdays and hours such as Mon-Fri 09:00-18:00, Mon,Wed 08:00-12:00 or daily 08:00-20:00"

_HOURS = re.compile(r"([a-z, -]+?)\s+(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
#: Two weeks have each weekday twice, once of them with a whole day.
_SEARCHED_DAYS = 15


@dataclass(frozen=True)
class Hours:
    """Hours of weekdays, `Mon-Fri 09:00-18:00`, as clocks show them: through clock changes, too.

    Attributes:
        days: weekdays, Monday is 0.
        begins, ends: minutes of the local day, `begins` < `ends` <= 1440.
        text: as it was written.
    """

    days: frozenset[int]
    begins: int
    ends: int
    text: str

    @classmethod
    def parse(cls, text: str) -> Hours:
        """The hours that a text means.

        >>> sorted(Hours.parse("Sat-Mon 09:00-18:30").days), Hours.parse("daily 08:00-24:00").ends
        ([0, 5, 6], 1440)

        Raises:
            ValueError: it means none; the message says what they look like.
        """
        found = _HOURS.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError(f"{text!r} must be {EXAMPLES}")
        days = frozenset(day for part in found[1].split(",") for day in _days(part.strip(), text))
        begins, ends = _minutes(found[2], found[3], text), _minutes(found[4], found[5], text)
        if begins >= ends:
            raise ValueError(f"{text!r} ends before it begins; hours lie within one day, 24:00 is its end")
        return cls(days, begins, ends, text.strip())

    def open(self, calendar: Calendar, now: int) -> bool:
        """Whether messages are sent at an instant (ms)."""
        local = dt.datetime.fromtimestamp(now // 1000, ZoneInfo(calendar.timezone))
        return local.weekday() in self.days and self.begins <= local.hour * 60 + local.minute < self.ends

    def next_open(self, calendar: Calendar, now: int) -> int:
        """The first instant (ms), `now` or later, at which messages are sent."""
        if self.open(calendar, now):
            return now
        today = calendar.day(now)
        for day in range(today, today + _SEARCHED_DAYS):
            if (EPOCH + dt.timedelta(days=day)).weekday() in self.days:
                start, end = calendar.start(Grain.DAY, day), calendar.end(Grain.DAY, day)
                # A day of another length has a clock change: clocks then may skip an opening, or show it twice.
                minutes: Iterable[int] = range(start, end, MINUTE_MS)
                if end - start == DAY_MS:
                    minutes = [start + self.begins * MINUTE_MS]
                for instant in minutes:
                    if instant >= now and self.open(calendar, instant):
                        return instant
        raise AssertionError(f"{self.text} opens on no day of two weeks")  # pragma: no cover


def _days(part: str, text: str) -> Iterator[int]:
    """The weekdays of `mon`, `mon-fri`, `sat-mon` or `daily`."""
    if part == "daily":
        yield from range(7)
        return
    first, dash, last = (name.strip() for name in part.partition("-"))
    begin, end = _weekday(first, text), _weekday(last if dash else first, text)
    yield from ((begin + step) % 7 for step in range((end - begin) % 7 + 1))


def _weekday(name: str, text: str) -> int:
    for number, weekday in enumerate(WEEKDAYS):
        if len(name) >= 3 and weekday.startswith(name):
            return number
    raise ValueError(f"{text!r}: {name!r} is not a weekday; use Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily")


def _minutes(hours: str, minutes: str, text: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > 24 * 60:
        raise ValueError(f"{text!r}: {hours}:{minutes} is not a time of day; use 00:00 to 24:00")
    return total
