"""Periods of the business time zone: which hour, day, week, month, quarter or half-year an instant falls in.

Periods are numbered by ordinals that follow each other without a gap, so `k` periods later is an addition:
a day is its count of local dates since 1970-01-01, a week the count of weeks since the first `week_start` on or
before that date, a month `12 * (year - 1970) + month - 1`, a quarter a third of that and a half-year a sixth. An hour
begins at a full local hour and has the ordinal of the UTC hour that begins within it, so that a local day of a clock
change has 23 or 25. Instants are int64 milliseconds since the epoch (UTC).
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
EPOCH = dt.date(1970, 1, 1)
_EPOCH_WEEKDAY = EPOCH.weekday()
_FIRST_YEAR, _LAST_YEAR = 1970, 2100
_KEPT_BEGINS = 4096
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Grain(StrEnum):
    """The length of a period."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    HALF_YEAR = "half-year"


#: The grains that users' rows have bitmaps of, and counters are kept by; the others follow from them.
KEPT = (Grain.DAY, Grain.WEEK, Grain.MONTH)
#: How many periods a cohort's row has, by grain (the first one has index 0). For the kept grains, those that are kept.
HORIZON: dict[Grain, int] = {
    Grain.HOUR: 768, Grain.DAY: 384, Grain.WEEK: 128, Grain.MONTH: 64, Grain.QUARTER: 21, Grain.HALF_YEAR: 10,
}  # fmt: skip
#: Months of a grain that is made of them.
MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.HALF_YEAR: 6}


class Calendar:
    """Maps instants to local days and days to periods, in one IANA time zone, right across clock changes.

    Args:
        timezone: IANA name, such as `Europe/Berlin`.
        week_start: the day a week begins, `monday` to `sunday`.

    Raises:
        ConfigurationError: the time zone or the week day is unknown.
    """

    def __init__(self, timezone: str = "UTC", week_start: str = "monday") -> None:
        try:
            self._zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ConfigurationError(
                f"timezone: {timezone!r} is not an IANA time zone name; use one such as 'UTC' or 'Europe/Berlin'"
            ) from error
        if week_start not in WEEKDAYS:
            raise ConfigurationError(f"week_start: {week_start!r} is not a day; use one of {', '.join(WEEKDAYS)}")
        self.timezone = timezone
        self.week_start = week_start
        self._begins: dict[tuple[Grain, int], int] = {}
        # Days from the epoch back to the first day of week 0.
        self._week_shift = (_EPOCH_WEEKDAY - WEEKDAYS.index(week_start)) % 7

    @cached_property
    def _transitions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Instants (ms) at which the offset to UTC changes, and the offset (ms) in force from each on."""
        return _changes(self._zone)

    def days(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The local day of each instant: int64 ordinals, same shape as `times` (ms)."""
        starts, offsets = self._transitions
        if len(starts) == 1:
            days: NDArray[np.int64] = (times + offsets[0]) // DAY_MS
            return days
        place = np.searchsorted(starts, times, side="right") - 1
        return (times + offsets[np.maximum(place, 0)]) // DAY_MS

    def instants(self, local: NDArray[np.int64]) -> NDArray[np.int64]:
        """The instants (ms) at which clocks showed these local times (ms since 1970-01-01T00:00 local), same shape.

        Of a time that clocks showed twice, the first; one that they skipped is as if they had been put on after it.
        """
        starts, offsets = self._transitions
        # As PEP 495 has it for fold=0: the former offset holds until the later of both readings of a change.
        walls = starts[1:] + np.maximum(offsets[1:], offsets[:-1])
        instants: NDArray[np.int64] = local - offsets[np.searchsorted(walls, local, side="right")]
        return instants

    def day(self, time: int) -> int:
        """The local day of one instant (ms)."""
        return int(self.days(np.array([time], np.int64))[0])

    def hours(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The local hour of each instant: int64 ordinals, same shape as `times` (ms)."""
        starts, offsets = self._transitions
        within = offsets % HOUR_MS
        if not within.any():
            return times // HOUR_MS
        place = np.searchsorted(starts, times, side="right") - 1
        return (times + within[np.maximum(place, 0)]) // HOUR_MS

    @cached_property
    def hour_slack(self) -> int:
        """How far the ordinal of an instant's hour may lie before that of an earlier one: 1 hour, or in most zones 0.

        That is so where clocks were changed by a part of an hour, as in Lord Howe.
        """
        _, offsets = self._transitions
        return int(np.unique(offsets % HOUR_MS).size > 1)

    def at(self, grain: Grain, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """The period of each instant: int64 ordinals, same shape as `times` (ms)."""
        return self.hours(times) if grain is Grain.HOUR else self.periods(grain, self.days(times))

    def periods(self, grain: Grain, days: NDArray[np.int64]) -> NDArray[np.int64]:
        """The period of each local day: int64 ordinals, same shape as `days`. Not for hours."""
        if grain is Grain.DAY:
            return days
        if grain is Grain.WEEK:
            return (days + self._week_shift) // 7
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return months if grain is Grain.MONTH else months // MONTHS[grain]

    def period(self, grain: Grain, day: int) -> int:
        """The period of one local day."""
        return int(self.periods(grain, np.array([day], np.int64))[0])

    def period_at(self, grain: Grain, time: int) -> int:
        """The period of one instant (ms)."""
        return int(self.at(grain, np.array([time], np.int64))[0])

    def first_day(self, grain: Grain, ordinal: int) -> int:
        """The first local day of a period; of an hour, the day it is in."""
        if grain is Grain.HOUR:
            return self.day(self.start(grain, ordinal))
        if grain is Grain.DAY:
            return ordinal
        if grain is Grain.WEEK:
            return ordinal * 7 - self._week_shift
        return int(np.datetime64(ordinal * MONTHS[grain], "M").astype("datetime64[D]").astype(np.int64))

    def start_date(self, grain: Grain, ordinal: int) -> str:
        """The local date a period begins on, as `YYYY-MM-DD`; of an hour, its local time with the offset to UTC."""
        if grain is Grain.HOUR:
            begin = dt.datetime.fromtimestamp(self.start(grain, ordinal) // 1000, self._zone)
            return begin.isoformat(timespec="minutes")
        return (EPOCH + dt.timedelta(days=self.first_day(grain, ordinal))).isoformat()

    def start(self, grain: Grain, ordinal: int) -> int:
        """The instant (ms) a period begins: the first instant whose local date is its first day."""
        known = self._begins.get((grain, ordinal))
        if known is None:
            if len(self._begins) >= _KEPT_BEGINS:
                self._begins.clear()
            known = self._begins[grain, ordinal] = self._begin(grain, ordinal)
        return known

    def _begin(self, grain: Grain, ordinal: int) -> int:
        starts, offsets = self._transitions
        if grain is Grain.HOUR:
            begins = [ordinal * HOUR_MS - within for within in np.unique(offsets % HOUR_MS).tolist()]
            begins += starts[np.abs(starts - ordinal * HOUR_MS) < 2 * HOUR_MS].tolist()
            return int(min(t for t in begins if self.period_at(grain, t - 1) < ordinal <= self.period_at(grain, t)))
        day = self.first_day(grain, ordinal)
        # The day begins at its local midnight under one of the offsets in force around it, or, where a clock
        # change skips midnight, at the change itself.
        near = range(
            max(int(np.searchsorted(starts, (day - 2) * DAY_MS, side="right")) - 1, 0),
            max(int(np.searchsorted(starts, (day + 2) * DAY_MS, side="right")), 1),  # before 1970 as in its first hours
        )
        candidates = [day * DAY_MS - int(offsets[i]) for i in near] + [int(starts[i]) for i in near]
        return min(c for c in candidates if self.day(c) >= day and self.day(c - 1) < day)

    def end(self, grain: Grain, ordinal: int) -> int:
        """The instant (ms) a period ends, which is the start of the next."""
        return self.start(grain, ordinal + 1)

    def last_closed(self, grain: Grain, watermark: int) -> int:
        """The latest period whose end the watermark (ms) has reached; every earlier one is closed too."""
        current = self.period_at(grain, watermark)
        # Clocks set back just after midnight go through the end of a day again, which has been reached before.
        return current if self.end(grain, current) <= watermark else current - 1


@cache
def _changes(zone: ZoneInfo) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The instants (ms) of a zone's clock changes, and the offset (ms) from each on; it takes a tenth of a second."""
    first = int(dt.datetime(_FIRST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp())
    last = int(dt.datetime(_LAST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp())
    starts, offsets = [first], [_offset(zone, first)]
    # Half a day is shorter than any pair of changes that a zone has made.
    for second in range(first, last, 43_200):
        if _offset(zone, second + 43_200) != offsets[-1]:
            low, high = second, second + 43_200
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if _offset(zone, middle) == offsets[-1] else (low, middle)
            starts.append(high)
            offsets.append(_offset(zone, high))
    return np.array(starts, np.int64) * 1000, np.array(offsets, np.int64) * 1000


def _offset(zone: ZoneInfo, second: int) -> int:
    offset = dt.datetime.fromtimestamp(second, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
