"""What the ledgers of the tables send, in which order, and what they wait for."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced

from stream_app.engine.ledger import Fenced
from stream_app.engine.table_ledger import SoloTableLedger, TransactionalTableLedger
from stream_app.engine.tables import Record

CHANGE = Record("alerts", b"k", b"change", (("app_id", b"app"),))
STATE, OWED = Record("states", b"s", b"1"), Record("outbox", b"o", None)


class Producer:
    def __init__(self) -> None:
        self.log: list[tuple] = []
        self.held: dict[str, asyncio.Future] = {}
        self.fails: dict[str, BaseException] = {}

    async def send(self, topic, *, key, value, partition, headers):
        assert partition == 0
        self.log.append((topic, key, value, headers))
        future = self.held.get(topic) or asyncio.get_running_loop().create_future()
        if topic in self.fails:
            future.set_exception(self.fails[topic])
        elif topic not in self.held:
            future.set_result(None)
        return future

    async def begin_transaction(self) -> None:
        self.log.append(("begin",))
        if "begin" in self.fails:
            raise self.fails["begin"]

    async def commit_transaction(self) -> None:
        self.log.append(("commit",))

    async def stop(self) -> None:
        self.log.append(("stop",))


def transactional() -> tuple[TransactionalTableLedger, Producer]:
    ledger = TransactionalTableLedger({}, "app")
    ledger._producer = producer = Producer()
    return ledger, producer


async def test_all_records_are_one_transaction():
    ledger, producer = transactional()
    await ledger.write([CHANGE, OWED, STATE])
    assert producer.log == [
        ("begin",), ("alerts", b"k", b"change", [("app_id", b"app")]), ("outbox", b"o", None, []),
        ("states", b"s", b"1", []), ("commit",),
    ]  # fmt: skip


async def test_nothing_is_committed_before_every_record_is_written():
    ledger, producer = transactional()
    producer.held["states"] = asyncio.get_running_loop().create_future()
    writing = asyncio.create_task(ledger.write([CHANGE, STATE]))
    await asyncio.sleep(0.01)
    assert ("commit",) not in producer.log
    producer.held["states"].set_result(None)
    await writing
    assert producer.log[-1] == ("commit",)


async def test_a_record_that_is_refused_is_not_committed_with_the_others():
    ledger, producer = transactional()
    producer.fails["states"] = MessageSizeTooLargeError()
    with pytest.raises(MessageSizeTooLargeError):
        await ledger.write([CHANGE, STATE])
    assert ("commit",) not in producer.log


async def test_a_fenced_producer_says_so():
    ledger, producer = transactional()
    producer.fails["begin"] = ProducerFenced()
    with pytest.raises(Fenced, match="app-tables"):
        await ledger.write([STATE])
    await ledger.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await ledger.write([STATE])


async def test_without_transactions_what_follows_is_written_after_what_it_follows_from():
    ledger = SoloTableLedger({})
    ledger._producer = producer = Producer()
    producer.held["alerts"] = asyncio.get_running_loop().create_future()
    writing = asyncio.create_task(ledger.write([CHANGE, OWED, STATE]))
    await asyncio.sleep(0.01)
    assert [entry[0] for entry in producer.log] == ["alerts"]
    producer.held["alerts"].set_result(None)
    await writing
    assert [entry[0] for entry in producer.log] == ["alerts", "outbox", "states"]
