"""Where a source partition's state is written: a Kafka transaction a commit, or, without those, in safe order."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, ProducerFenced, UnknownError, UnsupportedVersionError

from stream_app.codecs.rows import MARKER_KEY
from stream_app.domain.errors import ConfigurationError
from stream_app.engine.topics import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

log = logging.getLogger(__name__)

#: A record batch of at most this many bytes is written; brokers take 1 MB by default.
BATCH_BYTES = 512 * 1024
_LARGE: dict[str, object] = {"max_batch_size": BATCH_BYTES, "max_request_size": 2 * MOST_BYTES}
#: Seconds after which a write that does not end is given up, and the worker with it.
WRITE_TIMEOUT = 60.0


class Fenced(Exception):  # noqa: N818 - a state of affairs, as in Kafka's own name for it
    """Another worker has taken this partition over: nothing was written, and nothing may be any more."""


@dataclass(frozen=True, slots=True)
class Written:
    """How much a commit wrote: rows of users and of orders, records of counters, and the bytes of their values."""

    rows: int
    partials: int
    row_bytes: int
    partial_bytes: int


@dataclass
class Commit:
    """What one commit writes: (key, value) records.

    Attributes:
        rows: changed users and orders, to the partition's changelog.
        marker: how far the source was read; written with the rows or not at all.
        partials: changed counter blocks, then the partition's status: who has read it has read them.
        dead_letters: records that could not be counted.
    """

    rows: tuple[Sequence[bytes], Sequence[bytes]]
    marker: bytes
    partials: list[tuple[bytes, bytes]] = field(default_factory=list)
    dead_letters: list[tuple[bytes | None, bytes]] = field(default_factory=list)

    @property
    def written(self) -> Written:
        """How much it writes."""
        values = self.rows[1]
        sizes = sum(map(len, values)), sum(len(value) for _, value in self.partials)
        return Written(len(values), len(self.partials), *sizes)


@dataclass(frozen=True)
class LedgerTopics:
    """Where a commit goes."""

    changelog: str
    partials: str
    dead_letters: str


class Ledger(Protocol):
    """Writes commits of one source partition."""

    async def start(self) -> None:
        """Takes the partition over: from now on every write of an earlier owner is refused, and its open one undone."""

    async def write(self, commit: Commit) -> None:
        """Writes a commit, wholly or not at all. Raises Fenced where another worker took over."""

    async def stop(self) -> None:
        """Ends the connection; an open transaction is undone."""


class TransactionalWriter:
    """One transactional producer, hence one owner: a new one's start fences the old one's.

    Args:
        settings: connection arguments of aiokafka's clients, and options of this producer.
        transactional_id: names what is owned.
    """

    def __init__(self, settings: dict[str, object], transactional_id: str) -> None:
        self._settings = settings
        self._id = transactional_id
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Starts the producer; the broker then fences the transactional id's previous holder."""
        self._producer = AIOKafkaProducer(transactional_id=self._id, transaction_timeout_ms=60_000, **self._settings)
        await self._producer.start()

    async def _transact(self, send: Callable[[AIOKafkaProducer], Awaitable[list[asyncio.Future[object]]]]) -> None:
        """Writes what `send` sends in one transaction. Raises Fenced where another worker took over."""
        producer = self._producer
        if producer is None:
            raise RuntimeError("the ledger was not started")
        try:
            async with asyncio.timeout(WRITE_TIMEOUT):
                await producer.begin_transaction()
                # aiokafka commits even if the broker refused one of the batches: see them all written first.
                await asyncio.gather(*await send(producer))
                await producer.commit_transaction()
        except ProducerFenced as error:
            raise Fenced(self._id) from error

    async def stop(self) -> None:
        """Closes the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), 10)
            except (KafkaError, TimeoutError) as error:
                log.warning("Closing the producer %s failed, it is dropped: %r", self._id, error)


class TransactionalLedger(TransactionalWriter):
    """Writes each commit of a source partition in one transaction.

    Args:
        settings: connection arguments of aiokafka's clients.
        app_id: with the partition it makes the transactional id.
        partition: the source partition.
        topics: where commits go.
        dead_letter_partitions: partitions of the dead-letters topic.
    """

    def __init__(
        self,
        settings: dict[str, object],
        app_id: str,
        partition: int,
        topics: LedgerTopics,
        dead_letter_partitions: int,
    ) -> None:
        super().__init__(settings | _LARGE, f"{app_id}-{partition}")
        self._partition = partition
        self._topics = topics
        self._dead_letter_partition = partition % dead_letter_partitions

    async def write(self, commit: Commit) -> None:
        """Writes all records of a commit in one transaction."""
        await self._transact(lambda producer: self._send(producer, commit))

    async def _send(self, producer: AIOKafkaProducer, commit: Commit) -> list[asyncio.Future[object]]:
        changelog, partition = self._topics.changelog, self._partition
        # send_batch() does not add its partition to the transaction: a send() to it must come first.
        sent = [await producer.send(changelog, key=MARKER_KEY, value=commit.marker, partition=partition)]
        sent += await send_batches(producer, changelog, partition, *commit.rows)
        if commit.partials:
            (key, value), *rest = commit.partials
            sent.append(await producer.send(self._topics.partials, key=key, value=value, partition=0))
            sent += await send_batches(producer, self._topics.partials, 0, [k for k, _ in rest], [v for _, v in rest])
        topic, place = self._topics.dead_letters, self._dead_letter_partition
        for letter_key, letter in commit.dead_letters:
            sent.append(await producer.send(topic, key=letter_key, value=letter, partition=place))
        return sent


class SoloLedger:
    """For a broker without transactions and a single worker: no fencing, and order instead of atomicity.

    Rows are a join, so rows newer than their marker change no figure when the source is read again from the marker.
    Hence rows first, then dead letters and partials, the marker last.
    """

    def __init__(
        self, settings: dict[str, object], partition: int, topics: LedgerTopics, dead_letter_partitions: int
    ) -> None:
        self._settings = settings
        self._partition = partition
        self._topics = topics
        self._dead_letter_partition = partition % dead_letter_partitions
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Starts an ordinary producer."""
        self._producer = AIOKafkaProducer(acks="all", **_LARGE, **self._settings)
        await self._producer.start()

    async def write(self, commit: Commit) -> None:
        """Writes the commit in an order that may be cut anywhere."""
        producer = self._producer
        if producer is None:
            raise RuntimeError("the ledger was not started")
        topics, partition = self._topics, self._partition
        await asyncio.gather(*await send_batches(producer, topics.changelog, partition, *commit.rows))
        sent: list[asyncio.Future[object]] = []
        for key, value in commit.dead_letters:
            letter = producer.send(topics.dead_letters, key=key, value=value, partition=self._dead_letter_partition)
            sent.append(await letter)
        if commit.partials:
            keys, values = [k for k, _ in commit.partials], [v for _, v in commit.partials]
            sent += await send_batches(producer, topics.partials, 0, keys, values)
        await asyncio.gather(*sent)
        await producer.send_and_wait(topics.changelog, key=MARKER_KEY, value=commit.marker, partition=partition)

    async def stop(self) -> None:
        """Closes the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()


async def send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, keys: Sequence[bytes], values: Sequence[bytes]
) -> list[asyncio.Future[object]]:
    """Sends records in batches filled by hand, which saves the client's cost a record. Returns their futures."""
    sent: list[asyncio.Future[object]] = []
    start = 0
    while start < len(keys):
        builder = producer.create_batch()
        filled = fill(builder, keys, values, start, None)
        if filled == start:
            raise RuntimeError(f"a record of {len(values[start])} bytes fits in no batch of {topic}")
        sent.append(await producer.send_batch(builder, topic, partition=partition))
        start = filled
    return sent


def fill(builder: Any, keys: Sequence[bytes], values: Sequence[bytes], start: int, timestamp: int | None) -> int:
    """Fills a batch with records from the place `start` on, with this timestamp (ms; None: the client's own).

    Returns the place after the last one that found room.

    Goes past `BatchBuilder.append`, which costs as much again as what it calls, to the builder below it.
    """
    append, offset = builder._builder.append, 0
    headers: list[object] = []
    for key, value in zip(islice(keys, start, None), islice(values, start, None), strict=True):
        if append(offset, timestamp, key, value, headers) is None:
            break
        offset += 1
    builder._relative_offset = offset
    return start + offset


async def has_transactions(settings: dict[str, object], app_id: str) -> bool:
    """Whether the broker has transactions: asks it for a transactional producer's id.

    Raises:
        ConfigurationError: it has, but refuses this client.
    """
    producer = AIOKafkaProducer(transactional_id=f"{app_id}-probe", **settings)
    try:
        await asyncio.wait_for(producer.start(), 30)
    except (IncompatibleBrokerVersion, UnsupportedVersionError, UnknownError):
        return False
    except (KafkaError, TimeoutError) as error:
        raise ConfigurationError(
            f"broker: transactions cannot be used ({error!r}). Allow this client to write "
            f"transactional ids that begin with {app_id!r}, and see that the broker's transaction log is available."
        ) from error
    finally:
        await producer.stop()
    return True
