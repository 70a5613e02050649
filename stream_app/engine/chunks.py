"""Chunks: what a fetch brought for one partition, handed over at once.

Faust hands over one message a record, and aiokafka makes a ConsumerRecord of each: together most of an event's cost.
Here aiokafka yields one `Piece` a record batch, and the scheduler gathers the pieces of a fetch into one `Chunk`.

A chunk knows the position it was fetched from and the position after it. Positions are a chain: whatever Faust drops,
repeats or reorders around a rebalance shows as a break in it, and `SourcePartition.take` refuses to go past one.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping


@dataclass(slots=True)
class Piece:
    """The records of one record batch, none of them for a batch that is skipped (aborted, control).

    Attributes:
        start, stop: fetch positions before and after; offsets between them without a record do not exist.
        keys, values, offsets: one entry a record.
    """

    start: int
    stop: int
    keys: list[bytes | None]
    values: list[bytes | None]
    offsets: list[int]


@dataclass(slots=True)
class Chunk(Piece):
    """The pieces of one fetch of one partition, put together."""

    topic: str = ""
    partition: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def after(self, offset: int) -> Chunk:
        """The part of the chunk from `offset` on."""
        skip = sum(o < offset for o in self.offsets)
        return Chunk(
            offset, self.stop, self.keys[skip:], self.values[skip:], self.offsets[skip:], self.topic, self.partition
        )


def unpack(records: PartitionRecords) -> Iterator[Piece]:
    """`PartitionRecords._unpack_records`, a piece a record batch instead of a ConsumerRecord a record.

    Keeps its treatment of checksums, aborted transactions, control batches and compacted offsets.
    """
    source = records._records
    while source.has_next():
        batch = source.next_batch()
        if records._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {records._tp}")
        start = records.next_fetch_offset
        piece = Piece(start, max(batch.next_offset, start), [], [], [])
        if not _skipped(records, batch):
            found = list(batch)
            # A batch may begin before the position that was asked for.
            if found and found[0].offset < start:
                found = [record for record in found if record.offset >= start]
            piece.keys, piece.values = [record.key for record in found], [record.value for record in found]
            piece.offsets = [record.offset for record in found]
        records.next_fetch_offset = piece.stop
        yield piece


def _skipped(records: PartitionRecords, batch: Any) -> bool:
    if records._isolation_level == READ_COMMITTED and batch.producer_id is not None:
        records._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and records._contains_abort_marker(batch):
            records._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in records._aborted_producers:
            return True
    return bool(batch.is_control_batch)


class ChunkedRecords(OrderedDict[Any, Any]):
    """Replaces `Fetcher._records`: what is fetched of the given topics is unpacked in pieces.

    Args:
        topics: the topics read in chunks; records of others stay ConsumerRecords.
    """

    def __init__(self, topics: Collection[str]) -> None:
        super().__init__()
        self._topics = frozenset(topics)

    def __setitem__(self, tp: Any, result: Any) -> None:
        if tp.topic in self._topics and type(result) is FetchResult:
            records = result._partition_records
            records._records_iterator = unpack(records)
        super().__setitem__(tp, result)


class ChunkScheduler:
    """Faust's `ConsumerScheduler`: yields one chunk a topic-partition, and single records where they are not pieces."""

    def iterate(self, records: Mapping[Any, list[Any]]) -> Iterator[tuple[Any, Any]]:
        """What a fetch brought, in the order to process it."""
        for tp, found in records.items():
            if isinstance(found[0], Piece):
                yield tp, join(tp.topic, tp.partition, found)
            else:
                for record in found:
                    yield tp, record


def join(topic: str, partition: int, pieces: list[Piece]) -> Chunk:
    """Puts consecutive pieces together."""
    chunk = Chunk(pieces[0].start, pieces[-1].stop, [], [], [], topic, partition)
    for piece in pieces:
        chunk.keys += piece.keys
        chunk.values += piece.values
        chunk.offsets += piece.offsets
    return chunk
