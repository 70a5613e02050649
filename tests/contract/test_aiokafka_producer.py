"""aiokafka's transactional producer: why `TransactionalLedger` sends as it does."""

from __future__ import annotations

import asyncio
import inspect

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, ProducerFenced
from aiokafka.producer import sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.transaction_manager import TransactionManager, TransactionState
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.structs import TopicPartition

from stream_app.engine.ledger import fill

TP = TopicPartition("changelog", 0)


class Cluster:
    def leader_for_partition(self, _tp):
        return 0


async def manager() -> TransactionManager:
    made = TransactionManager("app-0", 60_000)
    made.set_pid_and_epoch(1, 0)
    made.begin_transaction()
    return made


async def test_the_states_of_a_transaction():
    made = TransactionManager("app-0", 60_000)
    assert made.state is TransactionState.UNINITIALIZED
    made.set_pid_and_epoch(1, 0)
    made.begin_transaction()
    assert made.is_in_transaction()
    made.committing_transaction()
    assert made.state is TransactionState.COMMITTING_TRANSACTION
    made.complete_transaction()
    assert made.state is TransactionState.READY, "one producer makes one transaction after the other"


async def test_after_being_fenced_a_producer_commits_nothing():
    made = await manager()
    made.fatal_error(ProducerFenced())
    with pytest.raises(ProducerFenced):
        await made.wait_for_transaction_end()
    assert made.is_fatal_error()


async def test_what_is_sent_adds_its_partition_to_the_transaction():
    """In 0.14 a batch does so too; the ledger sends one record to each partition first and does not rely on it."""
    made = await manager()
    accumulator = MessageAccumulator(Cluster(), 1 << 20, 0, 30, txn_manager=made)
    await accumulator.add_message(TP, b"k", b"v", timeout=1)
    assert made.partitions_to_add() == {TP}, "send() does not add its partition to the transaction any more"
    builder = accumulator.create_builder()
    builder.append(key=b"k", value=b"v", timestamp=None)
    other = TopicPartition("partials", 0)
    await accumulator.add_batch(builder, other, 1)
    assert made.partitions_to_add() == {TP, other}, "send_batch() relies on the send() before it again: keep it there"


async def test_batches_filled_by_hand_are_transactional():
    accumulator = MessageAccumulator(Cluster(), 1 << 20, 0, 30, txn_manager=await manager())
    builder = accumulator.create_builder()
    builder.append(key=b"k", value=b"v", timestamp=None)
    builder._set_producer_state(1, 0, 0)
    assert DefaultRecordBatch(bytes(builder._build())).is_transactional


async def test_outside_a_transaction_nothing_is_added():
    made = TransactionManager("app-0", 60_000)
    made.set_pid_and_epoch(1, 0)
    accumulator = MessageAccumulator(Cluster(), 1 << 20, 0, 30, txn_manager=made)
    with pytest.raises(AssertionError):
        await accumulator.add_message(TP, b"k", b"v", timeout=1)


async def test_a_commit_does_not_fail_when_a_batch_did():
    """Hence the ledger waits for its batches itself before it commits."""
    accumulator = MessageAccumulator(Cluster(), 1 << 20, 0, 30, txn_manager=None)
    builder = accumulator.create_builder()
    assert builder.append(key=b"k", value=b"v", timestamp=None)
    future = await accumulator.add_batch(builder, TP, 1)
    flushing = asyncio.create_task(accumulator.flush_for_commit())
    await asyncio.sleep(0)
    accumulator._batches[TP][0].failure(MessageSizeTooLargeError())
    await flushing
    with pytest.raises(MessageSizeTooLargeError):
        await future
    assert "flush_for_commit" in inspect.getsource(sender.Sender._do_txn_commit)


def test_a_stale_epoch_is_reported_as_fenced():
    source = inspect.getsource(sender)
    assert source.count("ProducerFenced()") >= 5, "InvalidProducerEpoch must reach the ledger as ProducerFenced"


def test_a_batch_is_full_by_bytes_but_takes_its_first_record_whatever_its_size():
    builder = BatchBuilder(1000, 0, is_transactional=1)
    assert builder.append(key=b"k", value=b"v" * 5000, timestamp=None) is not None
    assert builder.append(key=b"k", value=b"v", timestamp=None) is None
    assert builder.record_count() == 1


def test_the_arguments_the_ledgers_give():
    parameters = inspect.signature(AIOKafkaProducer.__init__).parameters
    for name in ("transactional_id", "max_batch_size", "transaction_timeout_ms", "acks", "max_request_size"):
        assert name in parameters, f"AIOKafkaProducer takes no {name} any more"
    assert parameters["max_request_size"].default == 1_048_576
    assert parameters["linger_ms"].default == 0, "a commit would wait for the linger time"
    assert list(inspect.signature(AIOKafkaProducer.send_batch).parameters) == ["self", "batch", "topic", "partition"]


def test_a_batch_filled_below_its_builder_is_the_same_as_one_filled_through_it():
    """`engine.ledger.fill` goes past `BatchBuilder.append`."""
    keys, values = [b"k%d" % n for n in range(60)], [b"v" * n for n in range(60)]
    batches, start = [], 0
    while start < len(keys):
        below, through = BatchBuilder(700, 0, is_transactional=1), BatchBuilder(700, 0, is_transactional=1)
        filled = fill(below, keys, values, start, 1_700_000_000_000)
        for place in range(start, filled):
            assert through.append(key=keys[place], value=values[place], timestamp=1_700_000_000_000)
        assert filled == len(keys) or through.append(key=keys[filled], value=values[filled], timestamp=1) is None
        assert below.record_count() == through.record_count() == filled - start > 0
        batches.append(bytes(below._build()))
        assert batches[-1] == bytes(through._build())
        start = filled
    assert len(batches) > 2
