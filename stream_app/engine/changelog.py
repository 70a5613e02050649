"""Reads a source partition's changelog back: its users' last rows and its last marker."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker
from stream_app.engine.chunks import ChunkedRecords

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@dataclass
class ChangelogPart:
    """Some records of a changelog, in order: users' rows, and the latest marker among them."""

    users: list[bytes] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)
    marker: Marker | None = None


async def read_changelog(settings: dict[str, object], topic: str, partition: int) -> AsyncGenerator[ChangelogPart]:
    """Reads one partition of a changelog from its beginning to its end at the time of the call.

    The previous owner must be fenced: then no transaction is open, and the end does not move.
    """
    consumer = AIOKafkaConsumer(
        group_id=None,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=8 * 1024 * 1024,
        **settings,
    )
    tp = TopicPartition(topic, partition)
    try:  # a start that is cancelled leaves connections behind, too
        await consumer.start()
        consumer._fetcher._records = ChunkedRecords({topic})
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        # The embedded broker understates the end of a partition; what a fetch says of it is right everywhere.
        while await consumer.position(tp) < max(end, consumer.highwater(tp) or 0):
            part = ChangelogPart()
            for pieces in (await consumer.getmany(tp, timeout_ms=1000)).values():
                for piece in pieces:
                    _add(part, piece.keys, piece.values)
            yield part
    finally:
        await consumer.stop()


def _add(part: ChangelogPart, keys: list[bytes | None], values: list[bytes | None]) -> None:
    for key, value in zip(keys, values, strict=True):
        if value is None or key is None:
            continue
        if key == MARKER_KEY:
            part.marker = decode_marker(value)
        else:
            part.users.append(key)
            part.rows.append(value)
