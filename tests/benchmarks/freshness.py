"""How old the figures of the API are while the worker is as busy as it can be without falling behind.

    python -m tests.benchmarks.freshness [--events N] [--users N] [--load SHARE] [--rounds N] [--short]

Starts a Kafka of its own, and a worker pinned to one core. The first half of the benchmark's workload (its time moved
so that the last event is of now) is read as a backlog, which gives the worker's capacity. The second half is then
produced at a share of that (0.85), so that the queue stays short: with a source faster than the worker the figures are
as old as the backlog is long, whatever the service does. Besides, five times a second a new user's first visit is
written, under a segment value of its own, and the API is asked 50 times a second how many such users there are. A
probe's time runs from just before its visit is sent to the answer that counts it. It asserts that all of them are
counted, and nothing about time.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import servers
from aiokafka import AIOKafkaProducer
from support.workers import Worker

from tests.benchmarks import log, workload
from tests.benchmarks.machine import Cores, marked, pinned, usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiokafka.producer.message_accumulator import BatchBuilder

    from tests.benchmarks.workload import Workload

PART_MISSING = 3
PROBE = "probe"
#: Seconds between probes, and between looks.
EVERY, LOOK = 0.2, 0.02
DEADLINE = 120.0
QUESTION = "/api/v1/retention?definition=engagement&grain=month&segment=plan"


class Looker(threading.Thread):
    """Asks the API how many probes it counts, and notes when each number was first seen, and the worker's lag."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.seen: list[float] = []
        self.lags: list[int] = []
        self.behind: list[float] = []
        self.ended = threading.Event()

    def get(self, path: str) -> Any:
        self._connection.request("GET", path)
        return json.loads(self._connection.getresponse().read())

    def run(self) -> None:
        looks = 0
        while not self.ended.wait(LOOK):
            found = self.get(QUESTION).get("segments", ())
            count = sum(row["size"] for part in found if part["segment"]["plan"] == PROBE for row in part["cohorts"])
            now = time.perf_counter()
            self.seen += [now] * (count - len(self.seen))
            looks += 1
            if looks % 20 == 0:
                self.lags.append(self.get("/api/v1/status")["worker"]["lag"])


def until_now(work: Workload) -> Workload:
    shift = time.time_ns() // 1_000_000 - int(work.events.times.max())
    return replace(work, events=replace(work.events, times=work.events.times + shift))


Batch = tuple[str, int, "BatchBuilder"]


def batches(producer: AIOKafkaProducer, names: dict[str, str], work: Workload) -> list[Batch]:
    """The workload as batches ready to be sent, in order."""
    found: list[Batch] = []
    builders: dict[tuple[str, int], BatchBuilder] = {}
    for topic, partition, key, value in work.records():
        place = (names[topic], partition)
        builder = builders.get(place)
        if builder is None or builder.append(key=key, value=value, timestamp=None) is None:
            builder = builders[place] = producer.create_batch()
            builder.append(key=key, value=value, timestamp=None)
            found.append((*place, builder))
    return found


async def produce(producer: AIOKafkaProducer, made: Sequence[Batch], rate: float, began: float) -> float:
    """Sends the batches at a rate; returns what was reached."""
    sent = 0
    for topic, partition, builder in made:
        wait = began + sent / rate - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        sent += builder.record_count()
        await producer.send_batch(builder, topic, partition=partition)
    await producer.flush()
    return sent / (time.perf_counter() - began)


async def probe(bootstrap: str, topic: str, moments: Sequence[int], began: float, ended: asyncio.Event) -> list[float]:
    """Writes probes until the load ends; event times as the load's, by share of its time. Returns when each was."""
    times: list[float] = []
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=0) as producer:
        while not ended.is_set():
            await asyncio.sleep(max(began + len(times) * EVERY - time.perf_counter(), 0))
            user = f"{PROBE}-{len(times):06d}"
            at = np.datetime_as_string(np.datetime64(moments[min(len(times), len(moments) - 1)], "ms"))
            event = {"type": "visit", "event_id": user, "user_id": user, "occurred_at": f"{at}Z"}
            value = json.dumps(event | {"segment": {"plan": PROBE, "country": "US"}}).encode()
            times.append(time.perf_counter())
            partition = zlib.crc32(user.encode()) % workload.PARTITIONS
            await producer.send_and_wait(topic, key=user.encode(), value=value, partition=partition)
    return times


async def load(bootstrap: str, names: dict[str, str], work: Workload, rate: float) -> tuple[list[float], float]:
    """Load and probes together: when each probe was written, and the rate reached."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        made = batches(producer, names, work)
        seconds = len(work) / rate
        places = np.linspace(0, len(work) - 1, max(int(seconds / EVERY), 2)).astype(int)
        ended, began = asyncio.Event(), time.perf_counter()
        probes = asyncio.create_task(
            probe(bootstrap, names[workload.VISITS], work.events.times[places].tolist(), began, ended)
        )
        reached = await produce(producer, made, rate, began)
        ended.set()
        return await probes, reached


def counted(worker: Worker) -> int:
    figures = worker.get("/api/v1/status").get("figures")
    return figures["totals"].get("counted", 0) if figures else 0


def read(worker: Worker) -> int:
    """Events that the worker has counted, whether they are shown or not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        assert worker.running, worker.log[-4000:]
        return 0
    return sum(int(float(value)) for value in re.findall(r"^stream_app_records_counted_total\S* (\S+)", text, re.M))


def capacity(worker: Worker, events: int) -> float:
    """Events a second, of a backlog of so many events: from the last look at which a tenth of it was not yet read."""
    marks: list[tuple[float, int]] = []

    def looked() -> bool:
        time.sleep(0.25)
        count = read(worker)
        if len(marks) == 2 and marks[1][1] < 0.1 * events:
            marks.pop(0)
        if len(marks) == 2:
            marks.pop()
        marks.append((time.perf_counter(), count))
        return count >= events

    servers.eventually_sync(looked, DEADLINE, "the backlog")
    (began, first), (ended, last) = marks
    return (last - first) / (ended - began)


def measure(bootstrap: str, cores: Cores, folder: Path, options: argparse.Namespace) -> None:
    work = until_now(workload.make(options.events, options.users, options.seed))
    half = len(work) // 2
    backlog = replace(work, events=work.events.where(np.arange(half)))
    rest = replace(work, events=work.events.where(np.arange(half, len(work))), seed=work.seed + 7)
    suffix = servers.unique("")
    filled = asyncio.run(log.fill(bootstrap, suffix, backlog, log.Batching()))
    names = {workload.VISITS: filled.visits, workload.PURCHASES: filled.purchases}
    app_id = servers.unique("fresh")
    worker = Worker(
        folder, broker=bootstrap, app_id=app_id, visits_topic=names[workload.VISITS], purchases_topic=filled.purchases,
        dimensions="plan,country", session_timeout=10, log_level="warning",
    )  # fmt: skip
    with pinned(cores.worker), marked(app_id):
        worker.start()
    try:
        able = options.rate or capacity(worker, half)
        servers.eventually_sync(lambda: counted(worker) == half, DEADLINE, "the backlog")
        looker = Looker(worker.port)
        looker.start()
        before, began = usage(app_id).cpu, time.perf_counter()
        written, reached = asyncio.run(load(bootstrap, names, rest, able * options.load))
        busy = (usage(app_id).cpu - before) / (time.perf_counter() - began)
        servers.eventually_sync(lambda: len(looker.seen) >= len(written), DEADLINE, "the last probe to be counted")
        looker.ended.set()
        looker.join()
        whole = len(work) + len(written)
        servers.eventually_sync(lambda: counted(worker) == whole, DEADLINE, f"all {whole} events in the figures")
        assert worker.stop() == 0, worker.log[-4000:]
    finally:
        worker.kill()
    # Probes of different partitions may overtake each other: they are counted, not named.
    ages = [seen - sent for seen, sent in zip(looker.seen, written, strict=False)]
    ages = ages[len(ages) // 10 :]
    found = ", ".join(f"p{q} {np.percentile(ages, q):.2f} s" for q in (50, 90, 99))
    print(
        f"capacity {able:,.0f} events/s; produced {reached:,.0f}/s, worker {busy:.0%} of a core, most records waiting "
        f"{max(looker.lags, default=0):,}\n{len(ages)} changes seen in the API after: {found}, most {max(ages):.2f} s",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=6_000_000, help="half of them are the backlog")
    parser.add_argument("--users", type=int, default=300_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", type=float, default=0.85, help="share of the capacity that is produced (0.85)")
    parser.add_argument("--rate", type=float, help="the capacity, instead of measuring it")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="small numbers: shows that it runs, no more")
    options = parser.parse_args()
    if options.short:
        options.events, options.users, options.rate = 40_000, 4_000, 10_000.0
    cores = Cores.here()
    folder = Path(tempfile.mkdtemp(prefix="stream-app-benchmark-"))
    broker = servers.KafkaBroker(folder / "kafka")
    try:
        with pinned(cores.broker):
            broker.start()
            for _ in range(options.rounds):
                measure(broker.bootstrap, cores, folder, options)
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        print(f"The benchmark cannot run here: {reason}", file=sys.stderr)
        return PART_MISSING
    finally:
        broker.wipe()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
