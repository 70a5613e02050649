"""Counts a service's source topics anew, into the next generation of its state, beside the running service.

It is the counting of a worker without its group: every partition is this process's own, what is committed are rows and
markers only. Counters follow from the rows when workers take the partitions over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP

from stream_app.codecs import dead_letters
from stream_app.engine.chunks import ChunkedRecords, join

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.codecs.rows import Marker
    from stream_app.engine.ledger import Commit, Ledger
    from stream_app.engine.sources import Sources

    Offsets = Mapping[TopicPartition, int]


class RebuildLedger:
    """Writes a commit's rows and marker, and those of its dead letters that the running service has not come to.

    Args:
        ledger: of the partition in the generation that is being counted.
        told: up to where the running service has read, by topic; it has written the dead letters before.
    """

    def __init__(self, ledger: Ledger, told: Callable[[], Mapping[str, int]]) -> None:
        self._ledger, self._told = ledger, told

    async def start(self) -> None:
        """Takes the partition over."""
        await self._ledger.start()

    async def write(self, commit: Commit) -> None:
        """Writes the commit. A letter in the stretch that both have read of late may come twice, none is lost."""
        told = self._told()
        letters = [letter for letter in commit.dead_letters if _is_new(letter[1], told)]
        await self._ledger.write(replace(commit, partials=[], dead_letters=letters))

    async def stop(self) -> None:
        """Ends the connection."""
        await self._ledger.stop()


def _is_new(letter: bytes, told: Mapping[str, int]) -> bool:
    place = dead_letters.decode(letter)
    return place.offset >= told.get(place.topic, 0)


class Consumer:
    """What `Sources` asks of Faust's consumer, over one that has all partitions to itself."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    def pause_partitions(self, tps: set[TP]) -> None:
        """Stops reading of these."""
        self._consumer.pause(*(TopicPartition(*tp) for tp in tps))

    def resume_partitions(self, tps: set[TP]) -> None:
        """Goes on with these."""
        self._consumer.resume(*(TopicPartition(*tp) for tp in tps))

    async def seek_wait(self, starts: Mapping[TP, int]) -> None:
        """Reading goes on there."""
        for tp, offset in starts.items():
            self._consumer.seek(TopicPartition(*tp), offset)

    def highwater(self, tp: TP) -> int | None:
        """The end of the partition as the latest fetch has it."""
        end: int | None = self._consumer.highwater(TopicPartition(*tp))
        return end


async def feed(sources: Sources, settings: dict[str, object]) -> None:
    """Reads every source topic-partition from where its state ends, for good, and has `sources` count it."""
    topics = sources.config.topics
    consumer = AIOKafkaConsumer(
        group_id=None, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="none",
        max_partition_fetch_bytes=4 * 1024 * 1024, **settings,
    )  # fmt: skip
    try:
        await consumer.start()
        consumer._fetcher._records = ChunkedRecords(topics)
        tps = {TP(topic, number) for topic in topics for number in range(sources.partitions)}
        consumer.assign([TopicPartition(*tp) for tp in tps])
        for tp in tps:
            consumer.seek(TopicPartition(*tp), 0)  # else aiokafka looks for positions itself
        sources.attach(Consumer(consumer))
        sources.on_assigned(set(range(sources.partitions)), 0)
        await sources.positions(tps)
        while True:
            for tp, pieces in (await consumer.getmany(timeout_ms=500)).items():
                await sources.take(join(tp.topic, tp.partition, pieces))
    finally:
        await consumer.stop()


@dataclass(frozen=True)
class Progress:
    """How far a count has come over all partitions: records read and to read, by offsets."""

    read: int
    total: int

    @property
    def left(self) -> int:
        """Records still to read."""
        return self.total - self.read


def progress(markers: Mapping[int, Marker | None], beginnings: Offsets, ends: Offsets) -> Progress:
    """How far the state with these newest markers has come in the source topics."""
    read = 0
    for tp, beginning in beginnings.items():
        marker = markers.get(tp.partition)
        source = None if marker is None else marker.sources.get(tp.topic)
        read += 0 if source is None else max(min(source.offset, ends[tp]) - beginning, 0)
    return Progress(read, sum(ends[tp] - beginnings[tp] for tp in beginnings))


def missing(beginnings: Offsets) -> list[str]:
    """What the source topics no longer hold, in words."""
    return [
        f"topic {tp.topic}, partition {tp.partition}: offsets 0 to {first - 1}"
        for tp, first in sorted(beginnings.items())
        if first > 0
    ]


class Unseen:
    """An observer that tells nobody."""

    def chunk(self, *_: Any) -> None:
        """Nothing."""

    def commit(self, *_: Any) -> None:
        """Nothing."""

    def recovered(self, *_: Any) -> None:
        """Nothing."""

    def lost(self, *_: Any) -> None:
        """Nothing."""
