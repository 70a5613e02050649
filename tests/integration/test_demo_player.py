"""The player on the embedded broker: what it says it played is what is there."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from servers import eventually, missing, unique

from stream_app.demo import cdnow, simulate
from stream_app.demo.broker import EmbeddedBroker, find_program
from stream_app.demo.player import play
from stream_app.domain.errors import ConnectionFailedError

TOPICS = ("purchases", "visits")


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    try:
        find_program()
    except ConnectionFailedError as error:
        missing(str(error))
    async with EmbeddedBroker() as broker:
        client = AIOKafkaAdminClient(bootstrap_servers=broker.address)
        await client.start()
        await client.create_topics([NewTopic(topic, 4, 1) for topic in TOPICS])
        await client.close()
        yield broker


async def all_of(address: str, ends: dict[tuple[str, int], int]) -> dict[tuple[str, int], list]:
    """Every record up to the given ends."""
    reader = AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, auto_offset_reset="earliest")
    await reader.start()
    reader.assign([TopicPartition(*where) for where in ends])
    got: dict[tuple[str, int], list] = {where: [] for where in ends}

    async def complete() -> bool:
        for partition, records in (await reader.getmany(timeout_ms=100)).items():
            got[partition.topic, partition.partition].extend(records)
        return all(len(got[where]) >= end for where, end in ends.items())

    try:
        await eventually(complete, timeout=60, what="everything read")
    finally:
        await reader.stop()
    return got


@pytest.mark.embedded
async def test_the_whole_purchase_log_and_the_simulated_visits_arrive_once_in_order_a_user_on_one_partition(broker):
    purchases = [("purchases", *event) for event in cdnow.events()]
    visits = [("visits", *event) for event in simulate.events(simulate.Simulation(days=10))]
    played = await play(purchases + visits, address=broker.address, idempotent=False)

    assert played.by_topic == {"purchases": cdnow.ROWS, "visits": len(visits)}
    assert played.records == len(purchases) + len(visits) == sum(played.ends.values())
    got = await all_of(broker.address, played.ends)
    partition_of: dict[bytes, set[int]] = {}
    for (topic, partition), records in got.items():
        mine = {record.key for record in records}
        for key in mine:
            partition_of.setdefault(key, set()).add(partition)
        sent = [(key, value) for name, key, value in purchases + visits if name == topic and key in mine]
        assert [(record.key, record.value) for record in records] == sent
    assert all(len(places) == 1 for places in partition_of.values())
    assert min(map(len, got.values())) > 1_000  # no partition is left out


@pytest.mark.embedded
async def test_a_user_is_on_the_same_partition_of_every_topic_where_javas_hash_puts_it(broker):
    records = [(topic, b"21", b"value") for topic in TOPICS]
    played = await play(records, address=broker.address, idempotent=False)
    # murmur2("21") is -973932308 in Apache Kafka's UtilsTest
    assert {partition for _, partition in played.ends} == {(-973932308 & 0x7FFFFFFF) % 4}


@pytest.mark.embedded
async def test_a_broker_that_dies_on_the_way_is_one_clear_error(broker):
    def records():
        for number in range(20_000):
            if number == 10_000:
                os.kill(broker.pid, signal.SIGKILL)
            yield "visits", b"%d" % number, b"value"

    with pytest.raises(
        ConnectionFailedError, match=rf"broker {broker.address}: playing stopped after \d+ acknowledged"
    ):
        await asyncio.wait_for(play(records(), address=broker.address, idempotent=False, give_up_ms=1_000), 30)


async def test_a_broker_that_is_not_there_is_one_clear_error():
    with pytest.raises(ConnectionFailedError, match=r"broker 127\.0\.0\.1:1: .*check that it runs"):
        await play([("visits", b"1", b"value")], address="127.0.0.1:1", idempotent=False)


@pytest.mark.embedded
async def test_playing_can_be_interrupted(broker):
    endless = (("visits", b"1", b"value") for _ in iter(int, 1))
    playing = asyncio.create_task(play(endless, address=broker.address, idempotent=False))
    reader = AIOKafkaConsumer("visits", bootstrap_servers=broker.address, auto_offset_reset="earliest")
    await reader.start()
    try:
        await asyncio.wait_for(reader.getone(), 10)
    finally:
        await reader.stop()
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(playing, 10)


async def test_apache_kafka_takes_the_records_from_an_idempotent_producer(kafka_broker, topic):
    name = await topic(unique("visits"), partitions=4)
    records = [(name, key, value) for key, value in simulate.events(simulate.Simulation(days=2))]
    played = await play(records, address=kafka_broker.bootstrap, idempotent=True)
    assert played.by_topic == {name: len(records)}
    got = await all_of(kafka_broker.bootstrap, played.ends)
    assert sum(map(len, got.values())) == len(records)
