"""One run of one scenario: an application of its own under load, and the faults that are done to it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import servers
from slack_server import SlackServer
from support.cluster import Cluster

from faults.load import DIMENSIONS
from faults.people import TOKEN, People
from faults.rig import INACTIVITY_DAYS, LATENESS, TIMEZONE, WEEK_START
from faults.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping
    from pathlib import Path

    from support.workers import Worker

    from faults.rig import Options, Rig

SESSION_TIMEOUT = 4
#: So many workers that end by themselves, without a reason to, end the scenario.
HOPELESS = 4
#: For topics in which the cleaner is to find work within seconds.
COMPACTED = {"cleanup.policy": "compact", "segment.ms": "2000", "min.cleanable.dirty.ratio": "0.01",
             "min.compaction.lag.ms": "0", "delete.retention.ms": "100"}  # fmt: skip
#: The first two are always broken, by every cohort, so each of their alerts changes exactly once: from inactive to
#: firing. Alerts of the third change many at a time.
RULES = """rules:
- {name: week-1, definition: engagement, grain: week, index: 1, segment: {plan: "*"}, below: 0.99, min_group: 10,
   to: ["slack:#growth"]}
- {name: month-1, definition: repurchase, grain: month, index: 1, below: 0.99, min_group: 10, to: ["slack:#growth"]}
- {name: country-1, definition: engagement, grain: week, index: 1, segment: {country: "*"}, below: 0.4, min_group: 4,
   to: ["slack:#retention"]}
"""
BROKEN_RULES = ("week-1", "month-1")
ALERTS = 5  # of rule week-1 for free, pro, team and (none), and of rule month-1


class Trial:
    """Starts the application, keeps its workers running, and counts what is done to them.

    Attributes:
        done: what was done, in words, how many times.
        instants: when, in seconds since the load began, with what.
        troubles: what went wrong before the end was looked at.
        again: records of the load that were written once more.
        people: those who are told, and ask for silences; None where the workers know none.
        broken: (topic, key, value) of broken records beside the load.
        tolerated: exit codes that a worker may end with by itself.
    """

    def __init__(
        self,
        rig: Rig,
        name: str,
        options: Options,
        *,
        proxied: bool = False,
        compacted: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.rig, self.name, self.options, self.load = rig, name, options, options.load
        self.chance = random.Random(f"{options.seed} {name}")
        self.slack = SlackServer(retry_after="1")
        former = options.former is not None and name == "upgraded"  # it knows no silences
        self.people = None if former else People(self)
        self.folder = rig.folder / f"{name}-{servers.free_port()}"
        self.folder.mkdir(parents=True)
        self.cluster = Cluster(rig.broker.bootstrap, rig.redis.url, self.folder)
        self.cluster.disks = True
        self.proxied, self.compacted, self._settings = proxied, compacted, dict(settings or {})
        self.done: Counter[str] = Counter()
        self.instants: list[tuple[float, str]] = []
        self.troubles: list[str] = []
        self.again = 0
        self.broken: list[tuple[str, bytes | None, bytes | None]] = []
        self.tolerated: set[int] = set()
        self.exits: Counter[int] = Counter()
        self.topics = (self.cluster.visits, self.cluster.purchases)
        log = self.folder / "writer.log"
        self.writer = Writer(rig.broker.bootstrap, self.topics, self.load, options.seconds, log)
        self._away: set[Worker] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._began = time.monotonic()
        self._main = asyncio.current_task()

    # -- life

    async def __aenter__(self) -> Trial:
        await self.slack.start()
        rules = self.folder / "rules.yml"
        rules.write_text(RULES)
        cluster, app = self.cluster, self.cluster.app
        cluster.settings |= {
            "partitions": self.options.partitions, "dimensions": ",".join(DIMENSIONS), "timezone": TIMEZONE,
            "week_start": WEEK_START, "inactivity_days": INACTIVITY_DAYS, "allowed_lateness": LATENESS,
            "session_timeout": SESSION_TIMEOUT, "rules": rules, "slack_token": self.slack.token,
            "slack_url": self.slack.url, "top_values": 20, **self._settings,
        }  # fmt: skip
        if self.people is not None:
            cluster.settings["api_token"] = TOKEN
        for topic in self.topics:
            await servers.topic(self.rig.broker.bootstrap, topic, self.options.partitions)
        if self.compacted:
            await servers.topic(self.rig.broker.bootstrap, f"{app}-users-changelog", self.options.partitions, COMPACTED)
            await servers.topic(self.rig.broker.bootstrap, f"{app}-partials", 1, COMPACTED)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._tasks, *filter(None, [self._keeping])):
            task.cancel()
        self.writer.kill()
        await asyncio.to_thread(self.cluster.kill)
        await self.slack.stop()

    async def begin(self, workers: int) -> None:
        """Starts the workers, and once they have shared out the partitions, the load."""
        self.add(workers)
        self._keeping = asyncio.create_task(self._keep())
        await self.shared_out(60)
        await self.writer.start()
        self._began = time.monotonic()
        await servers.eventually(lambda: self.writer.written, 60, "the load to begin")
        if self.people is not None:
            self.later(self.people.live())

    async def end(self) -> None:
        """Has the load written to its end, and everyone back."""
        await asyncio.gather(*self._tasks)
        await self.writer.finish()

    def add(self, count: int = 1) -> list[Worker]:
        new = self.cluster.start(0)
        for _ in range(count):
            if self.proxied:  # each by a path of its own
                self.cluster.settings["broker"] = self.rig.paths.address(len(self.cluster.workers))
            new += self.cluster.start()
        return new

    async def _keep(self) -> None:
        """What a supervisor does: a worker that ended is started again."""
        while True:
            for worker in self.cluster.workers:
                if not worker.running and worker not in self._away:
                    self.ended(worker)
                    self._away.add(worker)
                    self.later(self._back(worker, 0.5))
            await asyncio.sleep(0.05)

    def ended(self, worker: Worker) -> None:
        """Notes how a worker ended by itself."""
        assert worker.process is not None
        code = worker.process.returncode
        self.exits[code] += 1
        if code not in self.tolerated:
            self.troubles.append(f"a worker ended with {code}:\n{worker.log[-1500:]}")
            if len(self.troubles) >= HOPELESS and self._main is not None:
                self._main.cancel()  # it will not get better: no need to wait for everything that cannot come

    async def _back(self, worker: Worker, after: float) -> None:
        await asyncio.sleep(after)
        worker.start()
        self._away.discard(worker)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        """Has something done beside the scenario."""
        self._tasks.append(asyncio.create_task(work))

    # -- what a scenario does

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.cluster.workers if worker.running and worker not in self._away]

    def note(self, what: str) -> None:
        self.done[what] += 1
        self.instants.append((round(time.monotonic() - self._began, 1), what))

    async def pause(self, least: float = 0.2, most: float = 2.5) -> None:
        """A random time; where little time is given to the whole, less."""
        await asyncio.sleep(self.chance.uniform(least, most))

    def kill(self, worker: Worker, what: str, *, wipe: bool = False) -> None:
        """SIGKILL; it is started again a little later."""
        self.note(what)
        self._away.add(worker)
        worker.kill()
        if wipe and worker.disk is not None:
            shutil.rmtree(worker.disk)
        self.later(self._back(worker, self.chance.uniform(0, 1.5)))

    async def terminate(self, worker: Worker, what: str, *, back: bool = True) -> int:
        """SIGTERM; returns the exit code."""
        if worker.silent:  # Python itself is still loading: nothing has begun that could end in order
            await servers.eventually(lambda: not worker.silent, 30, "a first sign of life")
        self.note(what)
        self._away.add(worker)
        code = await asyncio.to_thread(worker.stop)
        if back:
            self.later(self._back(worker, self.chance.uniform(0, 1.5)))
        else:
            self.cluster.workers.remove(worker)
        return code

    async def replace(self, worker: Worker, root: Path, **settings: object) -> None:
        """SIGTERM, and at once the same worker with other code and settings, as an upgrade does."""
        self._away.add(worker)
        code = await asyncio.to_thread(worker.stop)
        if code != 0:
            self.troubles.append(f"a worker that was told to stop ended with {code}:\n{worker.log[-1500:]}")
        worker.root = root
        worker.settings |= settings
        worker.start()
        self._away.discard(worker)

    # -- what can be seen

    async def ask(self, worker: Worker, path: str) -> Any:
        return await asyncio.to_thread(worker.peek, path)

    async def totals(self) -> dict[str, int]:
        """Of the whole service, from the first worker that knows."""
        for worker in self.running:
            figures = (await self.ask(worker, "/api/v1/status")).get("figures")
            if figures:
                return dict(figures["totals"])
        return {}

    async def shares(self) -> list[list[int]]:
        """The partitions of each running worker."""
        told = await asyncio.gather(*(self.ask(worker, "/api/v1/status") for worker in self.running))
        return [one.get("worker", {}).get("partitions", []) for one in told]

    async def fair(self) -> bool:
        """Whether every partition has one owner, and no worker more than its share."""
        shares = await self.shares()
        sizes = [len(share) for share in shares]
        owned = sorted(number for share in shares for number in share)
        return owned == list(range(self.options.partitions)) and max(sizes) - min(sizes) <= 1

    async def shared_out(self, timeout: float) -> None:
        await servers.eventually(self.fair, timeout, "partitions to be shared out fairly")

    async def until(self, condition: Callable[[], Any], timeout: float, what: str) -> bool:
        """Waits; False if it did not come to pass, which is then a trouble."""
        try:
            await servers.eventually(condition, timeout, what)
        except AssertionError as error:
            self.troubles.append(str(error))
            return False
        return True

    def log_lines(self, words: Iterable[str]) -> int:
        """How many lines of the workers' logs have one of these words."""
        lines = [line for worker in self.cluster.workers for line in worker.log.splitlines()]
        return sum(any(word in line for word in words) for line in lines)


@contextlib.asynccontextmanager
async def frozen(worker: Worker) -> Any:
    """SIGSTOP, and SIGCONT at the end."""
    import signal

    worker.send(signal.SIGSTOP)
    try:
        yield
    finally:
        if worker.running:
            worker.send(signal.SIGCONT)
