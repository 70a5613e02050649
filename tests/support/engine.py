"""Fakes of what the engine talks to: a log in memory with fencing, a consumer, an observer; and chunks for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.codecs.events import EventDecoder
from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.periods import Calendar
from stream_app.engine.changelog import ChangelogPart
from stream_app.engine.chunks import Chunk
from stream_app.engine.ledger import Commit, Fenced, Written
from stream_app.engine.source import SourcePartition
from stream_app.engine.source_config import SourceConfig
from stream_app.engine.sources import Sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from faust.types import TP

DAY = 86_400_000
START = 1_704_067_200_000  # 2024-01-01T00:00:00Z
CALENDAR = Calendar("UTC")


class Clock:
    """A wall clock (ms) that is set by hand."""

    def __init__(self, now: int = START + 1000 * DAY) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def config(clock: Clock | None = None, **changes: Any) -> SourceConfig:
    definitions, dimensions = (ENGAGEMENT, REPURCHASE), changes.get("dimensions", ("plan",))
    made = SourceConfig(
        definitions=definitions,
        calendar=CALENDAR,
        dimensions=dimensions,
        max_values=1000,
        fingerprint=fingerprint(definitions, CALENDAR, dimensions, "USD"),
        topics=("visits", "purchases"),
        lateness=0,
        idle_after=10_000,
        partials_interval=0.0,
        clock=clock or Clock(),
        decoder=lambda: EventDecoder(dimensions=dimensions, currency="USD", future_tolerance_ms=0),
    )
    return replace(made, **changes)


@dataclass
class Broker:
    """What was written by commits: a changelog a partition, the partials and the dead letters, in order.

    `fail` is raised by the next write; `cut` makes it write so many changelog rows first (no transaction then).
    """

    changelog: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)
    partials: list[tuple[bytes, bytes]] = field(default_factory=list)
    dead_letters: list[bytes] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    holders: dict[int, int] = field(default_factory=dict)
    fail: BaseException | None = None
    stopped: list[int] = field(default_factory=list)
    compacted: bool = True

    def ledger(self, number: int) -> MemoryLedger:
        return MemoryLedger(self, number)

    def marker(self, number: int) -> Marker:
        return decode_marker([value for key, value in self.changelog[number] if key == MARKER_KEY][-1])

    def rows(self, number: int) -> dict[bytes, bytes]:
        return {key: value for key, value in self.changelog.get(number, ()) if key != MARKER_KEY}

    async def read(self, number: int, step: int = 2) -> AsyncIterator[ChangelogPart]:
        """The changelog in small parts, after one with nothing but the newest marker; compacted or not."""
        whole = [(place, key, value) for place, (key, value) in enumerate(self.changelog.get(number, ()))]
        log = {key: (place, value) for place, key, value in whole}
        marker = self.marker(number) if MARKER_KEY in log else None
        start = 0 if marker is None else marker.since
        yield ChangelogPart(marker=marker, stop=start)
        records = sorted((place, key, value) for key, (place, value) in log.items()) if self.compacted else whole
        records = [record for record in records if record[0] >= start]
        for first in range(0, len(records), step):
            part = ChangelogPart()
            for _, key, value in records[first : first + step]:
                if key == MARKER_KEY:
                    part.marker = decode_marker(value)
                else:
                    part.users.append(key)
                    part.rows.append(value)
                part.stop = records[min(first + step, len(records)) - 1][0] + 1
            yield part


class MemoryLedger:
    """Writes commits to a `Broker`, wholly or not at all, until another one takes its partition over."""

    def __init__(self, broker: Broker, number: int) -> None:
        self.broker, self.number = broker, number
        self.token = 0

    async def start(self) -> None:
        self.token = self.broker.holders[self.number] = self.broker.holders.get(self.number, 0) + 1

    async def write(self, commit: Commit) -> None:
        broker = self.broker
        if broker.fail is not None:
            error, broker.fail = broker.fail, None
            raise error
        if broker.holders[self.number] != self.token:
            raise Fenced(f"partition-{self.number}")
        log = broker.changelog.setdefault(self.number, [])
        log.append((MARKER_KEY, commit.marker))  # as the transactional ledger: the marker opens the transaction
        log += zip(*commit.rows, strict=True)
        broker.partials += commit.partials
        broker.dead_letters += [value for _, value in commit.dead_letters]
        broker.commits.append(commit)

    async def stop(self) -> None:
        self.broker.stopped.append(self.number)


class Seen:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.chunks: list[Any] = []
        self.commits: list[str] = []
        self.recoveries: list[tuple[int, int]] = []
        self.losses: list[tuple[str, int]] = []

    def chunk(self, topic: str, counts: Any, seconds: float) -> None:
        self.chunks.append((topic, counts))

    def commit(self, outcome: str, seconds: float, written: Written | None = None) -> None:
        self.commits.append(outcome)

    def recovered(self, partition: int, users: int, seconds: float) -> None:
        self.recoveries.append((partition, users))

    def lost(self, topic: str, records: int) -> None:
        self.losses.append((topic, records))


class FakeConsumer:
    """The part of Faust's consumer that sources use."""

    def __init__(self) -> None:
        self.seeks: list[dict[TP, int]] = []
        self.paused: set[TP] = set()
        self.ends: dict[TP, int] = {}

    def pause_partitions(self, tps: set[TP]) -> None:
        self.paused |= set(tps)

    def resume_partitions(self, tps: set[TP]) -> None:
        self.paused -= set(tps)

    async def seek_wait(self, starts: dict[TP, int]) -> None:
        self.seeks.append(dict(starts))

    def highwater(self, tp: TP) -> int:
        return self.ends[tp]


def visit(user: str, time: int, event_id: str = "e", **segment: Any) -> bytes:
    event = {"type": "visit", "event_id": event_id, "user_id": user, "occurred_at": time, "segment": segment}
    return orjson.dumps(event)


def chunk(values: Sequence[bytes | None], start: int = 0, *, topic: str = "visits", partition: int = 0) -> Chunk:
    """A chunk of records with consecutive offsets; each is keyed by its user_id, broken ones have no key."""
    keys = [_user(value) for value in values]
    offsets = list(range(start, start + len(values)))
    return Chunk(start, start + len(values), keys, list(values), offsets, topic, partition)


def _user(value: bytes | None) -> bytes | None:
    try:
        return orjson.loads(value or b"")["user_id"].encode()
    except (ValueError, KeyError, AttributeError, TypeError):
        return None


BEGINNINGS = {"visits": 0, "purchases": 0}
ENDS = {"visits": 1 << 40, "purchases": 1 << 40}


async def recovered(
    broker: Broker, settings: SourceConfig | None = None, *, number: int = 0, seen: Seen | None = None,
    end: Callable[[str, int], int | None] = lambda _topic, _number: None,
) -> SourcePartition:  # fmt: skip
    """A source partition, taken over from whoever had it."""
    ledger = broker.ledger(number)
    source = SourcePartition(number, settings or config(), ledger, seen or Seen(), end)
    await ledger.start()
    await source.recover(broker.read(number), BEGINNINGS, ENDS)
    return source


def sources_of(
    broker: Broker, settings: SourceConfig | None = None, *, partitions: int = 2, shared: bool = True,
    failures: list[BaseException] | None = None, interval: float = 3600.0, consumer: FakeConsumer | None = None,
    seen: Seen | None = None, ends: Callable[[], dict[str, int]] = lambda: dict(ENDS),
) -> Sources:  # fmt: skip
    """Sources over a broker in memory that commit only when they are told to."""

    async def offsets(_number: int) -> tuple[dict[str, int], dict[str, int]]:
        return dict(BEGINNINGS), ends()

    sources = Sources(
        settings or config(),
        ledger=broker.ledger,
        changelog=broker.read,
        offsets=offsets,
        observer=seen or Seen(),
        commit_interval=interval,
        partitions=partitions,
        shared=shared,
        fail=(failures if failures is not None else []).append,
    )
    sources.attach(consumer or FakeConsumer())
    return sources
