"""Reads a source partition's changelog back: its newest marker first, then its users' rows.

The marker says under which configuration the rows were counted, so it must be known before the first of them. It lies
near the end: every transaction begins with one. It is looked for backwards, in windows that grow.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker
from stream_app.engine.chunks import ChunkedRecords
from stream_app.engine.table_ledger import closed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Collection

#: Offsets of the first window, and how much longer each one is than the one after it.
WINDOW, GROWTH = 4096, 8


@dataclass
class ChangelogPart:
    """Some records of a changelog, in order: users' rows, the latest marker among them, and the offset after them."""

    users: list[bytes] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    marker: Marker | None = None
    stop: int = 0


async def read_changelog(settings: dict[str, object], topic: str, partition: int) -> AsyncGenerator[ChangelogPart]:
    """Reads one partition of a changelog: a part with only its newest marker (None if it has none), then all records.

    They begin where the marker says that rows are of its configuration. The previous owner must be fenced: then no
    transaction is open, and the end does not move.
    """
    tp = TopicPartition(topic, partition)
    async with _consumer(settings, topic) as consumer:
        beginnings, ends = await consumer.beginning_offsets([tp]), await consumer.end_offsets([tp])
        markers = await _newest(consumer, beginnings, ends)
        marker = markers[partition]
        start = beginnings[tp] if marker is None else max(beginnings[tp], marker.since)
        yield ChangelogPart(marker=marker, stop=start)
        consumer.seek(tp, start)
        while await consumer.position(tp) < max(ends[tp], _fetched_end(consumer, tp)):
            part = ChangelogPart()
            for pieces in (await consumer.getmany(tp, timeout_ms=1000)).values():
                for piece in pieces:
                    _add(part, piece.keys, piece.values)
                    part.stop = piece.stop
            yield part


async def newest_markers(
    settings: dict[str, object], topic: str, partitions: Collection[int]
) -> dict[int, Marker | None]:
    """The newest committed marker of each of these partitions of a changelog, None where there is none yet."""
    async with _consumer(settings, topic) as consumer:
        tps = [TopicPartition(topic, partition) for partition in partitions]
        return await _newest(consumer, await consumer.beginning_offsets(tps), await consumer.end_offsets(tps))


@contextlib.asynccontextmanager
async def _consumer(settings: dict[str, object], topic: str) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 * 1024 * 1024,
        **settings,
    )
    try:  # a start that is cancelled leaves connections behind, too
        await consumer.start()
        consumer._fetcher._records = ChunkedRecords({topic})
        yield consumer
    finally:
        await closed(consumer)


async def _newest(
    consumer: AIOKafkaConsumer, beginnings: dict[TopicPartition, int], ends: dict[TopicPartition, int]
) -> dict[int, Marker | None]:
    """Assigns the partitions, once: aiokafka may wait for good for the positions of an assignment that is replaced."""
    found: dict[TopicPartition, bytes] = {}
    stops = dict(ends)
    consumer.assign(list(stops))
    for tp in stops:
        consumer.seek(tp, beginnings[tp])
    window = WINDOW
    while pending := [tp for tp in stops if tp not in found and stops[tp] > beginnings[tp]]:
        consumer.pause(*stops)
        for tp in pending:
            consumer.seek(tp, max(beginnings[tp], stops[tp] - window))
        consumer.resume(*pending)
        starts = {tp: await consumer.position(tp) for tp in pending}
        while reading := [
            tp for tp in pending if await consumer.position(tp) < _stop(consumer, tp, stops[tp], ends[tp])
        ]:
            for tp, pieces in (await consumer.getmany(*reading, timeout_ms=1000)).items():
                for piece in pieces:
                    for key, value in zip(piece.keys, piece.values, strict=True):
                        if key == MARKER_KEY and value is not None:
                            found[tp] = value
        stops |= starts
        window *= GROWTH
    consumer.resume(*stops)
    return {tp.partition: decode_marker(found[tp]) if tp in found else None for tp in stops}


def _stop(consumer: AIOKafkaConsumer, tp: TopicPartition, stop: int, end: int) -> int:
    """Where a window ends; at the end of the partition, what a fetch says of it counts too."""
    return max(stop, _fetched_end(consumer, tp)) if stop == end else stop


def _fetched_end(consumer: AIOKafkaConsumer, tp: TopicPartition) -> int:
    """The end of what is committed as the latest fetch has it; the embedded broker understates it where it is asked."""
    stable = consumer.last_stable_offset(tp)
    return int((consumer.highwater(tp) if stable is None or stable < 0 else stable) or 0)


def _add(part: ChangelogPart, keys: list[bytes | None], values: list[bytes | None]) -> None:
    for key, value in zip(keys, values, strict=True):
        if value is None or key is None:
            continue
        if key == MARKER_KEY:
            part.marker = decode_marker(value)
        else:
            part.users.append(key)
            part.rows.append(value)
