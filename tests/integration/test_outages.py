"""Redis, the broker and workers going away and coming back, over real servers: counting goes on, figures stay exact."""

from __future__ import annotations

import asyncio
import re
import signal
import time
import urllib.request
from typing import TYPE_CHECKING

import pytest
import servers
from aiokafka.admin import AIOKafkaAdminClient
from support.cluster import PARTITIONS, Cluster, assert_matrix, closing_visit, log_records, pieces
from support.workers import produce

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.workers import Worker

STOP_SECONDS = 10.0


@pytest.fixture(scope="module")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.KafkaBroker]:
    """One to kill: that of all tests has many topics by now, and reads every log again after a crash."""
    with servers.running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


def counted(worker: Worker) -> int:
    """Records that this worker counted since it started, by its own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return int(sum(float(n) for n in re.findall(r"^stream_app_records_counted_total\{.*\} (\S+)$", text, re.MULTILINE)))


def freshness(worker: Worker) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/api/v1/retention", timeout=10) as answer:
        return str(answer.headers["Stream-App-Figures"])


async def test_counting_goes_on_without_redis_and_the_figures_are_complete_once_it_is_back(
    cluster: Cluster, redis_server: servers.RedisServer
) -> None:
    (worker,) = cluster.start()
    await cluster.shared_out()
    records = log_records()
    first, *others = pieces(records, 4)
    await produce(cluster.bootstrap, cluster.purchases, first)
    await cluster.read(len(first))
    assert freshness(worker) == "current"

    redis_server.kill()
    for number, piece in enumerate(others, start=1):
        await produce(cluster.bootstrap, cluster.purchases, piece)
        goal = len(first) + sum(map(len, others[:number]))
        await servers.eventually(lambda goal=goal: counted(worker) == goal, 30, "counting to go on")
    health = worker.get("/readyz")
    assert health["ready"], health
    assert any(line.startswith("redis: ") for line in health["degraded"])
    assert any(line.startswith("figures: ") for line in health["degraded"])
    assert freshness(worker) == "stale"
    assert cluster.totals["read"] == len(first)

    redis_server.start()
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.through(len(records) + 1)
    assert_matrix(cluster)
    assert freshness(worker) == "current"
    await servers.eventually(lambda: worker.get("/readyz")["degraded"] == [], 10, "health to be good again")
    assert " ERROR " not in worker.log


async def test_figures_reach_a_redis_that_comes_back_empty_without_a_new_event(
    cluster: Cluster, redis_server: servers.RedisServer
) -> None:
    (worker,) = cluster.start()
    await cluster.shared_out()
    records = [*log_records()[:5_000]]
    await produce(cluster.bootstrap, cluster.purchases, records[:4_000])
    await cluster.read(4_000)
    redis_server.kill()
    await produce(cluster.bootstrap, cluster.purchases, records[4_000:])
    await servers.eventually(lambda: counted(worker) == len(records), 30, "counting to go on")
    redis_server.start()
    redis_server.flush()
    await cluster.read(len(records), 30)


async def test_a_broker_that_crashes_and_comes_back_changes_no_figure(
    cluster: Cluster, kafka_broker: servers.KafkaBroker
) -> None:
    cluster.start(2)
    await cluster.shared_out()
    records = log_records()
    first, second = pieces(records, 2)
    await produce(cluster.bootstrap, cluster.purchases, first)
    await servers.eventually(lambda: cluster.totals.get("read", 0) > 1_000, 30, "reading to be under way")
    kafka_broker.kill()
    supervisor = asyncio.create_task(supervise(cluster))
    await servers.eventually(lambda: all(complains_of_the_broker(w) for w in cluster.workers), 20, "health to say so")
    await asyncio.to_thread(kafka_broker.start)
    await produce(cluster.bootstrap, cluster.purchases, second)
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.through(len(records) + 1)
    await cluster.shared_out()
    assert_matrix(cluster)
    supervisor.cancel()
    for worker in cluster.workers:
        await servers.eventually(lambda worker=worker: worker.get("/readyz")["degraded"] == [], 20, "good health")
        assert worker.log.count(" aiokafka") < 5, "a client without a broker has a hundred errors a second to tell"


def complains_of_the_broker(worker: Worker) -> bool:
    return not worker.running or any(line.startswith("broker: ") for line in worker.get("/readyz")["degraded"])


async def supervise(cluster: Cluster) -> None:
    """What a supervisor does: a worker that ended with an error is started again."""
    while True:
        for worker in cluster.workers:
            if not worker.running:
                assert worker.process is not None
                assert worker.process.returncode != 0, "an outage is no reason to end as if all were well"
                worker.start()
        await asyncio.sleep(servers.POLL_SECONDS)


async def test_a_worker_that_is_told_to_stop_ends_well_and_the_next_one_reads_nothing_twice(cluster: Cluster) -> None:
    (worker,) = cluster.start()
    await cluster.shared_out()
    records = log_records()
    first, second = pieces(records, 2)
    await produce(cluster.bootstrap, cluster.purchases, first)
    await servers.eventually(lambda: cluster.totals.get("read", 0) > 1_000, 30, "reading to be under way")
    before = counted(worker)
    told = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - told < STOP_SECONDS
    assert before > 0
    assert " ERROR " not in worker.log
    assert "Traceback" not in worker.log

    worker.start()
    await produce(cluster.bootstrap, cluster.purchases, second)
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.through(len(records) + 1)
    assert_matrix(cluster)
    assert cluster.totals["counted"] == len(records) + 1


async def test_a_worker_ends_well_without_a_broker_too(cluster: Cluster, kafka_broker: servers.KafkaBroker) -> None:
    (worker,) = cluster.start()
    await servers.eventually(lambda: worker.ready, 30, "the worker to be ready")
    kafka_broker.kill()
    await servers.eventually(lambda: complains_of_the_broker(worker), 20, "health to say so")
    assert worker.stop() == 0  # within what a supervisor waits
    assert "Traceback" not in worker.log


async def test_a_worker_is_stopped_while_it_starts(cluster: Cluster) -> None:
    (worker,) = cluster.start()
    await servers.eventually(lambda: worker.log, 10, "a first sign of life")
    told = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - told < STOP_SECONDS
    assert "Traceback" not in worker.log


async def test_a_worker_is_stopped_while_it_joins_the_others(cluster: Cluster) -> None:
    cluster.settings["session_timeout"] = 10
    (first,) = cluster.start()
    await cluster.shared_out()
    (second,) = cluster.start()
    await servers.eventually(lambda: second.log, 10, "a first sign of life")
    first.send(signal.SIGSTOP)  # the group waits for it, and so does the second
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()

    async def joining() -> bool:
        (answer,) = await admin.describe_consumer_groups([cluster.app])
        return bool(answer.groups[0][2] == "PreparingRebalance")

    try:
        await servers.eventually(joining, 10, "the second to join")
        told = time.monotonic()
        assert await asyncio.to_thread(second.stop) == 0
        assert time.monotonic() - told < STOP_SECONDS
    finally:
        first.send(signal.SIGCONT)
        await admin.close()
    assert "Traceback" not in second.log
    assert " ERROR " not in second.log
    await cluster.shared_out()


async def test_partitions_are_shared_out_again_when_a_worker_leaves_and_comes_back(cluster: Cluster) -> None:
    cluster.start(2)
    await cluster.shared_out()
    one, other = cluster.workers
    records = log_records()[:20_000]
    first, second, third = pieces(records, 3)
    await produce(cluster.bootstrap, cluster.purchases, first)
    assert one.stop() == 0
    await cluster.shared_out()
    assert other.partitions == list(range(PARTITIONS))
    await produce(cluster.bootstrap, cluster.purchases, second)
    one.start()
    await cluster.shared_out()
    await produce(cluster.bootstrap, cluster.purchases, third)
    await cluster.read(len(records))
    await servers.eventually(lambda: one.ready and other.ready, 30, "both to be ready")
    assert counted(one) > 0  # it counts again, it does not only own
    assert other.stop() == 0
    await cluster.shared_out()
