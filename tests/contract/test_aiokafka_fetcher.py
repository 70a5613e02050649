"""aiokafka's fetcher, below which `engine.chunks` puts itself: what it sets, reads and yields.

Each test that fails here says which piece of `engine/chunks.py` has to follow the change.
"""

from __future__ import annotations

import inspect
import struct

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED, Fetcher, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from stream_app.engine.chunks import ChunkedRecords, Piece, unpack

TP = TopicPartition("visits", 1)
ABORT, COMMIT = 0, 1
ATTRIBUTES, LAST_DELTA, CRC, FIRST_CHECKED = 21, 23, 17, 21


def batch(
    base: int, count: int, *, codec: int = 0, producer: int = -1, transactional: bool = False,
    control: int | None = None, gaps: tuple[int, ...] = (),
) -> bytes:  # fmt: skip
    """An encoded record batch at offset `base`; `gaps` are offsets that compaction removed."""
    builder = DefaultRecordBatchBuilder(2, codec, int(transactional), producer, 0 if producer >= 0 else -1, 0, 1 << 20)
    if control is not None:
        assert builder.append(0, timestamp=1, key=struct.pack(">hh", 0, control), value=b"\0" * 6, headers=[])
    for delta in range(count):
        if delta not in gaps:
            key = None if delta % 5 == 4 else b"k%d" % (base + delta)
            value = None if delta % 7 == 6 else b"v%d" % (base + delta)
            assert builder.append(delta, timestamp=1, key=key, value=value, headers=[])
    data = bytearray(builder.build())
    data[:8] = struct.pack(">q", base)
    if control is not None:
        data[ATTRIBUTES:LAST_DELTA] = struct.pack(">h", struct.unpack_from(">h", data, ATTRIBUTES)[0] | 0x20)
    if gaps:  # the broker keeps the last offset of a batch that was compacted
        data[LAST_DELTA : LAST_DELTA + 4] = struct.pack(">i", count - 1)
    data[CRC:FIRST_CHECKED] = struct.pack(">I", crc32c(bytes(data[FIRST_CHECKED:])))
    return bytes(data)


def crc32c(data: bytes) -> int:
    from aiokafka.record.util import calc_crc32c_py

    return calc_crc32c_py(data)


def records(
    data: bytes, offset: int, *, isolation: int = READ_COMMITTED, aborted=(), crcs: bool = True
) -> PartitionRecords:
    return PartitionRecords(TP, MemoryRecords(data), list(aborted), offset, None, None, crcs, isolation)


def compressions() -> list[int]:
    from aiokafka import codec

    known = {1: codec.has_gzip, 2: codec.has_snappy, 3: codec.has_lz4, 4: codec.has_zstd}
    return [0, *(number for number, there in known.items() if there())]


P7, P8 = ({"producer": number, "transactional": True} for number in (7, 8))
CASES = {
    "plain": (batch(10, 8) + batch(18, 3), 10, ()),
    "fetched in the middle of a batch": (batch(10, 8) + batch(18, 3), 13, ()),
    "fetched at the last record": (batch(10, 8), 17, ()),
    "control batches": (batch(0, 3, **P7) + batch(3, 0, **P7, control=COMMIT), 0, ()),
    "an aborted transaction": (
        batch(0, 3, **P7)
        + batch(3, 0, **P7, control=ABORT)
        + batch(4, 2, **P7)
        + batch(6, 0, **P7, control=COMMIT),
        0,
        [(7, 0)],
    ),
    "two producers, one aborts": (
        batch(0, 3, **P7)
        + batch(3, 3, **P8)
        + batch(6, 0, **P8, control=COMMIT)
        + batch(7, 2, **P7)
        + batch(9, 0, **P7, control=ABORT)
        + batch(10, 2),
        0,
        [(7, 0)],
    ),
    "an abort marker of an empty transaction": (batch(0, 0, **P7, control=ABORT) + batch(1, 2), 0, ()),
    "an idempotent producer": (batch(0, 4, producer=7), 0, ()),
    "compacted records": (batch(0, 9, gaps=(0, 3, 8)) + batch(9, 2, gaps=(1,)), 0, ()),
    "a compacted tail before the fetch offset": (batch(0, 9, gaps=(6, 7, 8)), 7, ()),
    "offsets missing between batches": (batch(0, 2) + batch(100, 2), 0, ()),
    "nothing": (b"", 5, ()),
}  # fmt: skip


@pytest.mark.parametrize("isolation", [READ_COMMITTED, READ_UNCOMMITTED])
@pytest.mark.parametrize("case", CASES)
def test_unpack_gives_what_the_original_gives(case, isolation):
    data, offset, aborted = CASES[case]
    original = records(data, offset, isolation=isolation, aborted=aborted)
    expected = [(r.offset, r.key, r.value) for r in original._unpack_records()]
    ours = records(data, offset, isolation=isolation, aborted=aborted)
    pieces = list(unpack(ours))
    found = [entry for p in pieces for entry in zip(p.offsets, p.keys, p.values, strict=True)]
    assert found == expected, "aiokafka unpacks differently now: compare PartitionRecords._unpack_records with unpack()"
    assert ours.next_fetch_offset == original.next_fetch_offset, "unpack() must leave the same next_fetch_offset"
    # The positions are a chain from the fetch offset to the next one.
    assert [p.start for p in pieces] == [offset, *(p.stop for p in pieces)][: len(pieces)]
    assert all(p.start <= o < p.stop for p in pieces for o in p.offsets)


@pytest.mark.parametrize("codec", compressions())
def test_every_compression_is_unpacked(codec):
    data = batch(5, 40, codec=codec) + batch(45, 3, codec=codec)
    original = [(r.offset, r.value) for r in records(data, 7)._unpack_records()]
    pieces = list(unpack(records(data, 7)))
    assert [pair for p in pieces for pair in zip(p.offsets, p.values, strict=True)] == original
    assert len(pieces) == 2


@pytest.mark.parametrize("magic", [0, 1])
def test_old_message_formats_are_unpacked(magic):
    builder = LegacyRecordBatchBuilder(magic, 0, 1 << 20)
    for offset in range(4):
        builder.append(offset, timestamp=1 if magic else None, key=b"k", value=b"v%d" % offset)
    data = bytes(builder.build())
    original, ours = records(data, 1), records(data, 1)
    expected = [(r.offset, r.value) for r in original._unpack_records()]
    assert [pair for p in unpack(ours) for pair in zip(p.offsets, p.values, strict=True)] == expected
    assert ours.next_fetch_offset == original.next_fetch_offset


def test_a_damaged_batch_is_refused_after_the_good_ones():
    damaged = bytearray(batch(2, 2))
    damaged[-1] ^= 1
    ours = records(batch(0, 2) + bytes(damaged), 0)
    pieces = unpack(ours)
    assert next(pieces).offsets == [0, 1]
    with pytest.raises(CorruptRecordException):
        next(pieces)
    assert ours.next_fetch_offset == 2, "the damaged batch must be fetched again"
    damaged[-1] ^= 1
    damaged[CRC] ^= 1
    assert [p.offsets for p in unpack(records(bytes(damaged), 2, crcs=False))] == [[2, 3]]


class State:
    """A partition of an assignment."""

    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def consumed_to(self, position: int) -> None:
        self.position = position


class Assignment:
    active = True

    def __init__(self, position: int) -> None:
        self.state = State(position)

    def state_value(self, _tp: TopicPartition) -> State:
        return self.state


def fetched(data: bytes, offset: int) -> tuple[FetchResult, State]:
    assignment = Assignment(offset)
    result = FetchResult(TP, assignment=assignment, partition_records=records(data, offset), backoff=0)
    return result, assignment.state


def test_what_is_put_into_the_fetchers_records_is_unpacked_in_pieces():
    chunked = ChunkedRecords({"visits"})
    result, state = fetched(batch(0, 3) + batch(3, 4), 0)
    chunked[TP] = result
    assert [p.offsets for p in chunked[TP].getall()] == [[0, 1, 2], [3, 4, 5, 6]], (
        "FetchResult.getall() ignores _records_iterator"
    )
    assert state.position == 7, "FetchResult.getall() must move the position to next_fetch_offset"
    assert not result.has_more()


def test_a_limit_on_records_is_one_on_pieces_and_loses_none():
    chunked = ChunkedRecords({"visits"})
    result, state = fetched(batch(0, 3) + batch(3, 4), 0)
    chunked[TP] = result
    assert [p.stop for p in result.getall(1)] == [3]
    assert state.position == 3
    assert [p.stop for p in result.getall(1)] == [7]


def test_after_a_seek_what_was_fetched_before_is_thrown_away():
    chunked = ChunkedRecords({"visits"})
    result, state = fetched(batch(0, 3) + batch(3, 4), 0)
    chunked[TP] = result
    result.getall(1)
    state.position = 0
    assert result.getall() == [], "FetchResult.check_assignment() must compare the position with next_fetch_offset"


def test_other_topics_keep_their_records_and_errors_pass():
    chunked = ChunkedRecords({"purchases"})
    result, _ = fetched(batch(0, 3), 0)
    chunked[TP] = result
    assert [type(r).__name__ for r in result.getall()] == ["ConsumerRecord"] * 3
    error = fetcher.FetchError(error=OSError(), backoff=0)
    chunked[TopicPartition("purchases", 0)] = error
    assert chunked[TopicPartition("purchases", 0)] is error


def test_the_fetcher_keeps_results_in_a_dict_that_may_be_replaced():
    source = inspect.getsource(Fetcher)
    assert "self._records = collections.OrderedDict()" in source, "ChunkedRecords replaces Fetcher._records"
    assert source.count("self._records = ") == 1, "the fetcher replaces _records later on: ChunkedRecords would be lost"
    assert "self._records[tp] = FetchResult(" in source, "results no longer go through __setitem__"
    for bypass in ("_records.update(", "_records.setdefault("):
        assert bypass not in source, f"{bypass} bypasses ChunkedRecords.__setitem__"
    assert issubclass(ChunkedRecords, type(__import__("collections").OrderedDict()))


def test_partition_records_has_what_unpack_reads():
    made = records(b"", 3)
    for name in ("_records", "_check_crcs", "_tp", "_isolation_level", "_aborted_producers", "_records_iterator"):
        assert hasattr(made, name), f"PartitionRecords.{name} is gone: engine.chunks.unpack uses it"
    assert made.next_fetch_offset == 3
    for name in ("_consume_aborted_up_to", "_contains_abort_marker"):
        assert callable(getattr(made, name)), f"PartitionRecords.{name}() is gone: engine.chunks._skipped uses it"
    assert isinstance(next(unpack(records(batch(0, 1), 0))), Piece)
