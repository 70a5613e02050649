"""Workers that ask each other without Redis and without an engine."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from stream_app.domain.metrics.figures import census
from stream_app.stores.base import StoreUnavailable
from support.population import ListPopulation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally
    from stream_app.domain.periods import Calendar


class MemoryBoard:
    """A board of one process; fails while `down`.

    Attributes:
        published: every question.
        replies: how many replies were put down.
    """

    where = "memory"

    def __init__(self) -> None:
        self.down = False
        self.published: list[bytes] = []
        self.replies = 0
        self._hearers: list[asyncio.Queue[bytes]] = []
        self._lists: dict[str, asyncio.Queue[bytes]] = defaultdict(asyncio.Queue)

    def _look(self) -> None:
        if self.down:
            raise StoreUnavailable("redis: 'memory' does not answer; start it")

    async def publish(self, question: bytes) -> int:
        self._look()
        self.published.append(question)
        for hearer in self._hearers:
            hearer.put_nowait(question)
        return len(self._hearers)

    async def reply(self, question: str, reply: bytes) -> None:
        self._look()
        self.replies += 1
        self._lists[question].put_nowait(reply)

    async def next_reply(self, question: str, timeout: float) -> bytes | None:
        self._look()
        try:
            return await asyncio.wait_for(self._lists[question].get(), timeout)
        except TimeoutError:
            return None

    async def forget(self, question: str) -> None:
        self._lists.pop(question, None)

    async def questions(self) -> AsyncIterator[bytes]:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        self._hearers.append(heard)
        while True:
            yield await heard.get()


@dataclass
class ListSource:
    """A source partition of a list of events, as far as it is counted.

    Attributes:
        asked: what it was counted for.
        held: while set to an event, a census waits for it.
    """

    events: Sequence[Mapping[str, Any]]
    calendar: Calendar
    dimensions: Sequence[str] = ()
    epoch: int = 1
    ready: bool = True
    whole: bool = True
    asked: list[Asked] = field(default_factory=list)
    held: asyncio.Event | None = None

    async def census(self, asked: Asked) -> Tally:
        self.asked.append(asked)
        if self.held is not None:
            await self.held.wait()
        population = ListPopulation(
            [dict(event) for event in self.events], calendar=self.calendar, dimensions=self.dimensions, whole=self.whole
        )
        return census(asked, population)
