"""Faust in the simulated world: its consumer, its app, its topics and streams, as far as engine and agents ask them."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simulation.streams import TOPICS
from stream_app.engine.app import ServiceApp
from stream_app.engine.topics import Topics

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from faust.types import TP

    from simulation.worker import SimWorker
    from stream_app.engine.sources import Sources
    from stream_app.engine.tables import Tables

NAMES = Topics(
    *TOPICS, changelog="changelog", partials="partials", closings="closings", alerts="alerts",
    dead_letters="dead-letters", alert_states="alert-states", outbox="outbox",
    alert_history="alert-history",
)  # fmt: skip
_ONE_TOPIC = replace(NAMES, purchases=NAMES.visits)


class SimConsumer:
    """What the engine asks of Faust's consumer."""

    def __init__(self, worker: SimWorker) -> None:
        self.worker, self.logs = worker, worker.world.kafka.logs
        self.positions: dict[TP, int] = {}
        self.paused: set[TP] = set()
        self.stable: dict[TP, int] = {}  # as the latest fetch said
        self._thread = SimpleNamespace(
            _consumer=SimpleNamespace(last_stable_offset=self.stable.get, highwater=lambda _: None)
        )

    def pause_partitions(self, tps: set[TP]) -> None:
        self.paused |= tps

    def resume_partitions(self, tps: set[TP]) -> None:
        self.paused -= tps
        self.worker.wake()

    async def seek_wait(self, starts: dict[TP, int]) -> None:
        await self.worker.point()
        self.positions.update(starts)
        self.worker.wake()

    def highwater(self, tp: TP) -> int:
        return self.logs[tp].end


class SimApp:
    """What engine and agents ask of the Faust app; where it asks them, the app's own code is used."""

    on_assigned_partitions = ServiceApp.on_assigned_partitions
    positions = ServiceApp.positions

    def __init__(self, worker: SimWorker) -> None:
        self.names = NAMES if len(worker.topics) == 2 else _ONE_TOPIC
        self.worker, self.conf = worker, SimpleNamespace(id="app")
        self.consumer = SimConsumer(worker)
        self.assignor = SimpleNamespace(is_active=lambda tp: tp in worker.assigned)
        self.agents: dict[str, Any] = {}
        self.timers: list[Any] = []
        self.rewind: Callable[[], None]
        self.sources: Sources
        self.service_tables: Tables

    def topic(self, name: str, **_: Any) -> SimTopic:
        return SimTopic(self.worker, name)

    chunk_topic = topic

    def agent(self, topic: SimTopic, *, name: str) -> Any:
        return lambda function: self.agents.setdefault(topic.name, function)

    def timer(self, _interval: float) -> Any:
        return self.timers.append


class SimTopic:
    def __init__(self, worker: SimWorker, name: str) -> None:
        self.worker, self.name = worker, name

    async def send(self, *, key: bytes, value: bytes) -> Awaitable[None]:
        async def written() -> None:
            await self.worker.point()
            self.worker.world.kafka.append((self.name, 0), key, value)
            await self.worker.point()

        return written()


class SimStream:
    """What waits for an agent. Faust leaves it there over a rebalance."""

    def __init__(self, worker: SimWorker) -> None:
        self.worker, self.waiting = worker, deque[Any]()
        self._more: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        self.waiting.append(item)
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    def __aiter__(self) -> SimStream:
        return self

    async def __anext__(self) -> Any:
        while not self.waiting:
            self._more = self.worker.world.loop.create_future()
            await self._more
        await self.worker.point()
        self.worker.wake()
        return self.waiting.popleft()
