"""The source partitions of this worker: taking them over, feeding them chunks, committing, giving them away.

assigned --> fenced off --> recovered in the background, partitions paused --> sought to the marker --> taking chunks
   ^                                                                                                        |
   +----------- kept over a rebalance in which nobody else can have had them (the next generation) ---------+
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import time
from typing import TYPE_CHECKING, Any

from aiokafka.errors import IllegalStateError
from faust.types import TP

from stream_app.domain.errors import ConfigurationError
from stream_app.engine.ledger import Fenced
from stream_app.engine.source import SourcePartition

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from stream_app.engine.changelog import ChangelogPart
    from stream_app.engine.chunks import Chunk
    from stream_app.engine.ledger import Ledger
    from stream_app.engine.source_config import Observer, SourceConfig

log = logging.getLogger(__name__)

#: Seconds after which an owner that was fenced takes a partition over again that the group still assigns to it.
RETAKE_SECONDS = 10.0


class Sources:
    """Owns the source partitions that the group assigned to this worker.

    Args:
        config: what a source partition is made from.
        ledger: makes the ledger of a partition.
        changelog: reads a partition's changelog.
        offsets: first and next offsets of the source topics' partition, by topic.
        observer: told of chunks, commits and recoveries.
        commit_interval: seconds between commits.
        partitions: how many source partitions there are.
        shared: whether other workers may own some of them; a broker without transactions allows one worker only.
        fail: ends the worker with this error.
    """

    def __init__(
        self,
        config: SourceConfig,
        *,
        ledger: Callable[[int], Ledger],
        changelog: Callable[[int], AsyncGenerator[ChangelogPart]],
        offsets: Callable[[int], Awaitable[tuple[dict[str, int], dict[str, int]]]],
        observer: Observer,
        commit_interval: float,
        partitions: int,
        shared: bool,
        fail: Callable[[BaseException], None],
    ) -> None:
        self.config = config
        self.partitions = partitions
        self._make_ledger, self._changelog, self._offsets = ledger, changelog, offsets
        self._observer = observer
        self._interval = commit_interval
        self._shared = shared
        self._fail = fail
        self._owned: dict[int, SourcePartition] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._generation = -1
        self._flowing = self._stopped = False
        self._consumer: Any = None
        self.progressed_at = time.monotonic()

    def attach(self, consumer: Any) -> None:
        """Gives the Faust consumer whose partitions are sought and resumed."""
        self._consumer = consumer

    # -- what the transport asks

    def is_source(self, topic: str) -> bool:
        """Whether a topic is one of the source topics."""
        return topic in self.config.topics

    def durable_offset(self, topic: str, number: int) -> int | None:
        """The offset up to which a source topic-partition is durable, None where nothing is known yet."""
        owned = self._owned.get(number)
        reading = None if owned is None else owned.readings.get(topic)
        return None if reading is None else reading.durable

    @property
    def flowing(self) -> bool:
        """Whether an assignment is in force and Faust's tables are recovered: records may be acted upon."""
        return self._flowing

    @property
    def owned(self) -> dict[int, SourcePartition]:
        """The partitions of this worker, those in recovery too."""
        return self._owned

    @property
    def ready(self) -> bool:
        """Whether every partition of this worker is recovered and takes chunks."""
        return self._flowing and all(source.ready for source in self._owned.values())

    def on_assigned(self, numbers: set[int], generation: int) -> None:
        """Takes over the assigned partitions; returns at once, recovery goes on in the background."""
        if self._stopped:
            return  # the group does not know yet that this worker ends
        if not self._shared and len(numbers) < self.partitions:
            self._fail(
                ConfigurationError(
                    f"app_id: another worker of this application is running, and the broker has no transactions: "
                    f"partitions {sorted(set(range(self.partitions)) - numbers)} went to it. Stop one of the two, "
                    "or use a broker with transactions (Apache Kafka 2.5 or later)."
                )
            )
            return
        # In two generations that follow each other nobody else can have had a partition that is in both.
        kept = numbers if generation == self._generation + 1 else set()
        self._generation = generation
        self._flowing = False
        for number in [n for n, s in self._owned.items() if n not in kept or not s.ready]:
            self._drop(number)
        for number in sorted(numbers):
            if number not in self._owned:
                self._tasks[number] = asyncio.create_task(self._run(number, recover=True))
            elif self._tasks[number].done():
                self._tasks[number] = asyncio.create_task(self._run(number, recover=False))

    async def on_revoked(self) -> None:
        """Commits everything before the partitions are given away."""
        self._flowing = False
        ready = [source for source in self._owned.values() if source.ready]
        for error in await asyncio.gather(*(s.commit(publish=True) for s in ready), return_exceptions=True):
            if isinstance(error, Fenced):
                _say_fenced(error)
            elif isinstance(error, BaseException):
                self._fail(error)

    async def positions(self, assigned: set[TP]) -> dict[TP, int]:
        """Where reading starts, by topic-partition; those not recovered yet are paused until they are."""
        starts: dict[TP, int] = {}
        waiting: set[TP] = set()
        for tp in assigned:
            if not self.is_source(tp.topic):
                continue
            source = self._owned.get(tp.partition)
            if source is not None and source.ready:
                starts[tp] = source.readings[tp.topic].offset
            else:
                waiting.add(tp)
        self._consumer.pause_partitions(waiting)
        if starts:
            await self._consumer.seek_wait(starts)
        self._flowing = True
        for number in {tp.partition for tp in waiting if (s := self._owned.get(tp.partition)) and s.ready}:
            await self._resume(self._owned[number])  # it became ready while the others were sought
        return starts

    # -- what the agents bring

    async def take(self, chunk: Chunk) -> None:
        """Counts a chunk, or has its partition read again from where the chain of positions broke."""
        source = self._owned.get(chunk.partition)
        if source is None or not source.ready:
            return  # from before a rebalance: it will be read again by whoever owns the partition
        try:
            follows = await source.take(chunk)
        except Fenced as fenced:
            _say_fenced(fenced)
            return
        if follows:
            self.progressed_at = time.monotonic()
        elif self._flowing:
            log.warning(
                "Topic %s, partition %d: a chunk starts at offset %d, expected was %d; reading goes back.",
                chunk.topic, chunk.partition, chunk.start, source.readings[chunk.topic].offset,
            )  # fmt: skip
            await self._resume(source, chunk.topic)

    # -- one task a partition

    async def _run(self, number: int, *, recover: bool) -> None:
        try:
            source = await self._recover(number) if recover else self._owned[number]
            if recover and self._flowing:
                await self._resume(source)
            while source.ready:  # at once after a recovery: its counters are what the first figures wait for
                await source.commit()
                await asyncio.sleep(self._interval)
        except Fenced as fenced:
            _say_fenced(fenced)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, going on could lose events
            self._fail(error)
            return
        if self._fenced_off(number):
            await asyncio.sleep(RETAKE_SECONDS)
            self._retake(number)

    def _fenced_off(self, number: int) -> bool:
        """Whether the present task is that of a partition which the group still assigns to us."""
        return number in self._owned and self._tasks.get(number) is asyncio.current_task() and not self._stopped

    def _retake(self, number: int) -> None:
        """Fenced, perhaps by a worker that went by an assignment out of date: that one will hear of it.

        Unless the group gives the partition to somebody else, before this or meanwhile, it is still ours.
        """
        if self._fenced_off(number):
            del self._tasks[number]  # the present one, which ends by itself
            self._drop(number)
            self._tasks[number] = asyncio.create_task(self._run(number, recover=True))

    async def _recover(self, number: int) -> SourcePartition:
        started = time.monotonic()
        ledger = self._make_ledger(number)
        source = SourcePartition(number, self.config, ledger, self._observer, self._end_offset)
        self._owned[number] = source
        if not self._shared:  # nothing fences our own earlier writes off: they end first
            await asyncio.gather(*self._closing, return_exceptions=True)
        await ledger.start()  # fences the previous owner: from here on the changelog stands still
        async with contextlib.aclosing(self._changelog(number)) as parts:  # else an error leaves its consumer behind
            newest = await anext(parts)
            # After the marker: a worker that hung meanwhile may read the marker of one that has fenced it and gone on.
            beginnings, ends = await self._offsets(number)
            await source.recover(_chained(newest, parts), beginnings, ends)
        give_memory_back()
        took = time.monotonic() - started
        self._observer.recovered(number, len(source.table), took)
        log.info("Partition %d is recovered: %d users in %.1f s.", number, len(source.table), took)
        return source

    def _end_offset(self, topic: str, number: int) -> int | None:
        try:
            return self._consumer.highwater(TP(topic, number))  # type: ignore[no-any-return]
        except Exception:  # noqa: BLE001 - not assigned at this instant: nothing is known
            return None

    async def _resume(self, source: SourcePartition, *topics: str) -> None:
        starts = {TP(t, source.number): source.readings[t].offset for t in topics or self.config.topics}
        try:
            await self._consumer.seek_wait(starts)
        except IllegalStateError:
            # The group has taken it away, which is heard of a moment later: the next assignment says where to read.
            log.info("Partition %d is not assigned at this moment; a rebalance is under way.", source.number)
            return
        self._consumer.resume_partitions(set(starts))

    def _drop(self, number: int) -> None:
        source, task = self._owned.pop(number), self._tasks.pop(number, None)
        source.ready, source.given_up = False, True
        closing = asyncio.create_task(self._close(source, task))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    async def _close(self, source: SourcePartition, task: asyncio.Task[None] | None) -> None:
        if task is not None and not task.done():
            # Once: its cleaning up must not be cut off. Where a write swallows it, the task ends after its next sleep.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await source.close()

    async def stop(self) -> None:
        """Commits, then ends all partitions' tasks and producers. None is taken over any more."""
        self._stopped = True
        await asyncio.sleep(0)  # a recovery that has only just begun is owned after its first step
        await self.on_revoked()
        for number in list(self._owned):
            self._drop(number)
        await asyncio.gather(*self._closing, return_exceptions=True)


def give_memory_back() -> None:
    """Returns to the operating system what a recovery took for a moment; the C library would keep it."""
    with contextlib.suppress(OSError, AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)


async def _chained(first: ChangelogPart, parts: AsyncGenerator[ChangelogPart]) -> AsyncGenerator[ChangelogPart]:
    yield first
    async for part in parts:
        yield part


def _say_fenced(fenced: Fenced) -> None:
    log.warning("%s: the partition was taken over by another worker; its state here is dropped.", fenced)
