"""A worker in the simulated world: the real engine and agents, over a simulated consumer and app.

At each of its points time passes, or it is killed (nothing of it goes on) or frozen (all of it goes on later).
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from faust.types import TP

from simulation.app import NAMES, SimApp, SimStream
from simulation.commands import SimCommandLog, UnreachableError
from simulation.doubles import QUIET, Credulous, Store
from simulation.ledgers import SimLedger, SimTableLedger
from simulation.slack import SimNotifier
from simulation.streams import HOUR_DAYS, NOW_MS, PARTITIONS, TOPICS
from stream_app.agents import ingest, judge, merge, notify
from stream_app.agents.alert_rows import HISTORY_TABLE, TABLE
from stream_app.agents.look import Look
from stream_app.codecs.events import EventDecoder
from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker
from stream_app.domain.alerts import RuleSet
from stream_app.domain.errors import UnansweredError
from stream_app.domain.merging import Merged
from stream_app.domain.metrics.kept import Kept
from stream_app.engine.changelog import ChangelogPart
from stream_app.engine.chunks import Chunk
from stream_app.engine.source_config import SourceConfig
from stream_app.engine.sources import Sources
from stream_app.engine.tables import Tables
from stream_app.outlets import Outlets

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from simulation.world import World
    from stream_app.notifiers.delivery import Delivery

#: Virtual seconds: sessions end, commits and timers come, a step takes at most.
SESSION, COMMIT_EVERY, TIMER, STEP = 5.0, 2.5, 2.5, 0.1
#: Chunks that wait for an agent before its fetch does.
BUFFERED = 2


class SimWorker:
    """The composition root of the simulation, and a scheduler that decides at each point what happens to the worker."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name, self.topics = world, name, world.stream.topics
        self.dead = self.frozen = self.evicted = False
        self.gone = world.loop.create_future()  # dead or frozen
        self._thawed: asyncio.Future[None] = world.loop.create_future()
        self._idle: asyncio.Future[None] | None = None
        self._skew = world.chance.uniform(-100, 100)  # clocks disagree
        self.assigned: set[TP] = set()
        self.flow = False
        self.app = SimApp(self)
        self._compose()

    def _compose(self) -> None:
        world, app = self.world, self.app
        rulebook: Any = SimpleNamespace(current=RuleSet(world.stream.rules), rules=world.stream.rules)
        self.sources = app.sources = Sources(
            self._config(),
            ledger=lambda number: SimLedger(self, number),
            changelog=self._changelog,
            offsets=self._offsets,
            observer=QUIET,
            commit_interval=COMMIT_EVERY,
            partitions=PARTITIONS,
            shared=True,
            fail=self.fail,
        )
        self.tables = app.service_tables = Tables(
            {TABLE: NAMES.alert_states, HISTORY_TABLE: NAMES.alert_history, notify.TABLE: NAMES.outbox},
            ledger=lambda: SimTableLedger(self),
            read=self._read_table,
            fail=self.fail,
        )
        self.outlets = Outlets(app, Store(world), QUIET, QUIET, rulebook)  # type: ignore[arg-type]
        self.notify = SimNotify(self)
        self.judge = judge.Judge(
            self.tables,
            rulebook,
            Look(_nobody, Kept(hour_days=HOUR_DAYS, orders=True), currency="USD", minor_units=2, thread=_inline),
            owe=self.notify.owe,
            show=self.outlets.show_alerts,
            line=lambda change: judge.line(NAMES.alerts, "app", change),
            calendar=world.calendar,
            clock=self.clock,
            thread=_inline,
        )
        self.merger = merge.Merger(
            app, self._fresh, self.outlets.publish, self.clock,  # type: ignore[arg-type]
            reached=lambda: self.judge.watermark, ready=lambda: self.tables.tenure is not None,
        )  # fmt: skip
        ingest.register(app, self.fail)  # type: ignore[arg-type]
        merge.register(app, self.merger, self.fail, TIMER)  # type: ignore[arg-type]
        judge.register(app, self.judge, lambda: self.outlets.snapshot, self.fail, TIMER)  # type: ignore[arg-type]
        notify.register(app, self.notify, self.fail, TIMER)  # type: ignore[arg-type]
        app.rewind = self._rewind
        self.streams = {topic: SimStream(self) for topic in app.agents}
        for topic, agent in app.agents.items():
            world.spawn(agent(self.streams[topic]))
        for timer in app.timers:
            world.spawn(self._every(timer))
        world.spawn(self._fetch())
        self.commands = SimCommandLog(self)
        world.spawn(self._obey())

    def _rewind(self) -> None:
        self.merger.rewind()
        self.outlets.begin()

    def _config(self) -> SourceConfig:
        made = self.world.stream
        return SourceConfig(
            definitions=made.definitions, dimensions=made.dimensions, calendar=self.world.calendar, max_values=100,
            fingerprint="simulated", topics=self.topics, lateness=made.lateness, idle_after=made.idle_after,
            orders=True, hour_days=HOUR_DAYS, partials_interval=4.0, clock=self.clock, monotonic=self.world.loop.time,
            decoder=lambda: EventDecoder(dimensions=made.dimensions, currency="USD", future_tolerance_ms=10**12),
        )  # fmt: skip

    def _fresh(self) -> Merged:
        made, protocol = self.world.stream, self.world.protocol
        arguments = (self.world.calendar, made.definitions, made.dimensions)
        options: dict[str, Any] = {"partitions": PARTITIONS, "lateness": made.lateness}
        if protocol.epochs and protocol.whole_commits:
            return Merged(*arguments, **options)
        return Credulous(*arguments, **options, epochs=protocol.epochs, whole_commits=protocol.whole_commits)

    def clock(self) -> int:
        """The wall clock (ms)."""
        return NOW_MS + int((self.world.loop.now + self._skew) * 1000)

    def seconds(self) -> float:
        """The clock of the notifications."""
        return self.clock() / 1000

    # -- what the scheduler does

    async def point(self, risk: float = 1.0) -> None:
        """Between two steps: time passes, or the worker dies or freezes here.

        Args:
            risk: how many times likelier that is than elsewhere; for places that are seldom come by.
        """
        world = self.world
        drawn, faulty = world.chance.random(), world.faulty * risk
        if drawn < faulty and not self.dead and not self.frozen and world.may_fail(rare=risk > 1):
            if drawn < faulty * 0.4:
                self.kill()
            else:
                self.freeze(long=risk > 1)
        elif drawn < 0.4:
            await world.loop.pause(drawn * 2 * STEP)
        if self.frozen or self.dead:
            await self._stand_still()

    async def _stand_still(self) -> None:
        """A killed process does nothing more, not even clean up; a frozen one hears of what came when it goes on."""
        cancelled: BaseException | None = None
        while self.frozen or self.dead:
            try:
                await (self.world.loop.create_future() if self.dead else asyncio.shield(self._thawed))
            except asyncio.CancelledError as error:
                if self.world.over:
                    raise
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def sleep(self, seconds: float) -> None:
        await self.world.loop.pause(seconds)
        if self.frozen or self.dead:
            await self._stand_still()

    def kill(self, why: str = "kills") -> None:
        if not self.dead:
            self.dead = True
            self.world.say(self.name, why)
            self._leave()

    def freeze(self, *, long: bool) -> None:
        chance = self.world.chance
        self.frozen = True
        self._thawed = self.world.loop.create_future()
        # Shorter than a session, longer, and longer than everything that anybody waits for.
        most = (
            [3 * SESSION, 9 * SESSION, 9 * SESSION]
            if long
            else [0.6 * SESSION, 0.6 * SESSION, 3 * SESSION, 7 * SESSION]
        )
        after = chance.uniform(0, chance.choice(most))
        self.world.say(self.name, "freezes", f"for {after:.1f} s")
        self.world.loop.call_later(after, self._thaw)
        self._leave()

    def _leave(self) -> None:
        if not self.gone.done():
            self.gone.set_result(None)
        self.world.wake_group()

    def _thaw(self) -> None:
        self.world.say(self.name, "thaws", "evicted" if self.evicted else "in time")
        self.frozen = False
        if not self.dead:
            self.gone = self.world.loop.create_future()
        self._thawed.set_result(None)
        self.world.wake_group()

    def fail(self, error: BaseException) -> None:
        """A worker that ends itself because of an error: none of the faults is one."""
        self.world.errors.append(error)
        self.kill()

    def wake(self) -> None:
        """There may be something to fetch."""
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _every(self, timer: Callable[[], Awaitable[Any]]) -> None:
        while True:
            await self.sleep(TIMER)
            if self.flow:
                await timer()

    async def _obey(self) -> None:
        try:
            await self.judge.follow(self.commands, (UnreachableError,))  # type: ignore[arg-type]
        except Exception as error:
            self.fail(error)

    # -- the broker's side

    async def _offsets(self, number: int) -> tuple[dict[str, int], dict[str, int]]:
        await self.point()
        return dict.fromkeys(self.topics, 0), {t: self.world.kafka.logs[t, number].end for t in self.topics}

    async def _changelog(self, number: int) -> AsyncGenerator[ChangelogPart]:
        """As `engine.changelog.read_changelog`: the newest marker first, then the rows."""
        records = self.world.kafka.logs["changelog", number].committed()
        markers = [record.value for record in records if record.key == MARKER_KEY]
        await self.point()
        marker = self._believed(decode_marker(markers[-1]), number) if markers and markers[-1] else None
        start = 0 if marker is None else marker.since
        records = [record for record in records if record.offset >= start]
        yield ChangelogPart(marker=marker, stop=start)
        size = self.world.chance.randint(3, 20)
        for start in range(0, len(records), size):
            await self.point()
            rows = [r for r in records[start : start + size] if r.key != MARKER_KEY]
            stop = records[min(start + size, len(records)) - 1].offset + 1
            yield ChangelogPart([r.key for r in rows], [r.value for r in rows], stop=stop)  # type: ignore[misc]

    def _believed(self, marker: Marker, number: int) -> Marker:
        """The marker, unless the protocol trusts what was acknowledged instead."""
        if self.world.protocol.resume_at_marker:
            return marker
        acknowledged = self.world.acknowledged
        sources = {
            topic: replace(source, offset=acknowledged.get(TP(topic, number), source.offset))
            for topic, source in marker.sources.items()
        }
        return replace(marker, sources=sources)

    async def _read_table(self, topic: str) -> AsyncGenerator[tuple[bytes, bytes | None]]:
        await self.point()
        for record in self.world.kafka.logs[topic, 0].committed():
            if record.key is not None:
                yield record.key, record.value
        await self.point()

    async def revoke(self) -> None:
        self.flow = False
        await self.sources.on_revoked()

    async def assign(self, numbers: set[int], generation: int) -> None:
        self.assigned = {TP(topic, n) for topic in self.topics for n in sorted(numbers)}
        if 0 in numbers:
            self.assigned |= {TP(NAMES.partials, 0), TP(NAMES.closings, 0)}
        self.app.consumer.paused &= self.assigned
        self.app.on_assigned_partitions(self.assigned, generation)  # type: ignore[arg-type]
        closings = TP(NAMES.closings, 0)
        self.app.consumer.positions[closings] = self.world.acknowledged.get(closings, 0)
        await self.point()
        await self.app.positions(self.assigned)  # type: ignore[arg-type]
        if generation == self.world.generation:
            self.flow = True
            self.wake()

    async def _fetch(self) -> None:
        """Brings chunks, sometimes late, twice, or not at all, as Faust does around rebalances."""
        world, chance = self.world, self.world.chance
        while True:
            await self.point()
            ready = self._fetchable()
            if not ready:
                self._idle = world.loop.create_future()
                await self._idle
                continue
            tp = chance.choice(ready)
            if tp.topic == NAMES.closings:
                self._fetch_closing(tp)
                continue
            chunk = self._chunk(tp, chance.randint(1, 8 if tp.topic in TOPICS else 60))
            fate = chance.random() if world.faults else 1.0
            if fate < 0.03:
                world.say(self.name, "chunks lost", f"{tp.topic} {tp.partition} at {chunk.start}")
                if tp.topic == NAMES.partials:  # no watch looks at these: they are lost by rebalances only
                    world.wake_group(rebalance=True)
                continue
            self.streams[tp.topic].put(chunk)
            if fate < 0.10:
                world.loop.call_later(chance.uniform(0, 2 * SESSION), self._again, chunk)

    def _again(self, chunk: Chunk) -> None:
        self.world.say(self.name, "chunks repeated", f"{chunk.topic} {chunk.partition} at {chunk.start}")
        self.streams[chunk.topic].put(chunk)

    def _fetchable(self) -> list[TP]:
        if not self.flow:
            return []
        logs = self.world.kafka.logs
        return [
            tp for tp in sorted(self.assigned - self.app.consumer.paused)
            if self._position(tp) < logs[tp].stable and len(self.streams[tp.topic].waiting) < BUFFERED
        ]  # fmt: skip

    def _position(self, tp: TP) -> int:
        return self.app.consumer.positions.get(tp, 0)

    def _fetch_closing(self, tp: TP) -> None:
        stable = self.app.consumer.positions[tp] = self.world.kafka.logs[tp].stable
        if not self.evicted:  # Faust may commit what is still to be processed (faust #606)
            self.world.acknowledged[tp] = stable
        self.streams[tp.topic].put(None)

    def _chunk(self, tp: TP, limit: int) -> Chunk:
        log, start = self.world.kafka.logs[tp], self._position(tp)
        records = log.committed(start)
        stop = log.stable if len(records) <= limit else records[limit - 1].offset + 1
        records = records[:limit]
        self.app.consumer.positions[tp], self.app.consumer.stable[tp] = stop, log.stable
        if tp.topic in TOPICS:
            self.world.acknowledged[tp] = stop
            if not self.world.protocol.chain and (source := self.sources.owned.get(tp.partition)) and source.ready:
                source.readings[tp.topic].offset = start
        return Chunk(
            start, stop, [r.key for r in records], [r.value for r in records], [r.offset for r in records], *tp
        )


async def _inline(work: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Nothing of a schedule may depend on threads."""
    return work(*args, **options)


async def _nobody(*_: Any) -> Any:
    raise UnansweredError("there are no censuses in schedules")


class SimNotify(notify.Notify):
    """The notifications of a worker, whose delivery may be broken on purpose."""

    def __init__(self, worker: SimWorker) -> None:
        self._world = worker.world
        super().__init__(worker.tables, {"slack": SimNotifier(worker)}, worker.seconds, lambda *_: None)

    def _of(self, tenure: Any) -> Delivery:
        delivery = super()._of(tenure)
        if not self._world.protocol.given_up:
            delivery._post_within = 1e9
        if not self._world.protocol.settled:
            delivery.outbox._settle = 0.0
        return delivery
