"""One source partition: its users, counters and positions, and the commits that make them durable."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from stream_app.codecs import dead_letters
from stream_app.codecs.partials import SourceStatus, Status, encode_block, encode_status
from stream_app.codecs.rows import Marker, RowDecoder, RowEncoder, Source, encode_marker
from stream_app.domain.counters import Counters, Segments
from stream_app.domain.errors import StateMismatchError
from stream_app.domain.fingerprint import differences
from stream_app.domain.periods import DAY_MS, HORIZON, Calendar, Grain
from stream_app.domain.users import UserTable
from stream_app.domain.watermarks import Progress, watermark
from stream_app.engine.ledger import Commit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stream_app.codecs.events import EventDecoder
    from stream_app.domain.events import Definition, EventBatch
    from stream_app.engine.changelog import ChangelogPart
    from stream_app.engine.chunks import Chunk
    from stream_app.engine.ledger import Ledger

log = logging.getLogger(__name__)

TOTALS = ("read", "counted", "dead_lettered", "dropped", "late")
#: Dead letters held before the next commit is waited for: what bounds their memory.
MAX_PENDING = 20_000


@dataclass(frozen=True)
class SourceConfig:
    """What every source partition is made from.

    Attributes:
        definitions, calendar, dimensions, max_values: what is counted; see `domain`.
        fingerprint: of these; a changelog written under another one is refused.
        topics: the source topics.
        lateness, idle_after: allowed lateness and how long without records makes a source idle (ms).
        partials_interval: seconds between publications of counters.
        clock: wall clock (ms).
        decoder: makes an event decoder.
        monotonic: seconds that never go back, for intervals.
        letter_limit: the most bytes of a dead letter; None for any.
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

    def commit(self, outcome: str, seconds: float) -> None:
        """A commit ended: `committed`, `fenced` or `failed`."""

    def recovered(self, partition: int, users: int, seconds: float) -> None:
        """A source partition's state was restored."""


@dataclass
class _Reading:
    """How far one topic of the partition was read."""

    offset: int
    last_event: int | None = None
    arrived: int = 0  # wall clock (ms) of the latest record
    durable: int | None = None


@dataclass
class SourcePartition:
    """The state of source partition `number`, of all source topics together.

    Attributes:
        table, counters: users and what they count to.
        totals: records read, counted, dead-lettered and dropped, events late: since the first start, exactly.
        ready: recovered; chunks are taken.
    """

    number: int
    config: SourceConfig
    ledger: Ledger
    observer: Observer
    end_offset: Callable[[str, int], int | None]
    readings: dict[str, _Reading] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOTALS, 0))
    ready: bool = False
    watermark: int | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        self.segments = Segments(self.config.dimensions, self.config.max_values)
        self.table = UserTable(self.config.definitions, self.config.calendar, self.segments)
        self.counters = Counters(self.segments)
        self._encoder = RowEncoder(self.table)
        self._decoder = self.config.decoder()
        self._letters: list[tuple[bytes | None, bytes]] = []
        self._changed = True
        self._published_at = float("-inf")
        self._status: Status | None = None
        self._lock = asyncio.Lock()
        self._horizon = HORIZON[Grain.DAY] * DAY_MS

    # -- recovery

    async def recover(
        self, parts: AsyncIterator[ChangelogPart], beginnings: dict[str, int], ends: dict[str, int]
    ) -> None:
        """Restores users and positions from the changelog, and folds the counters from the users.

        Args:
            parts: the changelog, in order; read after the previous owner was fenced.
            beginnings: first offset of each source topic's partition.
            ends: the next offset of each.

        Raises:
            StateMismatchError: the changelog was written under another configuration, or for other topics.
        """
        marker: Marker | None = None
        unreadable: Exception | None = None
        decoder = RowDecoder(self.table)
        async for part in parts:
            if part.marker is not None:
                marker = part.marker
                self._check(marker)
            try:
                decoder.restore(part.users, part.rows)
            except (ValueError, TypeError) as error:
                # Rows of another configuration may have another form; the marker that says so comes after them.
                unreadable = unreadable or error
            await asyncio.sleep(0)  # heartbeats and the web go on
        if unreadable is not None:
            raise StateMismatchError(
                f"partition {self.number}: the stored state cannot be read ({unreadable}). Run the program that wrote "
                "it, or count anew under another app_id."
            ) from unreadable
        self.epoch = 1 if marker is None else marker.epoch + 1
        self.watermark = None if marker is None else marker.watermark
        self.totals |= {} if marker is None else marker.totals
        now = self.config.clock()
        for topic in self.config.topics:
            source = None if marker is None else marker.sources.get(topic)
            offset = beginnings[topic] if source is None else source.offset
            self._check_offset(topic, offset, beginnings[topic], ends[topic])
            self.readings[topic] = _Reading(
                max(offset, beginnings[topic]), None if source is None else source.last_event, now
            )
        for start in range(0, len(self.table), 50_000):
            self.counters.apply(self.table.fold(start, start + 50_000))
            await asyncio.sleep(0)
        self.counters.touch_all()
        self.ready = True

    def _check(self, marker: Marker) -> None:
        if marker.fingerprint != self.config.fingerprint:
            raise StateMismatchError(
                f"partition {self.number}: the stored state was counted under another configuration: "
                f"{differences(marker.fingerprint, self.config.fingerprint)}. "
                "Restore the earlier settings, or count anew under another app_id."
            )

    def _check_offset(self, topic: str, offset: int, beginning: int, end: int) -> None:
        if offset > end:
            raise StateMismatchError(
                f"topic {topic}, partition {self.number}: the stored state has read up to offset {offset}, but "
                f"the topic ends at {end}; it was made anew. Count anew under another app_id."
            )
        if offset < beginning:
            log.error(
                "Topic %s, partition %d: %d records were deleted by retention before they were read (offsets %d to "
                "%d); their events are not counted. Operator action: lengthen the topic's retention.",
                topic, self.number, beginning - offset, offset, beginning - 1,
            )  # fmt: skip

    # -- the hot path

    async def take(self, chunk: Chunk) -> bool:
        """Counts a chunk. Returns False where it does not follow what was read: reading must then go back."""
        reading = self.readings[chunk.topic]
        if chunk.start > reading.offset:
            return False
        if chunk.stop <= reading.offset:
            return True  # read before
        if chunk.start < reading.offset:
            chunk = chunk.after(reading.offset)
        started = time.perf_counter()
        counted = self._count(chunk, reading)
        self.observer.chunk(chunk.topic, counted, time.perf_counter() - started)
        if len(self._letters) > MAX_PENDING:
            await self.commit()
        return True

    def _count(self, chunk: Chunk, reading: _Reading) -> ChunkCounts:
        now = self.config.clock()
        batch, letters = self._decoder.decode(chunk.keys, chunk.values, now)
        for letter in letters:
            place = letter.position
            key, value = chunk.keys[place], chunk.values[place]
            encoded = dead_letters.encode(
                reason=letter.reason, message=letter.message, topic=chunk.topic, partition=chunk.partition,
                offset=chunk.offsets[place], key=key, value=value, decoded_at=now, limit=self.config.letter_limit,
            )  # fmt: skip
            self._letters.append((key, encoded))
        late = dropped = 0
        if self.watermark is not None and len(batch):
            batch, dropped = self._drop_ancient(batch, self.watermark)
            open_since = self.config.calendar.start(Grain.DAY, self.config.calendar.day(self.watermark))
            late = int(np.count_nonzero(batch.times < open_since))
        self.counters.apply(self.table.advance(batch))
        if len(batch):
            newest = int(batch.times.max())
            reading.last_event = newest if reading.last_event is None else max(reading.last_event, newest)
        if len(chunk):
            reading.arrived = now
        reading.offset = chunk.stop
        self._changed = True
        self._advance_watermark(now)
        moved = (len(chunk), len(batch), len(letters), dropped, late)
        for name, count in zip(TOTALS, moved, strict=True):
            self.totals[name] += count
        return ChunkCounts(*moved, reasons=[letter.reason.value for letter in letters])

    def _drop_ancient(self, batch: EventBatch, watermark: int) -> tuple[EventBatch, int]:
        keep = batch.times >= watermark - self._horizon
        dropped = len(batch) - int(np.count_nonzero(keep))
        return (batch.where(keep), dropped) if dropped else (batch, 0)

    def _advance_watermark(self, now: int) -> None:
        progress = [Progress(s.last_event, s.idle) for s in self.status(now).values()]
        self.watermark = watermark(progress, lateness=self.config.lateness, now=now, previous=self.watermark)

    def status(self, now: int) -> dict[str, SourceStatus]:
        """How far each source topic has been read at this instant of the wall clock (ms)."""
        found = {}
        for topic, reading in self.readings.items():
            end = self.end_offset(topic, self.number)
            lag = max(end - reading.offset, 0) if end is not None else 0
            idle = end is not None and lag == 0 and now - reading.arrived >= self.config.idle_after
            found[topic] = SourceStatus(reading.last_event, idle, lag)
        return found

    # -- commits

    async def commit(self, *, publish: bool = False) -> None:
        """Writes what changed since the last commit; `publish` has the counters go out even if their time has not come.

        Raises:
            Fenced: another worker has this partition; the state must be dropped.
        """
        async with self._lock:
            if not self.ready:
                return
            now = self.config.monotonic()
            due = publish or now - self._published_at >= self.config.partials_interval
            self._advance_watermark(self.config.clock())
            status = self._make_status()
            news = due and (self._changed or status != self._status)
            if not self._changed and not news:
                return
            commit, offsets = self._prepare(status if news else None)
            started = time.perf_counter()
            try:
                await self.ledger.write(commit)
            except BaseException as error:
                # What was taken from the table is in no log now: this state must not go on.
                self.ready = False
                self.observer.commit("fenced" if type(error).__name__ == "Fenced" else "failed", 0.0)
                raise
            self.observer.commit("committed", time.perf_counter() - started)
            for topic, offset in offsets.items():
                self.readings[topic].durable = offset
            if news:
                self._published_at, self._status = now, status

    def _prepare(self, status: Status | None) -> tuple[Commit, dict[str, int]]:
        """Takes what changed. Nothing is awaited here: rows, marker and blocks are of one instant."""
        self._changed = False
        users, places = self.table.take_dirty()
        partials: list[tuple[bytes, bytes]] = []
        if status is not None:
            for key, block in self.counters.take_dirty():
                partials.append(encode_block(key, block, self.number, self.epoch))
            partials.append(encode_status(status, self.number))
        # Without a status the counters that changed go out later: the status then differs from the one published last.
        letters, self._letters = self._letters, []
        marker = Marker(
            fingerprint=self.config.fingerprint,
            epoch=self.epoch,
            watermark=self.watermark,
            sources={t: Source(r.offset, r.last_event) for t, r in self.readings.items()},
            totals=dict(self.totals),
        )
        commit = Commit((users, self._encoder.encode(places)), encode_marker(marker), partials, letters)
        return commit, {topic: reading.offset for topic, reading in self.readings.items()}

    def _make_status(self) -> Status:
        totals = self.totals | {"users": len(self.table)}
        return Status(self.epoch, self.config.fingerprint, self.status(self.config.clock()), totals)

    async def close(self) -> None:
        """Ends the ledger. What was not committed is read again by the next owner."""
        self.ready = False
        await self.ledger.stop()
