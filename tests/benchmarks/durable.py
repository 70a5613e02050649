"""When the service's state became durable, as the broker saw it: read from the changelog afterwards.

Asking the worker while it works would cost the worker time. The changelog knows better: each transaction holds a marker
(how far the source was read) and ends with the broker's own record of the commit, which carries the broker's time.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.codecs.rows import MARKER_KEY, Marker, decode_marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Commits = list[tuple[float, Marker]]


class _Batches(OrderedDict[Any, Any]):
    """Replaces `Fetcher._records`: of each fetch, the markers and the ends of transactions, no rows."""

    def __setitem__(self, tp: Any, result: Any) -> None:
        records = getattr(result, "_partition_records", None)
        if records is not None:
            records._records_iterator = _look(records)
        super().__setitem__(tp, result)


def _look(records: Any) -> Iterator[tuple[int, bytes | None]]:
    source = records._records
    while source.has_next():
        batch = source.next_batch()
        records.next_fetch_offset = batch.next_offset
        if batch.is_control_batch:
            yield batch.max_timestamp, None
        else:
            first = next(iter(batch))
            if first.key == MARKER_KEY:
                yield batch.max_timestamp, first.value


async def commits(bootstrap: str, changelog: str, partition: int) -> Commits:
    """The committed transactions of a changelog partition: when the broker ended each (s), and its marker."""
    async with AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        check_crcs=False,
        max_partition_fetch_bytes=8 * 1024 * 1024,
    ) as consumer:
        consumer._fetcher._records = _Batches()
        tp = TopicPartition(changelog, partition)
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        found: Commits = []
        marker: Marker | None = None
        while await consumer.position(tp) < end:
            for seen in (await consumer.getmany(tp, timeout_ms=1000)).values():
                for time, value in seen:
                    if value is not None:
                        marker = decode_marker(value)
                    elif marker is not None:
                        found.append((time / 1000, marker))
        return found


async def covered_at(bootstrap: str, changelog: str, ends: Mapping[str, Mapping[int, int]]) -> tuple[float, int]:
    """The time (s) from which all records of the topics were durable, by topic and partition; and the transactions."""
    latest, count = 0.0, 0
    for partition in sorted(set().union(*ends.values())):
        due = {topic: parts[partition] for topic, parts in ends.items() if parts.get(partition)}
        found = await commits(bootstrap, changelog, partition)
        count += len(found)
        times = [time for time, marker in found if _covers(marker, due)]
        assert times or not due, f"partition {partition}: no transaction covers {due}"
        latest = max(latest, min(times, default=0.0))
    return latest, count


def _covers(marker: Marker, due: Mapping[str, int]) -> bool:
    sources = marker.sources
    return all(topic in sources and sources[topic].offset >= end for topic, end in due.items())
