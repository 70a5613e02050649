"""What a worker holds for each user, how fast it reads them back, and how soon it shows a figure.

    python -m tests.benchmarks.footprint [--users 2000000] [--short]

Users of skewed activity over two months, 15 % of whom buy, two definitions, two dimensions, four source partitions;
orders and active hours are kept as by default.
Their rows are written to a changelog on a Kafka of its own, as commits write them; then `stream-app run` is started on
it, pinned to one core. Said are: the bytes of the tables for each user, in this process; the memory of the worker
(resident, and more than that of a worker without users) for each user; the users it recovers a second, from taking a
partition over to its counters being folded; and the seconds from its start to the first answer that counts all users.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import shutil
import sys
import tempfile
import time
import urllib.request
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import servers
from aiokafka import AIOKafkaProducer
from support.workers import Worker

from stream_app.assembly import topics_of
from stream_app.codecs import orders as order_records
from stream_app.codecs.rows import MARKER_KEY, Marker, RowEncoder, Source, encode_marker
from stream_app.domain.counters import Segments
from stream_app.domain.events import EventBatch, Kind
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import DAY_MS, Calendar
from stream_app.domain.users import UserTable
from stream_app.engine.ledger import BATCH_BYTES, send_batches
from stream_app.engine.topics import TopicAdmin
from stream_app.settings import Settings
from tests.benchmarks.machine import Cores, peak_memory, pinned

if TYPE_CHECKING:
    from collections.abc import Iterator

PART_MISSING = 3
PARTITIONS = 4
DIMENSIONS = ("plan", "country")
COMBOS = [(plan, country) for plan in ("free", "pro", "team") for country in ("US", "DE", "FR", "GB", "IN", "BR")]
DAYS, BUYERS = 60, 0.15
CHUNK = 50_000
PATIENCE = 300.0


def partition_of(user: bytes) -> int:
    return zlib.crc32(user) % PARTITIONS


def batches(users: np.ndarray, rng: np.random.Generator) -> Iterator[EventBatch]:
    """Events of these users in order of time: most come once or twice, some almost every day."""
    last = int(time.time() * 1000) // DAY_MS - 1
    arrived = rng.integers(0, DAYS, users.size)
    often = rng.lognormal(-2.5, 1.2, users.size).clip(0, 0.9)
    buys = rng.random(users.size) < BUYERS
    number = 0
    for day in range(DAYS):
        here = np.flatnonzero((arrived == day) | ((arrived < day) & (rng.random(users.size) < often)))
        for start in range(0, here.size, CHUNK):
            some = here[start : start + CHUNK]
            kinds = np.where(buys[some] & (rng.random(some.size) < 0.5), Kind.PURCHASE, Kind.VISIT).astype(np.int8)
            ids = [f"{number + place:08x}-0000-4000-a000-00000000000a" for place in range(some.size)]
            number += some.size
            yield EventBatch(
                [b"user-%09d" % user for user in users[some].tolist()],
                (last - DAYS + 1 + day) * DAY_MS + rng.integers(0, DAY_MS, some.size), kinds, ids,
                (users[some] % len(COMBOS)).astype(np.int32), COMBOS,
                [None if kind == Kind.VISIT else one for kind, one in zip(kinds.tolist(), ids, strict=True)],
                np.full(some.size, 999, np.int64),
            )  # fmt: skip


async def store(bootstrap: str, settings: Settings, count: int) -> tuple[int, int, int, int]:
    """Writes the users' rows and orders; returns the bytes of all tables, of all rows, the events and the orders."""
    names = topics_of(settings)
    kafka: dict[str, object] = {"bootstrap_servers": bootstrap}
    await TopicAdmin(kafka, 1).prepare(names, PARTITIONS)
    every = np.arange(count)
    placed = np.array([partition_of(b"user-%09d" % user) for user in range(count)])
    table_bytes = row_bytes = events = bought = 0
    async with AIOKafkaProducer(max_batch_size=BATCH_BYTES, max_request_size=2 * BATCH_BYTES, **kafka) as producer:
        for number in range(PARTITIONS):
            segments = Segments(DIMENSIONS)
            table = UserTable(settings.definitions, Calendar(), segments, hour_days=settings.hour_days)
            orders = OrderTable()
            latest = 0
            for batch in batches(every[placed == number], np.random.default_rng(number)):
                numbers = table.users_of(batch)
                table.advance_users(batch, numbers)
                orders.join(numbers, batch)
                events += len(batch)
                latest = max(latest, int(batch.times.max()))
            table_bytes += table.nbytes + orders.nbytes
            bought += len(orders)
            users, places = table.take_dirty()
            encoder = RowEncoder(table)
            for start in range(0, len(users), CHUNK):
                rows = encoder.encode(places[start : start + CHUNK])
                row_bytes += sum(map(len, rows))
                await asyncio.gather(
                    *await send_batches(producer, names.changelog, number, users[start : start + CHUNK], rows)
                )
            more = order_records.encode(orders, *orders.take_dirty())
            for start in range(0, len(more.keys), CHUNK):
                part = slice(start, start + CHUNK)
                await asyncio.gather(
                    *await send_batches(producer, names.changelog, number, more.keys[part], more.values[part])
                )
            marker = Marker(
                fingerprint=settings.fingerprint, epoch=1, watermark=latest,
                sources={topic: Source(0, latest) for topic in names.sources},
                totals=dict.fromkeys(("read", "counted", "dead_lettered", "dropped", "late"), 0),
                partitions=PARTITIONS,
            )  # fmt: skip
            await producer.send_and_wait(names.changelog, key=MARKER_KEY, value=encode_marker(marker), partition=number)
            del table, orders, more, users, places
            gc.collect()
    return table_bytes, row_bytes, events, bought


def resident(worker: Worker) -> int:
    """Resident memory (bytes) of a worker."""
    assert worker.process is not None
    status = Path("/proc", str(worker.process.pid), "status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def first_figure(worker: Worker, users: int, cores: Cores) -> float:
    """Starts it; seconds until its API counts so many users."""
    started = time.perf_counter()
    with pinned(cores.worker):
        worker.start()

    def counts() -> bool:
        time.sleep(0.05)
        figures = worker.get("/api/v1/status").get("figures")
        return bool(figures) and figures["totals"].get("users") == users

    servers.eventually_sync(counts, PATIENCE, "the first figure of all users")
    return time.perf_counter() - started


def metric(worker: Worker, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=10) as answer:
        return sum(float(found) for found in re.findall(rf"^{name}\S* (\S+)$", answer.read().decode(), re.M))


def recovery(log: str) -> tuple[int, float]:
    """Users recovered, and the seconds from the first partition taken over to the last one recovered."""
    found = re.findall(r"^(\S+ \S+) .*Partition \d+ is recovered: (\d+) users in ([\d.]+) s", log, re.M)
    assert found, log[-4000:]
    return sum(int(users) for _, users, _ in found), max(float(seconds) for _, _, seconds in found)


def measure(bootstrap: str, cores: Cores, folder: Path, count: int) -> None:
    options = {"broker": bootstrap, "dimensions": ",".join(DIMENSIONS), "session_timeout": 10, "partitions": PARTITIONS}
    ids = [servers.unique("footprint") for _ in range(2)]
    # Topics of their own, or the two would be told of each other's.
    topics = [
        {name: f"{app_id}-{name.removesuffix('_topic')}" for name in ("visits_topic", "purchases_topic")}
        for app_id in ids
    ]
    empty = Worker(folder, app_id=ids[0], **topics[0], **options)
    try:
        nothing = first_figure(empty, 0, cores)
        before = resident(empty)
        assert empty.stop() == 0, empty.log[-4000:]
    finally:
        empty.kill()
    settings = Settings(broker=bootstrap, app_id=ids[1], dimensions=DIMENSIONS, **topics[1])
    table_bytes, row_bytes, events, bought = asyncio.run(store(bootstrap, settings, count))
    print(
        f"{count:,} users of {events:,} events, {bought:,} orders: {table_bytes / count:.0f} bytes a user in tables, "
        f"{row_bytes / count:.0f} a stored row",
        flush=True,
    )
    worker = Worker(folder, app_id=ids[1], **topics[1], **options)
    try:
        seconds = first_figure(worker, count, cores)
        after = resident(worker)
        assert worker.process is not None
        peak = peak_memory(str(worker.process.pid))
        users, took = recovery(worker.log)
        assert users == count
        folded = metric(worker, "stream_app_users")
        assert folded == count
        assert worker.stop() == 0, worker.log[-4000:]
    finally:
        worker.kill()
    print(
        f"worker: {after / 1e6:,.0f} MB resident (peak {peak / 1e6:,.0f}), {before / 1e6:,.0f} without users: "
        f"{(after - before) / count:.0f} bytes a user\n"
        f"recovery: {users / took:,.0f} users a second\n"
        f"first figure after {seconds:.1f} s; without users after {nothing:.1f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2_000_000)
    parser.add_argument("--short", action="store_true", help="small numbers: shows that it runs, no more")
    options = parser.parse_args()
    if options.short:
        options.users = 5_000
    cores = Cores.here()
    folder = Path(tempfile.mkdtemp(prefix="stream-app-benchmark-"))
    broker = servers.KafkaBroker(folder / "kafka")
    try:
        with pinned(cores.broker):
            broker.start()
            measure(broker.bootstrap, cores, folder, options.users)
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        print(f"The benchmark cannot run here: {reason}", file=sys.stderr)
        return PART_MISSING
    finally:
        broker.wipe()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
