"""Which generation of its state a service counts in: one record of a compacted topic, `<app_id>-control`.

State that is counted anew (`stream-app rebuild`) lies in internal topics of its own, those of the next generation. The
record names the generation that workers go on with; writing it is the whole switch.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from stream_app.engine.table_ledger import closed, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_app.engine.tables import Record, TableLedger

log = logging.getLogger(__name__)

_KEY = b"state"
RETRY_SECONDS = 2.0


@dataclass(frozen=True)
class Control:
    """What the record says.

    Attributes:
        generation: that workers count in; the first is 1.
        building: the generation that is being counted anew, None for none.
        fingerprint: of what is being counted anew.
    """

    generation: int = 1
    building: int | None = None
    fingerprint: str | None = None


class Superseded(Exception):  # noqa: N818 - a state of affairs
    """The service counts in another generation of its state now; a worker that starts goes on there."""


def state_id(app_id: str, generation: int) -> str:
    """What the names of a generation's topics, group and transactional ids begin with.

    >>> state_id("shop", 1), state_id("shop", 2)
    ('shop', 'shop.g2')
    """
    return app_id if generation == 1 else f"{app_id}.g{generation}"


async def read_control(settings: dict[str, object], topic: str) -> Control:
    """What the record says now; the first generation where there is none."""
    control = Control()
    async for key, value in read_table(settings, topic):
        if key == _KEY and value is not None:
            control = msgspec.json.decode(value, type=Control)
    return control


async def write_control(settings: dict[str, object], topic: str, control: Control) -> None:
    """Writes the record; returns when it is there."""
    async with AIOKafkaProducer(acks="all", **settings) as producer:
        await producer.send_and_wait(topic, key=_KEY, value=orjson.dumps(asdict(control)), partition=0)


class Lookout:
    """Ends a worker whose generation is no longer the one to count in.

    Args:
        settings: connection arguments of aiokafka's clients.
        topic: of the record.
        generation: the worker's.
        fail: ends it.
    """

    def __init__(
        self, settings: dict[str, object], topic: str, generation: int, fail: Callable[[BaseException], None]
    ) -> None:
        self._settings, self._topic, self._generation, self._fail = settings, topic, generation, fail

    async def check(self) -> None:
        """Raises Superseded where another generation is the one to count in."""
        self._compare(await read_control(self._settings, self._topic))

    async def run(self) -> None:
        """Follows the record, for good. A broker that does not answer is waited for."""
        try:
            while True:
                try:
                    await self._follow()
                except (KafkaError, OSError) as error:
                    log.debug("The control record cannot be read: %r", error)
                    await asyncio.sleep(RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 - a worker that nobody can end must not go on
            self._fail(error)

    async def _follow(self) -> None:
        consumer = AIOKafkaConsumer(
            group_id=None, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=5000,
            **self._settings,
        )  # fmt: skip
        tp = TopicPartition(self._topic, 0)
        try:
            await consumer.start()
            consumer.assign([tp])
            async for record in consumer:
                if record.key == _KEY and record.value is not None and record.offset + 1 >= consumer.highwater(tp):
                    self._compare(msgspec.json.decode(record.value, type=Control))
        finally:
            await closed(consumer)

    def _compare(self, control: Control) -> None:
        if control.generation != self._generation:
            raise Superseded(
                f"the service counts in generation {control.generation} of its state now, this worker in "
                f"{self._generation}; restarted with the settings of that count it goes on there"
            )


class GuardedLedger:
    """Takes the tables over only while this worker's generation is the one to count in.

    A worker that was frozen over the switch would else take them from its successors.
    """

    def __init__(self, ledger: TableLedger, lookout: Lookout) -> None:
        self._ledger, self._lookout = ledger, lookout

    async def start(self) -> None:
        """Takes the tables over. Raises Superseded where that is no longer this worker's business."""
        await self._lookout.check()
        await self._ledger.start()

    async def write(self, records: Sequence[Record]) -> None:
        """Writes all records or none."""
        await self._ledger.write(records)

    async def stop(self) -> None:
        """Ends the connection."""
        await self._ledger.stop()
