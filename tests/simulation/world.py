"""A service in a simulated world: real `Sources`, simulated broker, group, workers, clock and faults.

Between any two steps a worker may be killed (its tasks never go on), frozen past its session and continued (a zombie),
a chunk delayed, repeated, lost or delivered after a rebalance, the changelog compacted. All follows from the seed.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from faust.types import TP as FaustTP  # noqa: N811 - Kafka names it in capitals

from simulation.kafka import SimKafka
from stream_app.agents.merge import apply
from stream_app.codecs.events import EventDecoder
from stream_app.codecs.partials import decode_status
from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.merging import Merged
from stream_app.domain.periods import Calendar
from stream_app.engine.assignor import share_out
from stream_app.engine.changelog import ChangelogPart
from stream_app.engine.chunks import Chunk
from stream_app.engine.source import SourceConfig
from stream_app.engine.sources import Sources

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream_app.engine.ledger import Commit

PARTITIONS = 2
TOPICS = ("visits", "purchases")
CALENDAR = Calendar("UTC")
#: A short window: it decides how many days each user counts as active on, and has no part in the protocol.
DEFINITIONS = (replace(ENGAGEMENT, inactivity_days=2), replace(REPURCHASE, inactivity_days=2))
NOW_MS = 1_800_000_000_000
#: Virtual seconds: sessions end, commits come, a step takes.
SESSION, COMMIT_EVERY, STEP = 5.0, 0.5, 0.05


@dataclass(frozen=True)
class Protocol:
    """What may be broken on purpose.

    Attributes:
        fencing: the broker refuses writes of an earlier owner.
        one_transaction: rows and marker are written together.
        resume_at_marker: reading starts at the marker, not at what was acknowledged.
        chain: a chunk that does not follow the one before is refused.
    """

    fencing: bool = True
    one_transaction: bool = True
    resume_at_marker: bool = True
    chain: bool = True


class _Observer:
    def chunk(self, topic: str, counts: Any, seconds: float) -> None: ...
    def commit(self, outcome: str, seconds: float) -> None: ...
    def recovered(self, partition: int, users: int, seconds: float) -> None: ...


class SimLedger:
    """`TransactionalLedger` over the simulated broker, a scheduler's point between any two requests."""

    def __init__(self, worker: SimWorker, number: int) -> None:
        self.worker, self.number, self.name = worker, number, f"app-{number}"
        self.epoch = -1

    async def start(self) -> None:
        await self.worker.point()
        self.epoch = self.worker.world.kafka.init_producer(self.name)
        await self.worker.point()

    async def write(self, commit: Commit) -> None:
        kafka, point = self.worker.world.kafka, self.worker.point
        changelog = ("changelog", self.number)
        rows = list(zip(*commit.rows, strict=True))
        await point()
        if not self.worker.world.protocol.one_transaction:
            apart = kafka.begin(self.name, self.epoch)
            kafka.send(self.name, self.epoch, apart, changelog, [(MARKER_KEY, commit.marker)])
            kafka.commit(self.name, self.epoch, apart)
            await point()
        transaction = kafka.begin(self.name, self.epoch)
        parts = [
            (changelog, [(MARKER_KEY, commit.marker)]),
            (changelog, rows[: len(rows) // 2]),
            (changelog, rows[len(rows) // 2 :]),
            (("partials", 0), commit.partials),
            (("dead-letters", 0), commit.dead_letters),
        ]
        for tp, records in parts:
            if records:
                await point()
                kafka.send(self.name, self.epoch, transaction, tp, records)
        await point()
        kafka.commit(self.name, self.epoch, transaction)
        await point()

    async def stop(self) -> None:
        await self.worker.point()


class SimConsumer:
    """What `Sources` asks of Faust's consumer."""

    def __init__(self, worker: SimWorker) -> None:
        self.worker = worker
        self.positions: dict[FaustTP, int] = {}
        self.paused: set[FaustTP] = set()

    def pause_partitions(self, tps: set[FaustTP]) -> None:
        self.paused |= tps

    def resume_partitions(self, tps: set[FaustTP]) -> None:
        self.paused -= tps

    async def seek_wait(self, starts: dict[FaustTP, int]) -> None:
        await self.worker.point()
        self.positions.update(starts)

    def highwater(self, tp: FaustTP) -> int:
        return self.worker.world.kafka.ends[tuple(tp)]


class SimWorker:
    """A worker: real sources, a fetch loop, and a scheduler that decides at each point what happens to it."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.dead = self.frozen = self.evicted = False
        self.thawed = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.consumer = SimConsumer(self)
        config = world.config()
        self.sources = Sources(
            config,
            ledger=lambda number: SimLedger(self, number),
            changelog=self._changelog,
            offsets=self._offsets,
            observer=_Observer(),
            commit_interval=COMMIT_EVERY,
            partitions=PARTITIONS,
            shared=True,
            fail=self._fail,
        )
        self.sources.attach(self.consumer)
        self.assigned: set[FaustTP] = set()
        self.flow = False

    # -- what the scheduler does

    async def point(self) -> None:
        """Between two steps: time passes, or the worker dies or freezes here."""
        world = self.world
        await asyncio.sleep(world.chance.random() * STEP)
        if world.faults and world.chance.random() < world.faulty:
            if world.chance.random() < 0.6:
                self.kill()
            else:
                self.freeze()
        if self.frozen:
            await self.thawed.wait()
        if self.dead:
            await asyncio.Future()  # a killed process does nothing more, not even clean up

    def kill(self) -> None:
        if not self.dead:
            self.dead = True
            self.world.deaths += 1
            self.world.wake.set()

    def freeze(self) -> None:
        if not self.frozen and not self.dead:
            self.frozen = True
            self.thawed.clear()
            self.world.freezes += 1
            self.world.spawn(self._thaw(self.world.chance.uniform(0, 3 * SESSION)))

    async def _thaw(self, after: float) -> None:
        await asyncio.sleep(after)
        self.frozen = False
        self.thawed.set()

    def _fail(self, error: BaseException) -> None:
        self.world.errors.append(error)
        self.kill()

    # -- what the broker's side of a worker does

    async def _offsets(self, number: int) -> tuple[dict[str, int], dict[str, int]]:
        await self.point()
        return dict.fromkeys(TOPICS, 0), {t: self.world.kafka.ends[t, number] for t in TOPICS}

    async def _changelog(self, number: int) -> AsyncIterator[ChangelogPart]:
        kafka = self.world.kafka
        records = kafka.committed(("changelog", number))
        size = self.world.chance.randint(3, 20)
        for start in range(0, len(records), size):
            await self.point()
            part = ChangelogPart()
            for record in records[start : start + size]:
                if record.key == MARKER_KEY:
                    part.marker = self._believed(decode_marker(record.value), number)
                else:
                    part.users.append(record.key)
                    part.rows.append(record.value)
            yield part

    def _believed(self, marker: Marker, number: int) -> Marker:
        """The marker, unless the protocol trusts what was acknowledged instead."""
        if self.world.protocol.resume_at_marker:
            return marker
        acknowledged = self.world.acknowledged
        sources = {
            topic: replace(source, offset=acknowledged.get(FaustTP(topic, number), source.offset))
            for topic, source in marker.sources.items()
        }
        return replace(marker, sources=sources)

    async def revoke(self) -> None:
        self.flow = False
        await self.sources.on_revoked()

    async def assign(self, numbers: set[int], generation: int) -> None:
        self.assigned = {FaustTP(topic, n) for topic in TOPICS for n in numbers}
        self.consumer.paused &= self.assigned
        self.sources.on_assigned(numbers, generation)
        await self.point()
        await self.sources.positions(self.assigned)
        self.flow = True

    async def fetch(self) -> None:
        """Brings chunks, sometimes late, twice, or not at all, as Faust does around rebalances."""
        world, chance = self.world, self.world.chance
        while True:
            await self.point()
            ready = [tp for tp in sorted(self.assigned) if self.flow and tp not in self.consumer.paused]
            if not ready:
                await asyncio.sleep(STEP)
                continue
            tp = chance.choice(ready)
            start = self.consumer.positions.get(tp, 0)
            records = world.kafka.committed(tuple(tp), start)[: chance.randint(1, 12)]
            if not records:
                await asyncio.sleep(STEP)
                continue
            stop = records[-1].offset + 1
            self.consumer.positions[tp] = stop
            chunk = Chunk(
                start, stop, [r.key for r in records], [r.value for r in records], [r.offset for r in records], *tp
            )
            world.acknowledged[tp] = stop
            if world.faults and chance.random() < 0.03:
                continue  # lost on the way
            await self._deliver(chunk)
            if world.faults and chance.random() < 0.05:
                world.spawn(self._deliver_later(chunk))

    async def _deliver(self, chunk: Chunk) -> None:
        if not self.world.protocol.chain and (source := self.sources.owned.get(chunk.partition)):
            reading = source.readings.get(chunk.topic)
            if reading is not None:
                reading.offset = chunk.start
        await self.sources.take(chunk)

    async def _deliver_later(self, chunk: Chunk) -> None:
        await asyncio.sleep(self.world.chance.uniform(0, 2 * SESSION))
        await self.point()
        await self._deliver(chunk)


@dataclass
class World:
    """One schedule.

    Args:
        seed: decides everything.
        records: (topic, partition, key, value), in the order in which they arrive.
        protocol: what may be broken.
        faulty: chance of a fault at each point.
    """

    seed: int
    records: list[tuple[str, int, bytes | None, bytes | None]]
    protocol: Protocol = field(default_factory=Protocol)
    workers: int = 2
    faulty: float = 0.01
    faults: bool = True

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.kafka = SimKafka(fencing=self.protocol.fencing)
        self.members: list[SimWorker] = []
        self.generation = 0
        self.owned: dict[str, list[int]] = {}
        self.acknowledged: dict[FaustTP, int] = {}
        self.errors: list[BaseException] = []
        self.deaths = self.freezes = self.names = 0

    def config(self) -> SourceConfig:
        loop = asyncio.get_running_loop()
        return SourceConfig(
            definitions=DEFINITIONS, calendar=CALENDAR, dimensions=("plan",), max_values=100, fingerprint="simulated",
            topics=TOPICS, lateness=0, idle_after=1000, partials_interval=0.8,
            clock=lambda: NOW_MS + int(loop.time() * 1000),
            decoder=lambda: EventDecoder(dimensions=("plan",), currency="USD", future_tolerance_ms=10**12),
            monotonic=loop.time,
        )  # fmt: skip

    def spawn(self, work: Any) -> None:
        self.tasks.add(asyncio.ensure_future(work))

    async def run(self) -> None:
        """Plays the schedule: faults while records arrive, then none until everything is through."""
        self.tasks: set[asyncio.Future[Any]] = set()
        self.wake = asyncio.Event()
        try:
            self.spawn(self._produce())
            self.spawn(self._group())
            self.spawn(self._compaction())
            await asyncio.sleep(self.chance.uniform(4, 15))
            self.faults = False
            async with asyncio.timeout(600):
                while not self._through():
                    await asyncio.sleep(1)
        finally:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _produce(self) -> None:
        for topic, partition, key, value in self.records:
            self.kafka.append((topic, partition), key, value)
            if self.chance.random() < 0.3:
                await asyncio.sleep(self.chance.random())

    async def _compaction(self) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(1, 10))
            for tp in list(self.kafka.logs):
                if tp[0] in ("changelog", "partials"):
                    self.kafka.compact(tp)

    # -- the group

    async def _group(self) -> None:
        """Membership: the dead are replaced, the frozen evicted and taken back, each change gives a new generation."""
        for _ in range(self.workers):
            self._join()
        await self._rebalance()
        while True:
            try:
                async with asyncio.timeout(self.chance.uniform(0.5, SESSION)):
                    await self.wake.wait()
            except TimeoutError:
                pass
            self.wake.clear()
            changed = self._supervise()
            if changed or (self.faults and self.chance.random() < 0.05):
                await self._rebalance()

    def _join(self) -> None:
        self.names += 1
        worker = SimWorker(self, f"w{self.names}")
        self.members.append(worker)
        self.spawn(worker.fetch())

    def _supervise(self) -> bool:
        gone = [w for w in self.members if w.dead]
        for worker in gone:
            self.members.remove(worker)
            self._join()
        back = [w for w in self.members if w.evicted and not w.frozen]
        for worker in back:
            worker.evicted = False
        asleep = [w for w in self.members if w.frozen and not w.evicted]
        for worker in asleep:
            worker.evicted = True
        stalled = not self.faults and self._stalled()
        if stalled:  # the watch over a worker ends one that reads no more
            for worker in [w for w in self.members if not w.frozen]:
                worker.kill()
        return bool(gone or back or asleep or stalled)

    def _stalled(self) -> bool:
        """Nothing was read for long, and there is something to read."""
        read = sum(sum(s.totals.values()) for w in self.members for s in w.sources.owned.values())
        self.still = getattr(self, "still", 0) + 1 if read == getattr(self, "last_read", None) else 0
        self.last_read = read
        return self.still > 12 and not self._through()

    async def _rebalance(self) -> None:
        joined = [w for w in self.members if not w.evicted and not w.frozen and not w.dead]
        if not joined:
            return
        await asyncio.gather(*(self._bounded(w.revoke(), w) for w in joined))
        joined = [w for w in joined if not w.dead and not w.frozen]
        if not joined:
            self.wake.set()
            return
        self.generation += 1
        owned = {w.name: sorted(w.sources.owned) for w in joined}
        shares = share_out(PARTITIONS, owned)
        for worker in joined:
            self.spawn(worker.assign(set(shares[worker.name]), self.generation))

    async def _bounded(self, work: Any, worker: SimWorker) -> None:
        """Waits for a member as long as the group does; one that dies or freezes meanwhile is left out."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        waited = 0.0
        while not task.done() and waited < SESSION and not worker.dead:
            await asyncio.sleep(STEP)
            waited += STEP
        if not task.done() and not worker.dead:
            worker.evicted = True

    # -- the end

    def _through(self) -> bool:
        """Whether every source record is covered by a committed marker, and the counters that go with it are out."""
        read: dict[bytes, int] = {}
        for record in self.kafka.committed(("partials", 0)):
            if record.key.startswith(b'["status"'):
                read[record.key] = decode_status(record.value).totals["read"]
        return sum(read.values()) == len(self.records) and self._settled()

    def _settled(self) -> bool:
        return all(self.kafka.stable(tp) == self.kafka.ends[tp] for tp in list(self.kafka.logs))

    def merged(self) -> Merged:
        """What a merge agent that reads the partials now would know."""
        merged = Merged(CALENDAR, DEFINITIONS, ("plan",), partitions=PARTITIONS, lateness=0)
        for record in self.kafka.committed(("partials", 0)):
            apply(merged, record.key, record.value)
        return merged


def partition_of(user: str) -> int:
    """Any fixed rule will do: all records of one user in one partition."""
    return zlib.crc32(user.encode()) % PARTITIONS
