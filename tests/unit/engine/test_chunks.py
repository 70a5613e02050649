"""Pieces of a fetch become one chunk a topic-partition; chunks are cut where reading goes on."""

from __future__ import annotations

from aiokafka import TopicPartition
from aiokafka.structs import ConsumerRecord

from stream_app.engine.chunks import Chunk, ChunkScheduler, Piece, join

TP = TopicPartition("visits", 2)


def piece(start: int, stop: int, *offsets: int) -> Piece:
    return Piece(start, stop, [b"k%d" % o for o in offsets], [b"v%d" % o for o in offsets], list(offsets))


def test_pieces_are_put_together():
    chunk = join("visits", 2, [piece(0, 3, 0, 2), piece(3, 5), piece(5, 6, 5)])
    assert (chunk.start, chunk.stop, chunk.topic, chunk.partition) == (0, 6, "visits", 2)
    assert chunk.offsets == [0, 2, 5]
    assert (chunk.keys, chunk.values) == ([b"k0", b"k2", b"k5"], [b"v0", b"v2", b"v5"])
    assert len(chunk) == 3


def test_a_chunk_from_an_offset_on():
    chunk = join("visits", 2, [piece(0, 10, 0, 3, 4, 9)])
    rest = chunk.after(4)
    assert (rest.start, rest.stop, rest.offsets, rest.keys) == (4, 10, [4, 9], [b"k4", b"k9"])
    assert chunk.after(5).offsets == [9]
    assert (chunk.after(10).offsets, len(chunk.after(10))) == ([], 0)
    assert chunk.offsets == [0, 3, 4, 9]


def test_the_scheduler_yields_chunks_of_some_topics_and_records_of_the_others():
    record = ConsumerRecord("alerts", 0, 7, 0, 0, b"k", b"v", None, 1, 1, ())
    alerts = TopicPartition("alerts", 0)
    found = list(ChunkScheduler().iterate({TP: [piece(0, 1, 0), piece(1, 2, 1)], alerts: [record, record]}))
    (first, chunk), *records = found
    assert first == TP
    assert isinstance(chunk, Chunk)
    assert chunk.offsets == [0, 1]
    assert records == [(alerts, record), (alerts, record)]


def test_there_may_be_nothing_to_schedule():
    assert list(ChunkScheduler().iterate({})) == []
