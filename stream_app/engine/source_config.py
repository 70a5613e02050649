"""What a source partition is made from, and what it reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.codecs.events import EventDecoder
    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar
    from stream_app.engine.ledger import Written


@dataclass(frozen=True)
class SourceConfig:
    """What every source partition is made from.

    Attributes:
        definitions, calendar, dimensions, max_values: what is counted; see `domain`.
        fingerprint: of these; a changelog written under another one is migrated or refused.
        topics: the source topics.
        lateness, idle_after: allowed lateness and how long without records makes a source idle (ms).
        partials_interval: seconds between publications of counters.
        clock: wall clock (ms).
        decoder: makes an event decoder.
        monotonic: seconds that never go back, for intervals.
        letter_limit: the most bytes of a dead letter; None for any.
        partitions: how many source partitions there are; 0: not checked against the state's.
        orders: whether orders are kept.
        hour_days: of how many days since a user's first event the active hours are kept.
        atomic: a commit is written wholly or not at all.
        migrated: by partition, how often its state had been migrated when this worker started; a state migrated since
            belongs to newer workers. None: none does.
    """

    definitions: tuple[Definition, ...]
    calendar: Calendar
    dimensions: tuple[str, ...]
    max_values: int
    fingerprint: str
    topics: tuple[str, ...]
    lateness: int
    idle_after: int
    partials_interval: float
    clock: Callable[[], int]
    decoder: Callable[[], EventDecoder]
    monotonic: Callable[[], float] = time.monotonic
    letter_limit: int | None = None
    partitions: int = 0
    orders: bool = False
    hour_days: int = 0
    atomic: bool = True
    migrated: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """What became of the records of a chunk: read = counted + dead-lettered + dropped."""

    read: int
    counted: int
    dead_lettered: int
    dropped: int
    late: int
    reasons: list[str]


class Observer(Protocol):
    """What the engine reports, for metrics."""

    def chunk(self, topic: str, counts: ChunkCounts, seconds: float) -> None:
        """A chunk was counted."""

    def commit(self, outcome: str, seconds: float, written: Written | None = None) -> None:
        """A commit ended: `committed`, with what was written, `fenced` or `failed`."""

    def recovered(self, partition: int, users: int, seconds: float) -> None:
        """A source partition's state was restored."""

    def lost(self, topic: str, records: int) -> None:
        """Records of a source topic were deleted before they were read."""
