"""Customers kept and lost, by inactivity window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.counters import ACTIVE, measure
from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.snapshot import summed
from stream_app.domain.periods import Grain
from stream_app.domain.rows import RING_DAYS

if TYPE_CHECKING:
    from stream_app.domain.metrics.snapshot import Snapshot

_SIZE = measure(Grain.DAY, "size")


def churn(
    snapshot: Snapshot, *, definition: str, dimension: str | None = None, days: int = 90, top: int = 20
) -> dict[str, Any]:
    """Customers, and how many of them were active and churned, at the end of each of the latest closed days.

    A customer is active at the end of a day if one of the W local days that end with it had activity, and churned
    otherwise (W is the definition's inactivity window). A day that has not closed is not there.

    Args:
        snapshot: the counters.
        definition: name of a retention definition.
        dimension: a segment dimension; None for all users as one segment `{}`.
        days: how many days, the latest last; at most 128 - W are known.
        top: how many of the dimension's values are shown; the rest are summed as `(other)`.

    Raises:
        QueryError: a name is unknown, or `days` is less than 1.
    """
    window = snapshot.definition(definition).inactivity_days
    if days < 1:
        raise QueryError(f"days: {days} is not a number of days; use 1 to {RING_DAYS - window}")
    last = snapshot.last_closed(Grain.DAY)
    segments = []
    for segment, series in snapshot.segments(definition, _SIZE, dimension, top):
        counted = summed(snapshot.block(definition, _SIZE, s) for s in series)
        sizes = {day: int(block[0]) for day, block in counted.items() if block[0]}
        active = summed(snapshot.block(definition, ACTIVE, s) for s in series)
        rows: list[dict[str, Any]] = []
        if last is not None and sizes:
            first = max(last - days + 1, min(sizes), _first_known(snapshot, window))
            customers = sum(size for day, size in sizes.items() if day < first)
            for day in range(first, last + 1):
                customers += sizes.get(day, 0)
                now = int(active[day][0]) if day in active else 0
                rows.append(
                    {
                        "date": snapshot.calendar.start_date(Grain.DAY, day),
                        "customers": customers,
                        "active": now,
                        "churned": customers - now,
                    }
                )
        segments.append({"segment": segment, "days": rows})
    return {
        "definition": definition,
        "inactivity_days": window,
        "timezone": snapshot.calendar.timezone,
        "as_of": snapshot.as_of,
        "segments": segments,
    }


def _first_known(snapshot: Snapshot, window: int) -> int:
    """The earliest day whose whole inactivity window every user's ring still holds."""
    newest = max(t for t in (snapshot.last_event, snapshot.watermark) if t is not None)
    return snapshot.calendar.day(newest) - RING_DAYS + window + 1
