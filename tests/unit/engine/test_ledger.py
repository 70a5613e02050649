"""What the ledgers send, in which order, and what they wait for."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced

from stream_app.codecs.rows import MARKER_KEY
from stream_app.engine.ledger import Commit, Fenced, LedgerTopics, SoloLedger, TransactionalLedger, send_batches

TOPICS = LedgerTopics("changelog", "partials", "dead-letters")
COMMIT = Commit(
    rows=([b"u1", b"u2"], [b"row1", b"row2"]),
    marker=b"marker",
    partials=[(b"block", b"1"), (b"status", b"2")],
    dead_letters=[(None, b"letter")],
)


class Builder:
    """A batch with room for so many records; the one below it, which takes them, is itself."""

    def __init__(self, room: int) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.room = room
        self._builder = self

    def append(self, offset, timestamp, key, value, headers):
        assert offset == len(self.records)
        if len(self.records) >= self.room:
            return None
        self.records.append((key, value))
        return object()

    def record_count(self) -> int:
        return len(self.records)


class Producer:
    """Says what it is asked for; `hold` names topics whose records are not delivered until it is emptied."""

    def __init__(self, room: int = 100) -> None:
        self.log: list[tuple] = []
        self.room = room
        self.hold: dict[str, asyncio.Future] = {}
        self.errors: dict[str, BaseException] = {}
        self.stops = 0

    def create_batch(self) -> Builder:
        return Builder(self.room)

    def _sent(self, topic: str) -> asyncio.Future:
        if topic in self.hold:
            return self.hold[topic]
        future = asyncio.get_running_loop().create_future()
        if topic in self.errors:
            future.set_exception(self.errors[topic])
        else:
            future.set_result(None)
        return future

    async def send(self, topic, *, key, value, partition):
        self.log.append(("send", topic, partition, key, value))
        return self._sent(topic)

    async def send_and_wait(self, topic, *, key, value, partition):
        await (await self.send(topic, key=key, value=value, partition=partition))

    async def send_batch(self, builder, topic, *, partition):
        self.log.append(("batch", topic, partition, [key for key, _ in builder.records]))
        return self._sent(topic)

    async def begin_transaction(self) -> None:
        self.log.append(("begin",))

    async def commit_transaction(self) -> None:
        self.log.append(("commit",))

    async def stop(self) -> None:
        self.stops += 1

    @property
    def calls(self) -> list[tuple]:
        return [entry[:2] for entry in self.log]


def transactional(producer: Producer) -> TransactionalLedger:
    ledger = TransactionalLedger({}, "app", 3, TOPICS, 2)
    ledger._producer = producer
    return ledger


def solo(producer: Producer) -> SoloLedger:
    ledger = SoloLedger({}, 3, TOPICS, 2)
    ledger._producer = producer
    return ledger


async def test_a_commit_is_one_transaction():
    producer = Producer()
    await transactional(producer).write(COMMIT)
    assert producer.log == [
        ("begin",),
        # send() adds a partition to the transaction, send_batch() does not.
        ("send", "changelog", 3, MARKER_KEY, b"marker"),
        ("batch", "changelog", 3, [b"u1", b"u2"]),
        ("send", "partials", 0, b"block", b"1"),
        ("batch", "partials", 0, [b"status"]),
        ("send", "dead-letters", 1, None, b"letter"),
        ("commit",),
    ]


@pytest.mark.parametrize("topic", ["changelog", "partials", "dead-letters"])
async def test_a_transaction_is_not_committed_before_everything_in_it_is_written(topic):
    producer = Producer()
    producer.hold[topic] = asyncio.get_running_loop().create_future()
    writing = asyncio.create_task(transactional(producer).write(COMMIT))
    for _ in range(20):
        await asyncio.sleep(0)
    assert ("commit",) not in producer.log
    producer.hold[topic].set_result(None)
    await writing
    assert producer.log[-1] == ("commit",)


@pytest.mark.parametrize("topic", ["changelog", "partials", "dead-letters"])
async def test_a_transaction_of_which_a_batch_was_refused_is_not_committed(topic):
    """aiokafka itself would commit the rest: the marker without the rows."""
    producer = Producer()
    producer.errors[topic] = MessageSizeTooLargeError()
    with pytest.raises(MessageSizeTooLargeError):
        await transactional(producer).write(COMMIT)
    assert ("commit",) not in producer.log


async def test_a_refusal_of_the_broker_because_of_a_new_owner_is_fenced():
    producer = Producer()
    producer.errors["changelog"] = ProducerFenced()
    with pytest.raises(Fenced, match="app-3"):
        await transactional(producer).write(COMMIT)


async def test_a_commit_of_a_marker_alone_sends_nothing_else():
    producer = Producer()
    await transactional(producer).write(Commit(([], []), b"marker"))
    assert producer.calls == [("begin",), ("send", "changelog"), ("commit",)]
    other = Producer()
    await solo(other).write(Commit(([], []), b"marker"))
    assert other.calls == [("send", "changelog")]


async def test_without_transactions_rows_come_first_and_the_marker_last():
    producer = Producer()
    await solo(producer).write(COMMIT)
    assert producer.log == [
        ("batch", "changelog", 3, [b"u1", b"u2"]),
        ("send", "dead-letters", 1, None, b"letter"),
        ("batch", "partials", 0, [b"block", b"status"]),
        ("send", "changelog", 3, MARKER_KEY, b"marker"),
    ]


@pytest.mark.parametrize(
    ("held", "sent"),
    [
        ("changelog", [("batch", "changelog")]),
        ("partials", [("batch", "changelog"), ("send", "dead-letters"), ("batch", "partials")]),
        ("dead-letters", [("batch", "changelog"), ("send", "dead-letters"), ("batch", "partials")]),
    ],
)
async def test_without_transactions_each_step_waits_for_the_one_before(held, sent):
    """Counters or a marker without their rows would be wrong for good after a crash."""
    producer = Producer()
    producer.hold[held] = asyncio.get_running_loop().create_future()
    writing = asyncio.create_task(solo(producer).write(COMMIT))
    for _ in range(20):
        await asyncio.sleep(0)
    assert producer.calls == sent
    producer.hold.pop(held).set_result(None)
    await writing
    assert producer.log[-1][3] == MARKER_KEY


async def test_without_transactions_a_failed_write_writes_no_marker():
    producer = Producer()
    producer.errors["partials"] = MessageSizeTooLargeError()
    with pytest.raises(MessageSizeTooLargeError):
        await solo(producer).write(COMMIT)
    assert MARKER_KEY not in [entry[3] for entry in producer.log]


async def test_records_go_out_in_full_batches():
    producer = Producer(room=2)
    keys = [b"%d" % i for i in range(5)]
    assert len(await send_batches(producer, "t", 1, keys, keys)) == 3
    assert [entry[3] for entry in producer.log] == [keys[:2], keys[2:4], keys[4:]]


@pytest.mark.parametrize("make", [transactional, solo])
async def test_stopping_twice_stops_once(make):
    producer = Producer()
    ledger = make(producer)
    await ledger.stop()
    await ledger.stop()
    assert producer.stops == 1
    with pytest.raises(RuntimeError, match="not started"):
        await ledger.write(COMMIT)
