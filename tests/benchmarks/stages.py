"""Where the time of an event goes, without a broker: each stage of the hot path by itself, in microseconds an event.

    python -m tests.benchmarks.stages --events 400000

CPU time of this process, so that a busy machine disturbs it little. The chunks are what a fetch of 1 MB brings from one
partition; a commit takes the rows of three chunks, partials those of six, as at full speed with the default settings.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import struct
import time
from collections import defaultdict
from contextlib import contextmanager
from itertools import zip_longest
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream_app.codecs import orders as order_records
from stream_app.codecs.events import EventDecoder
from stream_app.codecs.partials import PageEncoder
from stream_app.codecs.rows import RowEncoder
from stream_app.domain.counters import Counters, Segments
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import Calendar
from stream_app.domain.users import UserTable
from stream_app.engine.chunks import Chunk, join, unpack
from stream_app.engine.ledger import BATCH_BYTES, send_batches
from tests.benchmarks import workload

if TYPE_CHECKING:
    from collections.abc import Iterator

DIMENSIONS = ("plan", "country")
FETCH_BYTES = 1024 * 1024
OFFSET = struct.Struct(">q")
CHUNKS_A_COMMIT, COMMITS_A_PUBLICATION = 3, 2


class Partition:
    """What the engine keeps of one source partition, without its broker."""

    def __init__(self, calendar: Calendar, *, hour_days: int, orders: bool) -> None:
        self.segments = Segments(DIMENSIONS)
        self.table = UserTable((ENGAGEMENT, REPURCHASE), calendar, self.segments, hour_days=hour_days)
        self.orders = OrderTable() if orders else None
        self.counters = Counters(self.segments)
        self.encoder = RowEncoder(self.table)
        self.pages = PageEncoder(self.segments, 0)
        self.decoder = EventDecoder(dimensions=DIMENSIONS, currency="USD", future_tolerance_ms=300_000)
        self.chunks = self.commits = 0


class NoProducer:
    """Takes batches and drops them."""

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0, is_transactional=True)

    async def send_batch(self, builder: BatchBuilder, *_: Any, **__: Any) -> None:
        builder.close()
        builder._build()


class Clock:
    """CPU seconds by stage."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.spent[name] += time.process_time() - started


def fetches(work: workload.Workload, batch_bytes: int) -> list[tuple[str, int, bytes]]:
    """What fetches of about 1 MB bring: topic, partition, and record batches; in turns, as a consumer gets them."""
    found: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    builders: dict[tuple[str, int], BatchBuilder] = {}
    open_fetches: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    offsets: dict[tuple[str, int], int] = defaultdict(int)

    def close(tp: tuple[str, int]) -> None:
        builder = builders.pop(tp)
        batch = bytearray(builder._build())
        OFFSET.pack_into(batch, 0, offsets[tp])  # as the broker does
        offsets[tp] += builder.record_count()
        open_fetches[tp].append(bytes(batch))
        if sum(map(len, open_fetches[tp])) >= FETCH_BYTES:
            found[tp].append(b"".join(open_fetches.pop(tp)))

    for topic, partition, key, value in work.records():
        tp = topic, partition
        builder = builders.get(tp)
        if builder is None or builder.append(timestamp=None, key=key, value=value) is None:
            if builder is not None:
                close(tp)
            builders[tp] = BatchBuilder(batch_bytes, 0)
            builders[tp].append(timestamp=None, key=key, value=value)
    for tp in list(builders):
        close(tp)
    for tp, rest in open_fetches.items():
        found[tp].append(b"".join(rest))
    turns = zip_longest(*([(*tp, data) for data in fetched] for tp, fetched in found.items()))
    return [fetch for turn in turns for fetch in turn if fetch is not None]


def read(topic: str, partition: int, data: bytes) -> Chunk:
    """A fetch's bytes to a chunk, as aiokafka and the scheduler do it."""
    tp = SimpleNamespace(topic=topic, partition=partition)
    records = PartitionRecords(
        tp, MemoryRecords(data), [], OFFSET.unpack_from(data)[0], None, None, True, READ_COMMITTED
    )
    return join(topic, partition, list(unpack(records)))


def run(work: workload.Workload, batch_bytes: int, *, hour_days: int, orders: bool) -> tuple[int, Clock, int]:
    """Events taken, the clock, and rows (of users and of orders) written."""
    calendar = Calendar()
    calendar.day(0)  # the first call looks the time zone's changes up
    parts = [Partition(calendar, hour_days=hour_days, orders=orders) for _ in range(workload.PARTITIONS)]
    clock, loop, producer = Clock(), asyncio.new_event_loop(), NoProducer()
    events = rows = 0
    now = time.time_ns() // 1_000_000
    for topic, number, data in fetches(work, batch_bytes):
        part = parts[number]
        with clock.stage("unpack"):
            chunk = read(topic, number, data)
        with clock.stage("decode"):
            batch, dead = part.decoder.decode(chunk.keys, chunk.values, now)
        assert not dead, dead[0]
        with clock.stage("advance"):
            users_of = part.table.users_of(batch)
            transitions = part.table.advance_users(batch, users_of)
        if part.orders is not None:
            with clock.stage("orders"):
                part.orders.join(users_of, batch)
        with clock.stage("apply"):
            part.counters.apply(transitions)
        events += len(batch)
        part.chunks += 1
        if part.chunks % CHUNKS_A_COMMIT == 0:
            with clock.stage("take dirty rows"):
                users, places = part.table.take_dirty()
            with clock.stage("encode rows"):
                values = part.encoder.encode(places)
            if part.orders is not None:
                with clock.stage("encode orders"):
                    more = order_records.encode(part.orders, *part.orders.take_dirty())
                    users, values = users + more.keys, values + more.values
            with clock.stage("batch rows"):
                loop.run_until_complete(send_batches(producer, "changelog", number, users, values))
            rows += len(users)
            part.commits += 1
            if part.commits % COMMITS_A_PUBLICATION == 0:
                with clock.stage("partials"):
                    for key, cells in part.counters.take_pages():
                        part.pages.encode(key, cells, 1)
    loop.close()
    return events, clock, rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--users", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch-bytes", type=int, default=16_384, help="producers' batch size (Kafka's default)")
    parser.add_argument("--hour-days", type=int, default=8, help="of how many days active hours are kept")
    parser.add_argument("--no-orders", action="store_true", help="keep no orders")
    options = parser.parse_args()
    gc.freeze()
    work = workload.make(options.events, options.users, options.seed)
    events, clock, rows = run(work, options.batch_bytes, hour_days=options.hour_days, orders=not options.no_orders)
    print(f"{events} events, {rows / events:.2f} rows written an event")
    for name, seconds in clock.spent.items():
        print(f"  {name:16} {seconds / events * 1e6:6.2f} us")
    total = sum(clock.spent.values())
    print(f"  {'all':16} {total / events * 1e6:6.2f} us, {events / total:,.0f} events/s")


if __name__ == "__main__":
    main()
