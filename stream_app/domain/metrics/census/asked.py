"""A question at one watermark, and what every figure needs to know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import OTHER
from stream_app.domain.periods import HORIZON, Grain
from stream_app.domain.rows import RING_DAYS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.tally import Tally
    from stream_app.domain.periods import Calendar

    Ints = NDArray[np.int64]

#: Later than every period there is.
_FOREVER = 1 << 40


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, and how far the service or the file had come when it was asked.

    Attributes:
        query: what is asked for.
        calendar: the business time zone and week start.
        watermark: what is closed (ms), None before any event.
        last_event: the largest event time (ms), None before any event.
        late_share: late events among those counted, 0 to 1; None before any event.
        currency: the reporting currency.
        minor_units: its decimals.
    """

    query: Query
    calendar: Calendar
    watermark: int | None
    last_event: int | None
    late_share: float | None = None
    currency: str = "USD"
    minor_units: int = 2

    @property
    def as_of(self) -> int | None:
        """The watermark (ms) of the answer: not past `until`."""
        until = self.query.until
        return self.watermark if until is None or self.watermark is None else min(self.watermark, until)

    @property
    def end(self) -> int:
        """Events from this instant (ms) on are not to be counted."""
        return np.iinfo(np.int64).max if self.query.until is None else self.query.until

    def last_closed(self, grain: Grain) -> int | None:
        """The latest closed period, None before any event."""
        return None if self.as_of is None else self.calendar.last_closed(grain, self.as_of)

    def last_period(self, grain: Grain) -> int | None:
        """The latest period of which anything is known: of the last event, or of the instant before the watermark."""
        known = [min(t, self.end - 1) for t in (self.last_event, None if self.as_of is None else self.as_of - 1)
                 if t is not None]  # fmt: skip
        return self.calendar.period_at(grain, max(known)) if known else None

    def first_shown(self, grain: Grain) -> int | None:
        """The first period that begins at or after `from`; None where all are shown."""
        begin = self.query.begin
        if begin is None:
            return None
        period = self.calendar.period_at(grain, begin)
        return period if self.calendar.start(grain, period) >= begin else period + 1

    def cut(self, grain: Grain) -> int | None:
        """The first period of which nothing is to be counted, as it begins at `until` or later. None: all are.

        What a period that `until` lies within holds from there on cannot be told apart once rows have become periods:
        `analyze` leaves it out before, the service is asked for boundaries of periods only.
        """
        until = self.query.until
        return None if until is None else self.calendar.period_at(grain, until - 1) + 1

    def known(self, grain: Grain, periods: Ints, tally: Tally) -> NDArray[np.bool_]:
        """Whether everything that users did in these periods is kept, shape (n,)."""
        early, late = self.reach(grain, tally)
        return (periods < early) | (periods >= late)

    def reach(self, grain: Grain, tally: Tally, since: Ints | None = None) -> tuple[Ints, int]:
        """Of which periods everything is kept: each before the first number, and each from the second on.

        Bitmaps hold what lies within the horizon of a user's first activity, rings the latest days.

        Args:
            grain: of the periods.
            tally: of all who were asked.
            since: of n groups of users, a period before which no bitmap begins, int64 (n,); None: all users are one
                group, whose bitmaps begin with the earliest event or later.

        Returns:
            The first number (n,), or () without `since`; and the second.
        """
        if tally.whole or tally.first_day is None or tally.last_day is None:
            return np.full(() if since is None else since.shape, _FOREVER), _FOREVER
        if since is None:
            since = self.calendar.at(grain, np.array(self.calendar.start(Grain.DAY, tally.first_day)))
        if grain is Grain.HOUR:
            return since + (tally.hours or 0), _FOREVER
        ring = tally.last_day - RING_DAYS + 1
        late = self.calendar.period(grain, ring)
        return since + HORIZON[grain], late + (self.calendar.first_day(grain, late) < ring)


def segments(asked: Asked, tally: Tally) -> list[tuple[dict[str, str], Ints]]:
    """What to show: for each segment its name and the places of the values that make it up, in the tally's `values`.

    Without a dimension that is all users; with one, its `top` largest values by users, and the rest as `(other)`.
    """
    dimension = asked.query.dimension
    if dimension is None:
        return [({}, np.zeros(1, np.int64))]
    cells = tally.of("users", 1)
    users = dict(zip(cells.keys[:, 0].tolist(), cells.sums.tolist(), strict=True))
    ranked = sorted((p for p, count in users.items() if count), key=lambda p: (-users[p], tally.values[p]))
    shown = [place for place in ranked if tally.values[place] != OTHER][: asked.query.top]
    chosen = set(shown)
    rest = [place for place in ranked if place not in chosen]
    found: list[tuple[dict[str, str], Ints]] = [({dimension: tally.values[p]}, np.array([p])) for p in shown]
    if rest:
        found.append(({dimension: OTHER}, np.array(rest)))
    return found


def ratio(part: float, whole: float) -> float | None:
    """A share; None of nothing."""
    return part / whole if whole else None


#: A segment's entry in an answer.
Entry = dict[str, Any]
