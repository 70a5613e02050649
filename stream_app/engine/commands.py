"""The log of commands: what people ask of alerts, from whichever worker they asked to the one that judges.

Commands lie in a topic of one partition. Who owns the alerts' tables reads it from the offset that lies in these
tables, in one transaction with what the commands did: each is applied once, whatever is killed when.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from stream_app.domain.errors import UnansweredError
from stream_app.engine.table_ledger import closed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

log = logging.getLogger(__name__)

#: Seconds that a command may take to be stored.
PATIENCE = 10.0


class Asked(NamedTuple):
    """A command as it lies in the log, and the offset after it."""

    value: bytes
    following: int


class CommandLog:
    """Writes commands, and follows them.

    Args:
        settings: connection arguments of aiokafka's clients.
        topic: of the commands.
    """

    def __init__(self, settings: dict[str, object], topic: str) -> None:
        self._settings, self._topic = settings, topic
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, command: bytes) -> None:
        """Stores a command; it is applied as soon as the owner of the alerts reads it.

        Raises:
            UnansweredError: the broker did not take it in time. Whether it did is not known; commands have ids, so
                that asking again changes nothing that was done.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                producer = await self._started()
                await producer.send_and_wait(self._topic, command, partition=0)
        except (KafkaError, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise UnansweredError(f"the broker did not take the command ({why}); ask again") from error

    async def follow(self, start: int) -> AsyncGenerator[Asked]:
        """The commands from an offset on, for good; what was deleted before it is passed over."""
        consumer = AIOKafkaConsumer(
            group_id=None, auto_offset_reset="earliest", enable_auto_commit=False, **self._settings
        )
        tp = TopicPartition(self._topic, 0)
        try:
            await consumer.start()
            consumer.assign([tp])
            first = (await consumer.beginning_offsets([tp]))[tp]
            consumer.seek(tp, max(start, first))
            async for record in consumer:
                yield Asked(record.value or b"", record.offset + 1)
        finally:
            await closed(consumer)

    async def stop(self) -> None:
        """Closes the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(acks="all", enable_idempotence=False, **self._settings)
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer
