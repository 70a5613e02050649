"""The tables in Kafka: one transaction a write, and reading them back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.engine.chunks import ChunkedRecords
from stream_app.engine.ledger import TransactionalWriter
from stream_app.engine.topics import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from stream_app.engine.tables import Record

#: A rule's messages are one row each, however many alerts they tell of. The client alone refuses more than 1 MB, and
#: so does a topic of an earlier version of what is not compressed.
_LARGE: dict[str, object] = {"max_request_size": MOST_BYTES, "compression_type": "gzip"}

#: Seconds that a consumer may take to close.
CLOSE_SECONDS = 2.0


class TransactionalTableLedger(TransactionalWriter):
    """Writes to the tables, each write in one transaction.

    Args:
        settings: connection arguments of aiokafka's clients.
        app_id: makes the transactional id.
    """

    def __init__(self, settings: dict[str, object], app_id: str) -> None:
        super().__init__(settings | _LARGE, f"{app_id}-tables")

    async def write(self, records: Sequence[Record]) -> None:
        """Writes all records in one transaction."""
        await self._transact(lambda producer: _send(producer, records))


class SoloTableLedger:
    """For a broker without transactions and a single worker: records are written in the order they are given in.

    Changes come before the states that follow from them: a crash in between repeats the changes, under the same ids.
    """

    def __init__(self, settings: dict[str, object]) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Starts an ordinary producer."""
        self._producer = AIOKafkaProducer(acks="all", **_LARGE, **self._settings)
        await self._producer.start()

    async def write(self, records: Sequence[Record]) -> None:
        """Writes the records, each topic's after the one's before it."""
        if self._producer is None:
            raise RuntimeError("the ledger was not started")
        topics = dict.fromkeys(record.topic for record in records)
        for topic in topics:
            of_topic = [record for record in records if record.topic == topic]
            await asyncio.gather(*await _send(self._producer, of_topic))

    async def stop(self) -> None:
        """Closes the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


async def _send(producer: AIOKafkaProducer, records: Sequence[Record]) -> list[asyncio.Future[object]]:
    return [
        await producer.send(r.topic, key=r.key, value=r.value, partition=0, headers=list(r.headers)) for r in records
    ]


async def read_table(settings: dict[str, object], topic: str) -> AsyncGenerator[tuple[bytes, bytes | None]]:
    """Reads partition 0 of a compacted topic from its beginning to its end at the time of the call.

    The previous owner must be fenced: then no transaction is open, and the end does not move.
    """
    consumer = AIOKafkaConsumer(
        group_id=None, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest",
        **settings,
    )  # fmt: skip
    tp = TopicPartition(topic, 0)
    try:  # a start that is cancelled leaves connections behind, too
        await consumer.start()
        consumer._fetcher._records = ChunkedRecords({topic})  # its positions pass control records
        consumer.assign([tp])
        end = (await consumer.end_offsets([tp]))[tp]
        await consumer.seek_to_beginning(tp)
        # The embedded broker understates the end of a partition; what a fetch says of it is right everywhere.
        while await consumer.position(tp) < max(end, consumer.highwater(tp) or 0):
            for pieces in (await consumer.getmany(tp, timeout_ms=1000)).values():
                for piece in pieces:
                    for key, value in zip(piece.keys, piece.values, strict=True):
                        if key is not None:
                            yield key, value
    finally:
        await closed(consumer)


async def closed(consumer: AIOKafkaConsumer) -> None:
    """Closes a consumer of no group, but waits no longer than `CLOSE_SECONDS` for it.

    One that is cancelled while it starts may wait for good for a task of its own that was cancelled before it.
    """
    closing = asyncio.ensure_future(consumer.stop())
    try:
        done, _ = await asyncio.wait({closing}, timeout=CLOSE_SECONDS)
        for one in done:
            one.result()
    finally:
        closing.cancel()
