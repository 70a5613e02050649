"""What the demo relies on in the embedded broker, and what it lacks: a test fails when either changes."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import UnknownError
from servers import eventually, eventually_sync, missing

from stream_app.demo.broker import EmbeddedBroker, find_program
from stream_app.domain.errors import ConnectionFailedError

pytestmark = pytest.mark.embedded

P0 = TopicPartition("events", 0)


@pytest.fixture
async def address() -> AsyncIterator[str]:
    try:
        find_program()
    except ConnectionFailedError as error:
        missing(str(error))
    async with EmbeddedBroker() as broker:
        async with admin(broker.address) as client:
            await client.create_topics([NewTopic("events", 4, 1)])
        yield broker.address


@asynccontextmanager
async def admin(address: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def producer(address: str, **options) -> AsyncIterator[AIOKafkaProducer]:
    client = AIOKafkaProducer(bootstrap_servers=address, acks="all", **options)
    try:
        await client.start()
        yield client
    finally:
        await client.stop()


@asynccontextmanager
async def consumer(address: str, *topics: str, **options) -> AsyncIterator[AIOKafkaConsumer]:
    options = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 100} | options
    client = AIOKafkaConsumer(*topics, bootstrap_servers=address, **options)
    await client.start()
    try:
        yield client
    finally:
        await client.stop()


async def read(client: AIOKafkaConsumer, count: int) -> dict[TopicPartition, list]:
    """At least `count` records, by partition."""
    got: dict[TopicPartition, list] = {}

    async def enough() -> bool:
        for partition, records in (await client.getmany(timeout_ms=100)).items():
            got.setdefault(partition, []).extend(records)
        return sum(map(len, got.values())) >= count

    await eventually(enough, what=f"{count} records")
    return got


async def append(client: AIOKafkaProducer, count: int, start: int = 0) -> int:
    """One batch of `count` records to P0: the offset of its first record."""
    batch = client.create_batch()
    for number in range(start, start + count):
        assert batch.append(timestamp=number, key=b"key", value=b"%d" % number) is not None
    return (await (await client.send_batch(batch, P0.topic, partition=P0.partition))).offset


# -- topics


async def test_topics_have_the_partitions_and_the_cleanup_policy_asked_for(address):
    async with admin(address) as client:
        topic = NewTopic("rows", 3, 1, topic_configs={"cleanup.policy": "compact"})
        (created,) = (await client.create_topics([topic])).topic_errors
        assert created[1] == 0
        (described,) = await client.describe_topics(["rows"])
        assert len(described["partitions"]) == 3
        (answer,) = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "rows")])
        assert "compact" in str(answer)
        (again,) = (await client.create_topics([topic])).topic_errors
        assert again[1] == 36  # TOPIC_ALREADY_EXISTS


async def test_asking_about_an_unknown_topic_creates_it(address):
    """So topics are created before anything asks about them, or they get another number of partitions."""
    async with admin(address) as client:
        assert "asked" not in await client.list_topics()
        await client.describe_topics(["asked"])
        assert "asked" in await client.list_topics()


# -- what it lacks


@pytest.mark.parametrize("options", [{"transactional_id": "app-0"}, {"enable_idempotence": True}])
async def test_a_transactional_or_idempotent_producer_is_refused_at_its_start(address, options):
    async with asyncio.timeout(5):
        with pytest.raises(UnknownError):
            async with producer(address, **options):
                pass


async def test_end_offsets_name_the_last_batchs_first_record_and_the_high_watermark_names_the_end(address):
    async with producer(address) as writer, consumer(address) as reader:
        reader.assign([P0])
        await append(writer, 10)
        assert await reader.end_offsets([P0]) == {P0: 1}
        await read(reader, 10)
        assert (await reader.position(P0), reader.highwater(P0)) == (10, 10)
        await append(writer, 1, start=10)  # a batch of one record sets it right
        assert await reader.end_offsets([P0]) == {P0: 11}


# -- what is relied on


async def test_a_batch_is_appended_and_seen_as_a_whole_and_in_order(address):
    async with producer(address, max_batch_size=1 << 20) as writer, consumer(address) as reader:
        reader.assign([P0])
        writing = asyncio.create_task(write_batches(writer, batches=20, size=500))
        seen, marks = [], set()

        async def all_read() -> bool:
            records = (await reader.getmany(timeout_ms=50)).get(P0, [])
            seen.extend((record.offset, record.value) for record in records)
            marks.add(reader.highwater(P0) or 0)
            return len(seen) == 10_000

        await eventually(all_read, what="all batches read")
        assert await writing == list(range(0, 10_000, 500))
        assert seen == [(number, b"%d" % number) for number in range(10_000)]
        assert all(mark % 500 == 0 for mark in marks), marks


async def write_batches(writer: AIOKafkaProducer, *, batches: int, size: int) -> list[int]:
    return [await append(writer, size, start=number * size) for number in range(batches)]


async def test_reading_can_begin_in_the_middle_of_a_batch(address):
    async with producer(address) as writer, consumer(address) as reader:
        await append(writer, 100)
        reader.assign([P0])
        reader.seek(P0, 42)
        records = (await read(reader, 58))[P0]
        assert [record.offset for record in records] == list(range(42, 100))
        assert records[0].timestamp == 42


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
async def test_records_of_one_key_keep_their_order_for_readers_of_both_kinds(address, isolation):
    async with producer(address) as writer, consumer(address, isolation_level=isolation) as reader:
        for number in range(200):
            await writer.send("events", b"%d" % number, key=b"%d" % (number % 7))
        await writer.flush()
        reader.subscribe(["events"])
        got = await read(reader, 200)
        partitions = {}
        for partition, records in got.items():
            for record in records:
                partitions.setdefault(record.key, []).append((partition, int(record.value)))
        assert len(partitions) == 7
        for key, places in partitions.items():
            assert len({partition for partition, _ in places}) == 1
            assert [number for _, number in places] == list(range(int(key), 200, 7))


@pytest.mark.parametrize("codec", [None, "gzip"])
async def test_a_record_of_five_megabytes_goes_through(address, codec):
    value = os.urandom(5 << 20)
    async with producer(address, max_request_size=8 << 20, compression_type=codec) as writer:
        await writer.send_and_wait("events", value, key=b"key", partition=0)
    async with consumer(address) as reader:
        reader.assign([P0])
        (record,) = (await read(reader, 1))[P0]
        assert record.value == value


async def test_a_group_goes_on_where_it_committed(address):
    options = {"group_id": "app", "session_timeout_ms": 2000, "heartbeat_interval_ms": 300}
    async with producer(address) as writer:
        await append(writer, 50)
    async with consumer(address, "events", **options) as reader:
        await read(reader, 50)
        await reader.commit({P0: 20})
        assert await reader.committed(P0) == 20
    async with consumer(address, "events", **options) as reader:
        assert (await read(reader, 30))[P0][0].offset == 20


async def test_two_members_of_a_group_share_its_partitions_and_one_takes_over_what_the_other_leaves(address):
    options = {"group_id": "app", "session_timeout_ms": 2000, "heartbeat_interval_ms": 300}
    async with consumer(address, "events", **options) as first:
        await eventually(lambda: len(first.assignment()) == 4, what="all partitions with the one member")
        async with consumer(address, "events", **options) as second:
            await eventually(lambda: (len(first.assignment()), len(second.assignment())) == (2, 2), timeout=20)
            assert not first.assignment() & second.assignment()
        await eventually(lambda: len(first.assignment()) == 4, timeout=20, what="all partitions back")


# -- its process


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # In a container without an init process nobody collects an orphan: dead, but still listed.
    status = Path(f"/proc/{pid}/stat")
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


async def test_stopping_leaves_no_process_and_a_second_start_gives_an_empty_broker(address):
    broker = EmbeddedBroker()
    await broker.start()
    pid = broker.pid
    async with producer(broker.address) as writer:
        await writer.send_and_wait("events", b"value")
    await broker.stop()
    assert broker.pid is None
    assert not alive(pid)
    async with broker, admin(broker.address) as client:
        assert await client.list_topics() == []


async def test_a_broker_that_ends_by_itself_is_noticed(address):
    async with EmbeddedBroker() as broker:
        watch = asyncio.create_task(broker.watch())
        os.kill(broker.pid, signal.SIGKILL)
        with pytest.raises(ConnectionFailedError, match="ended by itself with code -9"):
            await asyncio.wait_for(watch, 5)


CHILD = """
import asyncio, sys
from stream_app.demo.broker import EmbeddedBroker

async def main():
    broker = EmbeddedBroker()
    await broker.start()
    print(broker.pid, flush=True)
    if sys.argv[1] == "wait":
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child with its parent")
def test_the_broker_dies_with_a_parent_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", CHILD, "wait"], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline() or missing("the embedded broker does not start here"))
        assert alive(pid)
        parent.kill()
        eventually_sync(lambda: not alive(pid), what="the broker gone")


def test_the_broker_dies_with_a_parent_that_ends_without_stopping_it():
    done = subprocess.run([sys.executable, "-c", CHILD, "end"], capture_output=True, timeout=30, check=False)
    pid = int(done.stdout or missing("the embedded broker does not start here"))
    eventually_sync(lambda: not alive(pid), what="the broker gone")


def test_ctrl_c_in_the_terminal_does_not_reach_the_broker():
    with subprocess.Popen([sys.executable, "-c", CHILD, "wait"], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline() or missing("the embedded broker does not start here"))
        assert os.getpgid(pid) != os.getpgid(parent.pid)
        parent.kill()
