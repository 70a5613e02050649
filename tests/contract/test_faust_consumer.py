"""Faust's consumer, schema and scheduler: what `engine.transport`, `engine.app` and `engine.chunks` override."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import faust
from faust.serializers.schemas import Schema
from faust.transport.consumer import Consumer, ConsumerThread, ThreadDelegateConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage, Message

from stream_app.engine.app import ChunkSchema, ServiceApp
from stream_app.engine.assignor import CoPartitionAssignor
from stream_app.engine.chunks import Chunk, ChunkScheduler, Piece
from stream_app.engine.topics import Topics
from stream_app.engine.transport import ChunkConsumer, ChunkConsumerThread, Transport

NAMES = Topics("visits", "purchases", "changelog", "partials", "closings", "alerts", "dead-letters")
TP0 = TP("visits", 0)


def app() -> ServiceApp:
    return ServiceApp("contract", NAMES, broker="kafka://127.0.0.1:1", reply_create_topic=False)


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_hooks_have_the_signatures_that_are_overridden():
    expected = {
        "_to_message": ["self", "tp", "record"],
        "_new_offset": ["self", "tp"],
        "_add_gap": ["self", "tp", "offset_from", "offset_to"],
        "seek_to_committed": ["self"],
        "on_partitions_revoked": ["self", "revoked"],
        "on_partitions_assigned": ["self", "assigned", "generation_id"],
        "_new_consumer_thread": ["self"],
    }
    for name, names in expected.items():
        assert parameters(getattr(driver.Consumer, name)) == names, f"Faust's Consumer.{name} takes other arguments"
        assert parameters(getattr(ChunkConsumer, name)) == names, f"ChunkConsumer.{name} no longer fits Faust's"
    for name in ("_add_gap", "seek_to_committed", "on_partitions_revoked", "on_partitions_assigned"):
        assert inspect.iscoroutinefunction(getattr(driver.Consumer, name)), (
            f"Consumer.{name} is not a coroutine any more"
        )
    assert not inspect.iscoroutinefunction(driver.Consumer._new_offset)
    for name in ("seek_wait", "assignment", "highwater", "pause_partitions", "resume_partitions"):
        assert callable(getattr(driver.Consumer, name)), f"Consumer.{name} is gone: engine.sources uses it"
    assert parameters(driver.AIOKafkaConsumerThread._create_worker_consumer) == ["self", "transport"]


def test_a_message_takes_its_arguments_in_this_order():
    assert parameters(Message.__init__)[1:13] == [
        "topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum",
        "serialized_key_size", "serialized_value_size", "tp",
    ], "ChunkConsumer._to_message gives them by position"  # fmt: skip
    assert "generation_id" in parameters(ConsumerMessage.__init__)


def consumer() -> ChunkConsumer:
    made = object.__new__(ChunkConsumer)
    made.app = SimpleNamespace(
        consumer_generation_id=3, chunk_topics=NAMES.chunked, durable_offset=lambda tp: 40 + tp.partition
    )
    made._acked, made._acked_index, made._gap, made._committed_offset = {TP0: [1, 2]}, {TP0: {1}}, {}, {}
    return made


def test_a_chunk_becomes_one_message_at_its_last_offset():
    chunk = Chunk(5, 9, [b"k"], [b"v"], [7], "visits", 0)
    message = consumer()._to_message(TP0, chunk)
    assert isinstance(message, ConsumerMessage)
    assert (message.topic, message.partition, message.offset, message.tp) == ("visits", 0, 8, TP0)
    assert message.value is chunk
    assert (message.key, message.generation_id) == (None, 3)
    assert message.headers is None
    # Faust drops a message whose offset lies before where it seeks: a chunk must end behind where it starts.
    assert message.offset >= chunk.start


async def test_what_is_committed_for_chunk_topics_is_what_is_durable():
    made = consumer()
    assert made._new_offset(TP0) == 40
    assert not made._acked[TP0]
    assert not made._acked_index[TP0]
    await made._add_gap(TP0, 1, 10**9)  # a gap of that size would be built offset by offset
    assert made._gap == {}


async def test_faust_iterates_what_the_scheduler_yields():
    """`Consumer.getmany` makes one message of each (tp, record) that the scheduler gives."""
    made = consumer()
    records = OrderedDict({TP0: [Piece(0, 2, [None] * 2, [b"a", b"b"], [0, 1]), Piece(2, 3, [None], [b"c"], [2])]})

    async def next_records(_timeout):
        return records, None

    made._wait_next_records = next_records
    made.scheduler, made.flow_active = ChunkScheduler(), True
    made._buffered_partitions = set()
    made.app.monitor = SimpleNamespace(track_tp_end_offset=lambda *_: None)
    made.highwater = lambda _tp: 3
    type(made).should_stop, kept = False, type(made).should_stop
    try:
        found = [(tp, message) async for tp, message in made.getmany(0.0)]
    finally:
        type(made).should_stop = kept
    ((tp, message),) = found
    assert tp == TP0
    assert message.value.values == [b"a", b"b", b"c"]


def test_the_consumer_makes_its_scheduler_of_the_setting():
    assert "self.scheduler = self.app.conf.ConsumerScheduler()" in inspect.getsource(Consumer.__init__)
    assert app().conf.ConsumerScheduler is ChunkScheduler


def test_a_seek_lets_earlier_offsets_through_again():
    """Faust drops messages before `_read_offset`; `Sources` goes back by `seek_wait`, which must reset it."""
    source = inspect.getsource(driver.AIOKafkaConsumerThread._seek_wait)
    assert "_read_offset[tp] = offset" in source
    assert "del self.consumer._read_offset[tp]" in source
    assert "r_offset is None or offset >= r_offset" in inspect.getsource(Consumer._drain_messages)


def test_faust_asks_for_positions_through_seek_to_committed():
    source = inspect.getsource(Consumer.perform_seek)
    assert "await self.seek_to_committed()" in source
    assert issubclass(driver.Consumer, ThreadDelegateConsumer)


def test_the_generation_comes_with_the_assignment():
    source = inspect.getsource(driver.ConsumerRebalanceListener.on_partitions_assigned)
    assert "_coordinator.generation" in source
    assert "consumer_generation_id = generation" in source
    assert "generation_id" in parameters(ThreadDelegateConsumer.threadsafe_partitions_assigned)
    assert "generation_id" in parameters(ConsumerThread.on_partitions_assigned)


def test_the_consumer_thread_keeps_aiokafkas_consumer_in_a_known_place():
    source = inspect.getsource(driver.AIOKafkaConsumerThread.on_start)
    assert "self._consumer = self._create_consumer(" in source
    assert "await self._consumer.start()" in source
    assert issubclass(ChunkConsumerThread, driver.AIOKafkaConsumerThread)
    for name in ("server_list", "credentials_to_aiokafka_auth"):
        assert callable(getattr(driver, name)), f"faust.transport.drivers.aiokafka.{name} is gone"


def test_aiokafkas_consumer_takes_the_arguments_it_is_given():
    from aiokafka import AIOKafkaConsumer

    known = parameters(AIOKafkaConsumer.__init__)
    for name in (
        "client_id", "group_id", "bootstrap_servers", "partition_assignment_strategy", "enable_auto_commit",
        "auto_offset_reset", "fetch_max_bytes", "max_partition_fetch_bytes", "fetch_max_wait_ms", "request_timeout_ms",
        "check_crcs",
        "session_timeout_ms", "rebalance_timeout_ms", "heartbeat_interval_ms", "isolation_level", "metadata_max_age_ms",
    ):  # fmt: skip
        assert name in known, f"AIOKafkaConsumer takes no {name} any more"
    for name in ("highwater", "last_stable_offset", "getmany", "position", "seek_to_beginning", "end_offsets"):
        assert callable(getattr(AIOKafkaConsumer, name)), f"AIOKafkaConsumer.{name} is gone"


async def test_a_schema_is_compiled_to_a_coroutine_that_makes_an_event():
    assert parameters(Schema.compile) == [
        "self", "app", "on_key_decode_error", "on_value_decode_error", "default_propagate"
    ]  # fmt: skip
    made = []
    fake = SimpleNamespace(create_event=lambda *given: made.append(given) or "event")
    decode = ChunkSchema().compile(fake, on_key_decode_error=None, on_value_decode_error=None, default_propagate=False)
    message = SimpleNamespace(value="chunk")
    assert await decode(message, propagate=False) == "event"
    assert made == [(None, "chunk", None, message)]
    assert parameters(faust.App.create_event) == ["self", "key", "value", "headers", "message"]


def test_the_app_takes_every_option_and_uses_our_parts():
    made = app()
    conf = made.conf
    assert conf.ConsumerScheduler is ChunkScheduler
    assert conf.PartitionAssignor is CoPartitionAssignor
    assert isinstance(made.assignor, CoPartitionAssignor)
    assert isinstance(made.transport, Transport)
    assert isinstance(made.producer_transport, Transport)
    assert Transport.Consumer is ChunkConsumer
    assert ChunkConsumer in inspect.getmro(type(made.transport).Consumer)
    assert (conf.web_enabled, conf.stream_wait_empty, conf.topic_disable_leader) == (False, False, True)
    assert (conf.stream_buffer_maxsize, conf.producer_acks, conf.stream_publish_on_commit) == (1, -1, False)
    assert conf.processing_guarantee.value == "at_least_once"


def test_chunk_topics_are_read_by_the_chunk_schema():
    made = app()
    assert isinstance(made.chunk_topic("visits").schema, ChunkSchema)
