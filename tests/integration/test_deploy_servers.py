"""The servers that integration tests stand on do what those tests rely on."""

import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis
import servers
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError
from selenium import webdriver

Topic = Callable[..., Awaitable[str]]


@pytest.fixture(scope="module")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.KafkaBroker]:
    """One to kill: that of all tests has many topics by now, and reads every log again after a crash."""
    with servers.running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


async def write(broker: servers.KafkaBroker, topic: str, values: range) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=f"writer of {topic}")
    await producer.start()
    try:
        async with producer.transaction():
            for value in values:
                await producer.send(topic, b"%d" % value, key=b"%d" % value, partition=value % 2)
    finally:
        await producer.stop()


async def read(broker: servers.KafkaBroker, topic: str, count: int) -> list[int]:
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, isolation_level="read_committed")
    await consumer.start()
    partitions = [TopicPartition(topic, number) for number in (0, 1)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning()
    values: list[int] = []

    async def all_there() -> bool:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            values.extend(int(record.value) for record in records)
        return len(values) >= count

    try:
        await servers.eventually(all_there, timeout=30)
    finally:
        await consumer.stop()
    return sorted(values)


async def test_committed_transactions_outlive_a_stop_and_a_kill_of_the_broker(
    kafka_broker: servers.KafkaBroker, topic: Topic
) -> None:
    name = await topic(servers.unique("kept"), partitions=2, config={"cleanup.policy": "compact"})
    await write(kafka_broker, name, range(100))
    kafka_broker.stop()
    assert not kafka_broker.running
    kafka_broker.start()
    assert await read(kafka_broker, name, 100) == list(range(100))
    await write(kafka_broker, name, range(100, 200))
    kafka_broker.kill()
    assert not kafka_broker.running
    kafka_broker.start()
    assert await read(kafka_broker, name, 200) == list(range(200))


async def test_creating_a_topic_that_exists_says_so(topic: Topic) -> None:
    name = await topic(servers.unique("once"))
    with pytest.raises(TopicAlreadyExistsError):
        await topic(name)


async def test_a_topic_is_never_created_by_using_it(kafka_broker: servers.KafkaBroker) -> None:
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_broker.bootstrap)
    await consumer.start()
    try:
        partition = TopicPartition(servers.unique("mistyped"), 0)
        consumer.assign([partition])
        assert partition.topic not in await consumer.topics()
    finally:
        await consumer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=kafka_broker.bootstrap, request_timeout_ms=1000)
    await producer.start()
    try:
        with pytest.raises(UnknownTopicOrPartitionError):
            await producer.send_and_wait(partition.topic, b"x")
    finally:
        await producer.stop()


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(servers.KAFKA_SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_refuses_a_port_in_use_and_names_it(kafka_broker: servers.KafkaBroker, tmp_path: Path) -> None:
    done = script("start", "--port", str(kafka_broker.port), "--data", str(tmp_path / "other"))
    assert done.returncode == 1
    assert f"port {kafka_broker.port} of 127.0.0.1 is in use" in done.stderr
    assert "--port" in done.stderr


def test_the_script_starts_no_second_broker_on_the_same_data(kafka_broker: servers.KafkaBroker) -> None:
    done = script("start", "--port", str(servers.free_port()), "--data", str(kafka_broker.data))
    assert done.returncode == 1
    assert "already running" in done.stderr


def test_wipe_removes_only_what_the_script_made(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    done = script("wipe", "--data", str(tmp_path))
    assert done.returncode == 1
    assert (tmp_path / "precious").exists()


def test_a_machine_without_java_gets_the_name_of_what_to_install(tmp_path: Path) -> None:
    for tool in ("bash", "dirname", "cmp", "mkdir", "ps"):
        (tmp_path / tool).symlink_to(servers.need(tool, tool))
    done = subprocess.run(
        [str(tmp_path / "bash"), str(servers.KAFKA_SCRIPT), "start", "--data", str(tmp_path / "data")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == servers.KAFKA_PART_MISSING
    assert "java is missing" in done.stderr
    assert "default-jre-headless" in done.stderr


def test_a_missing_part_skips_with_its_reason_and_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-server is missing.*apt-get install some-package"):
        servers.need("no-such-server", "some-package")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no-such-server is missing"):
        servers.need("no-such-server", "some-package")


async def test_waiting_gives_up_with_the_last_reason() -> None:
    def never() -> bool:
        assert 1 + 1 == 3, "sums are off"
        return True

    with pytest.raises(AssertionError, match=r"arithmetic did not hold within 0\.05 s.*sums are off"):
        await servers.eventually(never, timeout=0.05, what="arithmetic")
    with pytest.raises(AssertionError, match=r"last: \[\]"):
        servers.eventually_sync(list, timeout=0.05)


def test_redis_comes_back_with_its_data_after_a_kill(redis_server: servers.RedisServer, redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.set("kept", "yes")
    redis_server.kill()
    with pytest.raises(redis.exceptions.ConnectionError):
        client.ping()
    redis_server.start()
    assert client.get("kept") == b"yes"


def test_prometheus_scrapes_itself(prometheus_server: Callable[..., servers.PrometheusServer]) -> None:
    port = servers.free_port()
    target = {"job_name": "nobody", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
    server = prometheus_server({"global": {"scrape_interval": "1s"}, "scrape_configs": [target]})
    (sample,) = servers.eventually_sync(lambda: server.query("up"), timeout=30)
    assert sample["value"][1] == "0"


def test_chromium_opens_a_page(chromium: Callable[..., webdriver.Chrome]) -> None:
    browser = chromium(width=800, height=600)
    browser.get("data:text/html,<title>cohorts</title>")
    assert browser.title == "cohorts"
