"""One schedule: a broker, a group of workers, a Slack, and faults. All follows from the seed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from simulation.commands import TOPIC, People
from simulation.desk import Desk
from simulation.kafka import TP, SimKafka
from simulation.loop import VirtualLoop
from simulation.protocol import Protocol
from simulation.slack import SimSlack
from simulation.streams import CALENDAR, NOW_MS, PARTITIONS
from simulation.worker import SESSION, SimWorker
from stream_app.agents.alert_rows import AlertRows
from stream_app.engine.assignor import share_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulation.streams import Stream

#: Topics that workers fetch.
_FETCHED = ("visits", "purchases", "partials", "closings")
_COMPACTED = ("changelog", "partials", "alert-states", "outbox", "alert-history")
#: Virtual seconds within which everything must come through once there are no faults any more.
PATIENCE = 900.0


class World:
    """Everything of one schedule.

    Args:
        seed: decides everything.
        stream: what arrives.
        protocol: what is broken.
        faulty: chance of a kill or a freeze at each point.
        trace: gets a line for each thing that happens.
    """

    def __init__(
        self,
        seed: int,
        stream: Stream,
        protocol: Protocol | None = None,
        *,
        workers: int = 2,
        faulty: float = 0.012,
        trace: list[str] | None = None,
    ) -> None:
        self.chance = random.Random(seed)
        self.stream, self.protocol = stream, protocol or Protocol()
        self.faulty, self.trace = faulty, trace
        self.calendar = CALENDAR
        self.loop = VirtualLoop()
        self.kafka = SimKafka(self._unfenced, self._appended, lambda what: self.say("broker", what))
        self.slack, self.desk, self.people = SimSlack(self), Desk(self), People(self)
        self.seen: Counter[str] = Counter()
        self.members: list[SimWorker] = []
        self.acknowledged: dict[Any, int] = {}
        self.errors: list[BaseException] = []
        self.faults, self.over = True, False
        self.generation = 0
        self._size, self._names = workers, 0
        self._tasks: list[asyncio.Task[Any]] = []
        self._group_wakes: asyncio.Future[None] = self.loop.create_future()
        self._read, self._standing = -1, 0
        self._unrest = False
        self._late_faults = self.chance.randint(0, 2)

    @property
    def now(self) -> int:
        """What the clock of people says (ms)."""
        return NOW_MS + int(self.loop.now * 1000)

    def say(self, who: str, what: str, more: str = "") -> None:
        """Counts what happens, and writes it into the trace."""
        self.seen[what] += 1
        if self.trace is not None:
            self.trace.append(f"{self.loop.now:8.2f}  {who:6}  {what} {more}".rstrip())

    def _unfenced(self, name: str) -> bool:
        return not (self.protocol.tables_fenced if name == "tables" else self.protocol.fencing)

    def _appended(self, tp: TP) -> None:
        for worker in self.members:
            if tp[0] in _FETCHED:
                worker.wake()
            elif tp == TOPIC:
                worker.commands.wake()

    def may_fail(self, *, rare: bool) -> bool:
        """Whether there are faults still: after the calm a few at places that are come by late, if at all."""
        if not self.faults and rare and self._late_faults:
            self._late_faults -= 1
            return True
        return self.faults

    def spawn(self, work: Any) -> asyncio.Task[Any]:
        task = self.loop.create_task(work)
        self._tasks.append(task)
        return task

    # -- the schedule

    def play(self, judge: Callable[[World], str | None]) -> str | None:
        """Plays the schedule: faults while records arrive, then none until everything is through.

        Args:
            judge: says what came out wrong.

        Raises:
            TimeoutError: something is stuck.
        """
        try:
            self.loop.run(self._play())
            return judge(self)
        finally:
            self.over = True
            self.loop.run(self._clean_up())

    async def _play(self) -> None:
        for work in (self._produce(), self._group(), self._compaction(), self.people.ask()):
            self.spawn(work)
        await self.loop.pause(self.chance.uniform(3, 9))
        self.faults = False
        self.say("world", "calms down")
        until = self.loop.now + PATIENCE
        # Frozen workers and chunks that are still under way must do no harm either.
        while not (self._through() and not any(w.frozen or w.evicted for w in self.members)):
            if self.loop.now > until:
                raise TimeoutError
            if self.errors:
                return
            await self.loop.pause(1.5)

    async def _clean_up(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in asyncio.all_tasks(self.loop) - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _produce(self) -> None:
        for topic, partition, key, value in self.stream.records:
            self.kafka.append((topic, partition), key, value)
            if self.chance.random() < 0.3:
                await self.loop.pause(self.chance.random() * 3)

    async def _compaction(self) -> None:
        while True:
            await self.loop.pause(self.chance.uniform(1, 12))
            self.say("broker", "compactions")
            for tp, log in self.kafka.logs.items():
                if tp[0] in _COMPACTED:
                    log.compact()

    # -- the group

    def wake_group(self, *, rebalance: bool = False) -> None:
        """Somebody died, froze or came back; the group sees it after a while."""
        self._unrest |= rebalance
        if not self._group_wakes.done():
            self._group_wakes.set_result(None)

    async def _group(self) -> None:
        """Membership: the dead are replaced, the frozen evicted and taken back, each change gives a new generation."""
        for _ in range(self._size):
            self._join()
        await self._rebalance()
        while True:
            await asyncio.wait([self._group_wakes], timeout=2 * SESSION)
            if self._group_wakes.done():
                await self.loop.pause(self.chance.uniform(0.1, SESSION))
                self._group_wakes = self.loop.create_future()
            changed = self._supervise() or self._unrest
            self._unrest = False
            if changed or (self.faults and self.chance.random() < 0.05):
                await self._rebalance()

    def _join(self) -> None:
        self._names += 1
        self.members.append(SimWorker(self, f"w{self._names}"))

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
            self.say(worker.name, "evictions")
        stalled = self._stalled()
        if stalled:  # the watch over a worker ends one that reads no more
            for worker in [w for w in self.members if not w.frozen]:
                worker.kill("ends by the watch")
        return bool(gone or back or asleep or stalled)

    def _stalled(self) -> bool:
        """Nothing was read for long, and there is something to read."""
        read = sum(sum(s.totals.values()) for w in self.members for s in w.sources.owned.values())
        self._standing = self._standing + 1 if read == self._read else 0
        self._read = read
        if self.faults or self._standing < 6 or self._owner() is None or any(w.frozen for w in self.members):
            return False
        self._standing = 0
        return not self.counted

    async def _rebalance(self) -> None:
        joined = [w for w in self.members if not w.evicted and not w.frozen and not w.dead]
        if not joined:
            return
        self.say("group", "rebalances", f"generation {self.generation + 1}: {', '.join(w.name for w in joined)}")
        await asyncio.gather(*(self._revoked(w) for w in joined))
        joined = [w for w in joined if not w.dead and not w.frozen and not w.evicted]
        if not joined:
            self.wake_group()
            return
        self.generation += 1
        shares = share_out(PARTITIONS, {w.name: sorted(w.sources.owned) for w in joined})
        for worker in joined:
            self.spawn(worker.assign(set(shares[worker.name]), self.generation))

    async def _revoked(self, worker: SimWorker) -> None:
        """Waits for a member as long as the group does; one that dies or freezes meanwhile is left out."""
        task = self.spawn(worker.revoke())
        await asyncio.wait([task, worker.gone], timeout=SESSION, return_when=asyncio.FIRST_COMPLETED)
        if not task.done() and not worker.dead:
            worker.evicted = True
            self.say(worker.name, "evictions")

    # -- the end

    def _owner(self) -> SimWorker | None:
        """The worker that merges, judges and notifies."""
        here = [w for w in self.members if not (w.frozen or w.dead or w.evicted)]
        return next((w for w in here if w.merger.active and w.tables.tenure is not None), None)

    @property
    def counted(self) -> bool:
        """Whether every record is counted."""
        owner = self._owner()
        snapshot = None if owner is None else owner.outlets.snapshot
        return snapshot is not None and snapshot.totals.get("read") == len(self.stream.records)

    def _through(self) -> bool:
        """Whether all is counted, judged and told, and nothing is open."""
        owner = self._owner()
        if owner is None or not self.counted or not self.people.through:
            return False
        if AlertRows(owner.tables.tenure).commands != self.kafka.logs[TOPIC].end:
            return False
        if owner.notify.owed or any(log.open for log in self.kafka.logs.values()):
            return False
        return owner.outlets.settled(owner.judge, owner.notify)

    @property
    def owner(self) -> SimWorker:
        """The worker that merged, judged and notified at the end."""
        found = self._owner()
        assert found is not None
        return found
