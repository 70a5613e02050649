"""Watermarks: how far event time is known to have come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one source topic-partition has come.

    Attributes:
        last_event: the largest event time read (ms), None before any event.
        idle: fully read, and without a new record for a while.
    """

    last_event: int | None
    idle: bool


def watermark(sources: Iterable[Progress], *, lateness: int, now: int, previous: int | None = None) -> int | None:
    """The least watermark over the sources: the largest event time of each minus the allowed lateness (ms).

    A source that is idle does not hold the others back; where all are idle, the one that came furthest decides. A
    source that is not fully read and has shown no event yet holds everything. The watermark never goes back and never
    passes the wall clock `now` (ms). None before any event.
    """
    known = list(sources)
    times = [s.last_event for s in known if s.last_event is not None]
    busy = [s.last_event for s in known if not s.idle]
    held = [t for t in busy if t is not None]
    if not times or len(held) < len(busy):
        return previous
    reached = min(min(held) if held else max(times), now + lateness) - lateness
    return reached if previous is None else max(previous, reached)
