"""A running service gets another configuration, over a real Kafka: its figures become those of the same events anew."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import servers
from aiokafka import AIOKafkaConsumer
from support.cluster import PARTITIONS, Cluster
from support.workers import ROOT, produce, read_all

from stream_app.engine.changelog import newest_markers
from stream_app.offline import analyze
from stream_app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

SEED = 20_261_123
RULES = """
quality: off
rules:
  - {name: come-back, definition: engagement, grain: day, index: 7, below: 0.2, resolve: 0.3, min_group: 1}
"""
START = 1_710_460_800_000  # 2024-03-15T00:00:00Z: clocks change in Berlin two weeks later
HOUR = 3_600_000
QUERIES = [
    (definition, grain, kind, segment)
    for definition, grain, kind in (
        ("engagement", "day", "classic"), ("engagement", "week", "rolling"), ("repurchase", "month", "classic"),
    )
    for segment in (None, "country")
]  # fmt: skip


@dataclass
class Log:
    """Events as they lie in the topics, and as a file for `analyze`."""

    file: Path
    visits: list[tuple[bytes, bytes]]
    purchases: list[tuple[bytes, bytes]]

    def __len__(self) -> int:
        return len(self.visits) + len(self.purchases)

    def figures(self, timezone: str, segment: str | None, definition: str, grain: str, kind: str) -> Any:
        given = {"definition": definition, "grain": grain, "kind": kind} | ({"segment": segment} if segment else {})
        return analyze(str(self.file), given, settings=Settings(timezone=timezone, allowed_lateness=0))


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """10,000 events of 900 users over ten weeks, late and out of order, some of them twice."""
    chance = random.Random(SEED)
    lines: list[tuple[str, bytes, bytes]] = []
    for number in range(10_000):
        user = f"u{int(900 * chance.random() ** 2)}"
        at = START + int(number * 0.168 * HOUR + chance.gauss(0, 40) * HOUR)
        event: dict[str, object] = {"type": "visit", "event_id": f"e{number}", "user_id": user, "occurred_at": at}
        event["segment"] = {"plan": chance.choice("abc"), "country": chance.choice(["DE", "FR", "US"])}
        if chance.random() < 0.3:
            event |= {"type": "purchase", "order_id": f"o{number}", "amount": "9.99", "currency": "USD"}
        lines.append((str(event["type"]), user.encode(), json.dumps(event).encode()))
    lines += chance.sample(lines, 300)
    # The latest event of all: idle partitions let the watermark pass to it.
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(line for _, _, line in lines))
    by = {kind: [(user, line) for k, user, line in lines if k == kind] for kind in ("visit", "purchase")}
    return Log(file, by["visit"], by["purchase"])


async def produced(cluster: Cluster, log: Log) -> None:
    await produce(cluster.bootstrap, cluster.visits, log.visits)
    await produce(cluster.bootstrap, cluster.purchases, log.purchases)


async def shown(cluster: Cluster, log: Log, timezone: str, segments: tuple[str, ...]) -> None:
    """Waits until the service shows what `analyze` makes of the log."""
    queries = [query for query in QUERIES if query[3] is None or query[3] in segments]
    wanted = {query: log.figures(timezone, query[3], *query[:3]) for query in queries}

    def same() -> bool:
        for query, answer in wanted.items():
            definition, grain, kind, segment = query
            path = f"/api/v1/retention?definition={definition}&grain={grain}&kind={kind}"
            found = cluster.get(path + (f"&segment={segment}" if segment else ""))
            assert found.get("as_of") == answer["as_of"], (query, found.get("as_of"), answer["as_of"])
            assert found["timezone"] == timezone
            assert found["segments"] == answer["segments"], query
        return True

    await servers.eventually(same, 60, "the figures to be those of the log")


async def alerts(cluster: Cluster) -> list[str]:
    """The cohorts whose cells changed the alert, in the order in which they did."""
    return [json.loads(record.value)["cohort"] for record in await read_all(cluster.bootstrap, cluster.alerts)]


def configured(cluster: Cluster, **settings: object) -> Cluster:
    cluster.settings |= {"allowed_lateness": 0, "dimensions": "plan,country", "idle_after": 1} | settings
    return cluster


def ended(worker: Any, timeout: float = 40.0) -> int:
    servers.eventually_sync(lambda: not worker.running, timeout, "the worker to end")
    return int(worker.process.wait())


async def test_a_smaller_configuration_takes_the_state_over_worker_by_worker(cluster: Cluster, log: Log) -> None:
    configured(cluster).start(2)
    await cluster.shared_out()
    await produced(cluster, log)
    await shown(cluster, log, "UTC", ("plan", "country"))
    old = list(cluster.workers)
    cluster.settings |= {"dimensions": "country", "inactivity_days": 14}
    for worker in old:
        assert worker.stop() == 0
        cluster.workers.remove(worker)
        cluster.start()
    await cluster.shared_out()
    await shown(cluster, log, "UTC", ("country",))
    assert cluster.totals["read"] == len(log)
    # What was migrated is taken over, its rows of before still in the changelog.
    cluster.workers[0].kill()
    await cluster.shared_out()
    await servers.eventually(lambda: cluster.workers[1].ready, 30, "the other to take over")
    await shown(cluster, log, "UTC", ("country",))
    # A worker of the old configuration that comes back names what differs, and takes nothing.
    worker = old[0].start()
    assert ended(worker) == 2
    assert "another configuration: dimensions not kept so far: plan" in worker.log, worker.log[-2000:]
    await shown(cluster, log, "UTC", ("country",))


class Rebuilding:
    """`stream-app rebuild` in a process of its own."""

    def __init__(self, cluster: Cluster, *options: str) -> None:
        names = ("broker", "app_id", "visits_topic", "purchases_topic", "alerts_topic", "dead_letters_topic")
        names = (*names, "dimensions", "timezone")
        clean = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_APP_")}
        env = clean | {f"STREAM_APP_{n.upper()}": str(cluster.settings[n]) for n in names if n in cluster.settings}
        self.log = cluster.folder / f"rebuild-{servers.unique('x')}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "rebuild", *options], cwd=ROOT, env=env, stdout=log, stderr=log
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def end(self, code: int = 0) -> str:
        assert self.process.wait(60) == code, self.said
        return self.said


async def test_a_rebuild_beside_the_running_service_gives_it_another_time_zone_and_dimension(
    cluster: Cluster, log: Log
) -> None:
    kafka: dict[str, object] = {"bootstrap_servers": cluster.bootstrap}
    rules = cluster.folder / "rules.yml"
    rules.write_text(RULES)
    (worker,) = configured(cluster, dimensions="plan", rules=rules).start()
    half = Log(log.file, log.visits[: len(log.visits) // 2], log.purchases)
    bad = [(b"x", b"not an event")] * 20
    await cluster.shared_out()
    await produced(cluster, half)
    await produce(cluster.bootstrap, cluster.visits, bad)
    await cluster.read(len(half) + len(bad))

    cluster.settings |= {"dimensions": "country,plan", "timezone": "Europe/Berlin"}
    await servers.eventually(lambda: alerts(cluster), 30, "the first alerts")
    killed = Rebuilding(cluster)
    changelog = f"{cluster.app}.g2-users-changelog"

    async def counting() -> bool:
        assert killed.process.poll() is None, killed.said
        markers = await newest_markers(kafka, changelog, range(PARTITIONS)) if "g2" in str(await names()) else {}
        return any(markers.values())

    async def names() -> set[str]:
        async with AIOKafkaConsumer(bootstrap_servers=cluster.bootstrap) as consumer:
            return await consumer.topics()

    await servers.eventually(counting, 30, "the rebuild to be under way")
    killed.process.kill()
    assert "Switched" not in killed.said
    assert cluster.totals["read"] == len(half) + len(bad)
    assert worker.ready

    producing = asyncio.create_task(produce(cluster.bootstrap, cluster.visits, log.visits[len(half.visits) :]))
    rebuilding = Rebuilding(cluster, "--delete-old")
    assert ended(worker) == 1  # what a supervisor restarts
    assert "generation 2" in worker.log
    cluster.workers.clear()
    (worker,) = cluster.start()
    await producing
    said = rebuilding.end()
    assert "Going on with generation 2" in said
    assert f"Deleted the topics {cluster.app}-closings" in said
    await cluster.read(len(log) + len(bad))
    await shown(cluster, log, "Europe/Berlin", ("plan", "country"))
    assert cluster.totals["dead_lettered"] == len(bad)
    letters = await read_all(cluster.bootstrap, cluster.settings["dead_letters_topic"])
    assert len(letters) == len(bad)  # the running service had written them
    told = await alerts(cluster)
    assert told == sorted(set(told))  # none was judged again under the other time zone
    # The old configuration is not that of the state any more.
    cluster.settings |= {"dimensions": "plan", "timezone": "UTC"}
    (old,) = cluster.start()
    assert ended(old) == 2
    assert "stream-app rebuild" in old.log
    cluster.workers.remove(old)
    assert worker.stop() == 0
