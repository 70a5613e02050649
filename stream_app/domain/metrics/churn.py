"""Customers kept and lost at the end of each of the latest days, from counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.counters import ACTIVE, measure
from stream_app.domain.metrics.snapshot import summed
from stream_app.domain.periods import Grain
from stream_app.domain.rows import RING_DAYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics.snapshot import Snapshot

_SIZE = measure(Grain.DAY, "size")


def rows(
    snapshot: Snapshot, definition: str, window: int, days: int | None, series: Sequence[Series]
) -> list[dict[str, Any]]:
    """Customers, and how many of them were active and churned, at the end of each of the latest closed days.

    A customer is active at the end of a day if one of the W local days that end with it had activity, else churned.

    Args:
        snapshot: the counters.
        definition: the name of a retention definition.
        window: its inactivity window W.
        days: how many days, the latest last; None: all that are known, at most 128 - W.
        series: those that make up the segment.
    """
    counted = summed(snapshot.block(definition, _SIZE, s) for s in series)
    sizes = {day: int(block[0]) for day, block in counted.items() if block[0]}
    active = summed(snapshot.block(definition, ACTIVE, s) for s in series)
    last = snapshot.last_closed(Grain.DAY)
    if last is None or not sizes:
        return []
    first = max(min(sizes), first_known(snapshot, window))
    if days is not None:
        first = max(first, last - days + 1)
    found: list[dict[str, Any]] = []
    customers = sum(size for day, size in sizes.items() if day < first)
    for day in range(first, last + 1):
        customers += sizes.get(day, 0)
        now = int(active[day][0]) if day in active else 0
        date = snapshot.calendar.start_date(Grain.DAY, day)
        found.append({"date": date, "customers": customers, "active": now, "churned": customers - now})
    return found


def first_known(snapshot: Snapshot, window: int) -> int:
    """The earliest day whose whole inactivity window every user's ring still holds; there has been an event."""
    newest = max(t for t in (snapshot.last_event, snapshot.watermark) if t is not None)
    return snapshot.calendar.day(newest) - RING_DAYS + window + 1
