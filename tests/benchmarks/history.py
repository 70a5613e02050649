"""What an event costs after 30, 180 and 360 days of the same traffic: as many active users and events each day.

    python -m tests.benchmarks.history [--days 30,180,360] [--active N] [--events N] [--short]

Users leave and others come (3 % of the active ones a day), so those ever seen grow with the days while those active do
not. One source partition's engine without a broker, in CPU time of this process: users and counters, the rows and
counters of a commit, the merge agent's sum, and a publication to a Redis of its own, all per event; then a matrix of a
dimension through the store, and a recovery. The means are those of the five days before the day named.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from stream_app.agents.merge import apply
from stream_app.codecs import orders as order_records
from stream_app.codecs.partials import PageEncoder
from stream_app.codecs.rows import RowEncoder
from stream_app.domain.counters import Counters, Segments
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, EventBatch, Kind
from stream_app.domain.merging import Merged
from stream_app.domain.metrics.counted import asked_at
from stream_app.domain.metrics.query import Query
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import DAY_MS, Calendar, Grain
from stream_app.domain.users import UserTable
from stream_app.domain.watermarks import Progress
from stream_app.settings.model import DEFAULTS
from stream_app.stores.embedded import EmbeddedRedis
from stream_app.stores.redis import RedisStore
from stream_app.web.matrices import Matrices

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFINITIONS = (ENGAGEMENT, REPURCHASE)
DIMENSIONS = ("plan", "country")
COMBOS = [(plan, country) for plan in ("free", "pro", "team") for country in ("US", "DE", "FR", "GB", "IN", "BR")]
FIRST_DAY = 19_000
LEAVE = 0.03
CHUNK, CHUNKS_A_COMMIT = 5_000, 2
MEAN_OF = 5
QUERY = Query("retention", ENGAGEMENT, Grain.DAY, kind="classic", dimension="plan")


class Traffic:
    """Days of events: the active users are as many every day, and some of them are new."""

    def __init__(self, active: int, events: int) -> None:
        self._rng = np.random.default_rng(1)
        self._events = events
        self._active = np.arange(active)
        self.users = active
        self._event = 0

    def day(self, day: int) -> Iterator[EventBatch]:
        rng = self._rng
        leaving = np.flatnonzero(rng.random(len(self._active)) < LEAVE)
        self._active[leaving] = np.arange(self.users, self.users + leaving.size)
        self.users += leaving.size
        # The power makes some users come far more often than others.
        chosen = self._active[(rng.random(self._events) ** 2 * len(self._active)).astype(int)]
        times = day * DAY_MS + np.sort(rng.integers(0, DAY_MS, self._events))
        kinds = np.where(rng.random(self._events) < 0.05, Kind.PURCHASE, Kind.VISIT).astype(np.int8)
        for start in range(0, self._events, CHUNK):
            part = slice(start, start + CHUNK)
            users = chosen[part].tolist()
            ids = [f"{self._event + place:032x}" for place in range(len(users))]
            self._event += len(users)
            yield EventBatch(
                [b"user-%09d" % user for user in users], times[part], kinds[part], ids,
                (chosen[part] % len(COMBOS)).astype(np.int32), COMBOS,
                [None if kind == Kind.VISIT else event_id for kind, event_id in zip(kinds[part], ids, strict=True)],
                np.full(len(users), 999, np.int64),
            )  # fmt: skip


class Clock:
    """CPU seconds by stage, and how often."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.events = 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        self.spent[name] += time.process_time() - started


class Engine:
    """One source partition, the merge agent, and the store."""

    def __init__(self, store: RedisStore, reader: RedisStore) -> None:
        calendar = Calendar()
        self.segments = Segments(DIMENSIONS)
        self.table = UserTable(DEFINITIONS, calendar, self.segments, hour_days=DEFAULTS["hour_days"])
        self.orders = OrderTable()
        self.counters = Counters(self.segments)
        self.rows, self.pages = RowEncoder(self.table), PageEncoder(self.segments, 0)
        self.merged = Merged(calendar, DEFINITIONS, DIMENSIONS, partitions=1, lateness=0)
        self.store, self.reader, self.matrices = store, reader, Matrices()
        self.row_bytes = self.row_count = self.partials = 0

    def count(self, batch: EventBatch, clock: Clock) -> None:
        with clock.stage("users"):
            users = self.table.users_of(batch)
            self.counters.apply(self.table.advance_users(batch, users))
            self.orders.join(users, batch)
        clock.events += len(batch)

    async def commit(self, reached: int, clock: Clock) -> None:
        with clock.stage("rows"):
            _, places = self.table.take_dirty()
            values = self.rows.encode(places) + order_records.encode(self.orders, *self.orders.take_dirty()).values
        with clock.stage("counters"):  # they wait for this, then are counted all at once
            partials = self.pages.changed(self.counters, 1)
        self.row_bytes += sum(map(len, values))
        self.row_count += len(values)
        self.partials += len(partials)
        with clock.stage("merge"):
            for key, value in partials:
                apply(self.merged, key, value)
            self.merged.status(0, 1, [Progress(reached, idle=False)], {"users": len(self.table)})
            snapshot, dirty = self.merged.snapshot(1 << 50)
        with clock.stage("publish"):
            await self.store.publish(snapshot, dirty)

    async def query(self) -> tuple[float, float]:
        """CPU seconds of reading what changed, and of the answer."""
        started = time.process_time()
        snapshot = await self.reader.snapshot()
        read = time.process_time()
        assert snapshot is not None
        self.matrices.retention(snapshot, asked_at(snapshot, QUERY))
        return read - started, time.process_time() - read

    def fold(self) -> float:
        """CPU seconds of the counters from the users, as after a recovery."""
        started = time.process_time()
        counters = Counters(self.segments)
        counters.apply(self.table.fold(0, len(self.table)))
        counters.touch_all()
        return time.process_time() - started


STAGES = ("users", "rows", "counters", "merge", "publish")


async def run(days: Sequence[int], active: int, events: int) -> Table:
    table = Table(title=f"{active:,} active users and {events:,} events a day (CPU)")
    columns = ("users known", "state MB", *(f"{stage}, us" for stage in STAGES), "all, us", "rows an event",
               "bytes a row", "partials a commit", "read, ms", "query, ms", "fold, ms")  # fmt: skip
    redis = await EmbeddedRedis.start()
    store, reader = [await RedisStore.open(f"unix://{redis.socket}", app_id="history") for _ in range(2)]
    engine, traffic = Engine(store, reader), Traffic(active, events)
    found: list[list[str]] = []
    clock = Clock()
    for day in range(1, max(days) + 1):
        if day + MEAN_OF in days:
            clock = Clock()
            engine.row_bytes = engine.row_count = engine.partials = 0
            await engine.query()
        commits = 0
        for number, batch in enumerate(traffic.day(FIRST_DAY + day), 1):
            engine.count(batch, clock)
            if number % CHUNKS_A_COMMIT == 0 or number * CHUNK >= events:
                await engine.commit(int(batch.times[-1]), clock)
                commits += 1
        if day in days:
            read, answer = await engine.query()
            spent = [clock.spent[stage] / clock.events * 1e6 for stage in STAGES]
            found.append([
                f"{len(engine.table):,}", f"{(engine.table.nbytes + engine.orders.nbytes) / 1e6:.1f}",
                *(f"{us:.2f}" for us in spent),
                f"{sum(spent):.2f}", f"{engine.row_count / clock.events:.2f}",
                f"{engine.row_bytes / engine.row_count:.0f}", f"{engine.partials / (MEAN_OF + 1) / commits:.0f}",
                f"{read * 1e3:.1f}", f"{answer * 1e3:.1f}", f"{engine.fold() * 1e3:.0f}",
            ])  # fmt: skip
            print(f"day {day}: {', '.join(f'{c} {v}' for c, v in zip(columns, found[-1], strict=True))}", flush=True)
    table.add_column("", no_wrap=True)
    for day in days:
        table.add_column(f"day {day}", justify="right")
    for place, name in enumerate(columns):
        table.add_row(name, *(values[place] for values in found))
    await store.close()
    await reader.close()
    await redis.stop()
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", default="30,180,360")
    parser.add_argument("--active", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=40_000, help="a day")
    parser.add_argument("--short", action="store_true", help="small numbers: shows that it runs, no more")
    options = parser.parse_args()
    if options.short:
        options.days, options.active, options.events = "10,20", 500, 1_000
    gc.freeze()
    days = sorted(int(day) for day in options.days.split(","))
    Console(width=None if sys.stdout.isatty() else 130).print(asyncio.run(run(days, options.active, options.events)))


if __name__ == "__main__":
    main()
