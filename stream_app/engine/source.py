"""One source partition: its users, counters and positions, and the commits that make them durable."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stream_app.codecs import dead_letters
from stream_app.codecs import orders as order_records
from stream_app.codecs.partials import PageEncoder, SourceStatus, Status, encode_status
from stream_app.codecs.rows import Marker, RowDecoder, RowEncoder, Source, encode_marker
from stream_app.domain.counters import Counters, Segments
from stream_app.domain.errors import StateMismatchError, UnansweredError
from stream_app.domain.fingerprint import of_figures, row_format
from stream_app.domain.metrics.figures import OF_ORDERS, counting
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import DAY_MS, HORIZON, Grain
from stream_app.domain.users import UserTable
from stream_app.domain.watermarks import Progress, watermark
from stream_app.engine.ledger import Commit
from stream_app.engine.source_config import ChunkCounts
from stream_app.engine.stored import ANEW, Accepted, accept, check_offset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from stream_app.domain.events import EventBatch
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally
    from stream_app.engine.changelog import ChangelogPart
    from stream_app.engine.chunks import Chunk
    from stream_app.engine.ledger import Ledger
    from stream_app.engine.source_config import Observer, SourceConfig

log = logging.getLogger(__name__)

TOTALS = ("read", "counted", "dead_lettered", "dropped", "late")
#: Dead letters held before the next commit is waited for: what bounds their memory.
MAX_PENDING = 20_000
#: Seconds that a census may take: nobody waits any longer, and chunks wait meanwhile.
CENSUS_SECONDS = 30.0
#: Seconds after which an owner writes its status though nothing has changed: one that a worker of yesterday has fenced
#: in passing hears of it, though no event comes. Until then the merge has that worker's word, and days do not close.
STILL_HERE_SECONDS = 30.0
#: So many orders are sorted beside the event loop.
_MANY_ORDERS = 200_000


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
        table, orders, counters: users, their orders (None: not kept), and what users count to.
        totals: records read, counted, dead-lettered and dropped, events late: since the first start, exactly.
        ready: recovered; chunks are taken.
        given_up: the partition is not this worker's any more, whatever is still under way for it.
    """

    number: int
    config: SourceConfig
    ledger: Ledger
    observer: Observer
    end_offset: Callable[[str, int], int | None]
    readings: dict[str, _Reading] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOTALS, 0))
    ready: bool = False
    given_up: bool = False
    watermark: int | None = None
    epoch: int = 0

    def __post_init__(self) -> None:
        self.segments = Segments(self.config.dimensions, self.config.max_values)
        self.table = UserTable(
            self.config.definitions, self.config.calendar, self.segments, hour_days=self.config.hour_days
        )
        self.orders = OrderTable() if self.config.orders else None
        self.counters = Counters(self.segments)
        self._accepted = Accepted(self.config.fingerprint)
        self._since = 0
        self._pages = PageEncoder(self.segments, self.number)
        self._encoder = RowEncoder(self.table)
        self._decoder = self.config.decoder()
        self._letters: list[tuple[bytes | None, bytes]] = []
        self._changed = True
        self._published_at = float("-inf")
        self._status: Status | None = None
        self._lock = asyncio.Lock()
        self._counting = asyncio.Lock()  # held while users change or are counted for a question
        self._horizon = HORIZON[Grain.DAY] * DAY_MS

    # -- recovery

    async def recover(
        self, parts: AsyncIterator[ChangelogPart], beginnings: dict[str, int], ends: dict[str, int]
    ) -> None:
        """Restores users and positions from the changelog, and folds the counters from the users.

        State of another configuration whose rows hold what this one needs is migrated: all rows, the marker and the
        counters are written in one commit.

        Args:
            parts: the changelog, its newest marker in the first part; read after the previous owner was fenced.
            beginnings: first offset of each source topic's partition.
            ends: the next offset of each.

        Raises:
            StateMismatchError: the changelog was written under a configuration that cannot be migrated from, or for
                other topics.
        """
        marker: Marker | None = None
        decoder: RowDecoder | None = None
        async for part in parts:
            if decoder is None:
                marker = part.marker
                self._accepted = accept(self.number, marker, self.config)
                self._since = 0 if marker is None else marker.since
                decoder = RowDecoder(self.table, self._accepted.layout, changed=self._accepted.rewrite)
            try:
                users, orders = order_records.split(part.users, part.rows)
                decoder.restore(*users)
                if self.orders is not None:
                    order_records.restore(self.table, self.orders, orders, changed=self._accepted.rewrite)
            except (ValueError, TypeError) as error:
                raise StateMismatchError(
                    f"partition {self.number}: the stored state cannot be read ({error}). Run the program that wrote "
                    f"it, or {ANEW}."
                ) from error
            if self._accepted.rewrite:
                self._since = max(self._since, part.stop)
            await asyncio.sleep(0)  # heartbeats and the web go on
        written = row_format(self._accepted.fingerprint)
        self._pages = PageEncoder(self.segments, self.number, by_series=written == 1)
        self._encoder = RowEncoder(self.table, written)
        self.epoch = 1 if marker is None else marker.epoch + 1
        self.watermark = None if marker is None else marker.watermark
        self.totals |= {} if marker is None else marker.totals
        now = self.config.clock()
        for topic in self.config.topics:
            source = None if marker is None else marker.sources.get(topic)
            offset = beginnings[topic] if source is None else source.offset
            if lost := check_offset(self.number, topic, offset, beginnings[topic], ends[topic]):
                self.observer.lost(topic, lost)
            self.readings[topic] = _Reading(
                max(offset, beginnings[topic]), None if source is None else source.last_event, now
            )
        for start in range(0, len(self.table), 50_000):
            self.counters.apply(self.table.fold(start, start + 50_000))
            await asyncio.sleep(0)
        self.counters.touch_all()
        self.ready = not self.given_up
        if self._accepted.words is not None:
            await self.commit(publish=True)
            log.info("Partition %d: its state is of this configuration now: %s.", self.number, self._accepted.words)

    # -- the hot path

    async def take(self, chunk: Chunk) -> bool:
        """Counts a chunk. Returns False where it does not follow what was read: reading must then go back."""
        async with self._counting:
            reading = self.readings[chunk.topic]
            if chunk.start > reading.offset:
                return False
            if chunk.stop <= reading.offset or not self.ready:
                return True  # read before, or to be read by whoever has the partition then
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
        if len(batch):
            users = self.table.users_of(batch)
            self.counters.apply(self.table.advance_users(batch, users))
            if self.orders is not None:
                self.orders.join(users, batch)
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

    # -- questions

    async def census(self, asked: Asked) -> Tally:
        """Counts the users for a question. Chunks wait meanwhile; commits and everything else go on between slices.

        Raises:
            QueryError: it needs what is not kept.
            UnansweredError: the partition is not this worker's any more, or counting takes too long.
        """
        async with self._counting:
            until = self.config.monotonic() + CENSUS_SECONDS
            found: Tally | None = None
            orders = None
            if self.orders is not None and asked.query.figure in OF_ORDERS:
                few = len(self.orders) < _MANY_ORDERS
                orders = self.orders.arranged() if few else await asyncio.to_thread(self.orders.arranged)
            for tally in counting(asked, LivePopulation(self.table, orders)):
                await asyncio.sleep(0)
                found = tally if self.ready else None
                if found is None:
                    break
                if self.config.monotonic() > until:
                    raise UnansweredError(
                        f"counting partition {self.number} takes more than {CENSUS_SECONDS:.0f} s; ask for a longer "
                        "grain, or ask stream-app analyze"
                    )
            if found is None:
                raise UnansweredError(f"partition {self.number} went to another worker while it was counted; ask again")
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
            quiet = now - self._published_at >= STILL_HERE_SECONDS
            news = due and (self._changed or quiet or status != self._status)
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
            self.observer.commit("committed", time.perf_counter() - started, commit.written)
            for topic, offset in offsets.items():
                self.readings[topic].durable = offset
            if news:
                self._published_at, self._status = now, status

    def _prepare(self, status: Status | None) -> tuple[Commit, dict[str, int]]:
        """Takes what changed. Nothing is awaited here: rows, marker and blocks are of one instant."""
        self._changed = False
        keys, places = self.table.take_dirty()
        values = self._encoder.encode(places)
        if self.orders is not None:  # after their users, should a write without transactions be cut
            orders = order_records.encode(self.orders, *self.orders.take_dirty())
            keys, values = keys + orders.keys, values + orders.values
        partials: list[tuple[bytes, bytes]] = []
        if status is not None:
            partials += self._pages.changed(self.counters, self.epoch)
            partials.append(encode_status(status, self.number))
        # Without a status the counters that changed go out later: the status then differs from the one published last.
        letters, self._letters = self._letters, []
        marker = Marker(
            fingerprint=self._accepted.fingerprint,
            epoch=self.epoch,
            watermark=self.watermark,
            sources={t: Source(r.offset, r.last_event) for t, r in self.readings.items()},
            totals=dict(self.totals),
            partitions=self.config.partitions,
            former=self._accepted.former,
            since=self._since,
        )
        commit = Commit((keys, values), encode_marker(marker), partials, letters)
        return commit, {topic: reading.offset for topic, reading in self.readings.items()}

    def _make_status(self) -> Status:
        totals = self.totals | {"users": len(self.table)}
        return Status(self.epoch, of_figures(self.config.fingerprint), self.status(self.config.clock()), totals)

    async def close(self) -> None:
        """Ends the ledger. What was not committed is read again by the next owner."""
        self.ready = False
        await self.ledger.stop()
