"""One worker on one core, from a real Kafka into durable state, beside idiomatic Faust and the limit.

    python -m tests.benchmarks [--events N] [--users N] [--seed N] [--rounds N] [--short]

Starts a Kafka of its own (deploy/kafka/kafka), fills its topics, which is not timed, and lets the contenders run in
turns, each in a process of its own pinned to one core, the broker on another. It asserts that service and Faust found
the same daily matrix as plain Python did, and asserts nothing about time.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import shutil
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import servers
from aiokafka import AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from tests.benchmarks import contenders, workload
from tests.benchmarks.machine import Cores, pinned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.contenders import Log, Run
    from tests.benchmarks.workload import Matrix, Workload

#: Events of the idiomatic agent and of the warm-up: it takes 40 s for so many.
SAMPLE = 80_000
PART_MISSING = 3
FAUST, SERVICE, LIMIT = "idiomatic Faust, two tables", "stream-app, durable", "aiokafka, reading only"


async def fill(bootstrap: str, topic: str, work: Workload, batch_bytes: int) -> Log:
    """Creates a topic and writes a workload to it, in batches as producers send them."""
    await servers.topic(bootstrap, topic, workload.PARTITIONS)
    ends = dict.fromkeys(range(workload.PARTITIONS), 0)
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=batch_bytes) as producer:
        builders = {partition: producer.create_batch() for partition in ends}
        for partition, key, value in work.records():
            if builders[partition].append(key=key, value=value, timestamp=None) is None:
                await producer.send_batch(builders[partition], topic, partition=partition)
                builders[partition] = producer.create_batch()
                builders[partition].append(key=key, value=value, timestamp=None)
            ends[partition] += 1
        for partition, builder in builders.items():
            if builder.record_count():
                await producer.send_batch(builder, topic, partition=partition)
        await producer.flush()
    return contenders.Log(bootstrap, topic, ends)


def agree(found: Matrix | None, expected: Matrix, who: str) -> None:
    """Raises AssertionError where cells differ."""
    assert found, f"{who} found nothing"
    wrong = [cell for cell in expected.keys() | found.keys() if expected.get(cell) != found.get(cell)]
    assert not wrong, f"{who}: {len(wrong)} of {len(expected)} cells are wrong, such as {sorted(wrong)[:5]}"


def closed(matrix: Matrix) -> Matrix:
    """Without the last day: the service says nothing of a day that has not ended."""
    last = max(cohort + index for cohort, index in matrix)
    return {cell: users for cell, users in matrix.items() if sum(cell) < last}


def measure(options: argparse.Namespace, folder: Path) -> dict[str, list[Run]]:
    """All runs, by contender."""
    cores = Cores.here()
    work = workload.make(options.events, options.users, options.seed)
    sample = work.sample(options.sample)
    matrix, sample_matrix = work.matrix(), sample.matrix()
    broker = servers.KafkaBroker(folder / "kafka")
    with pinned(cores.broker):
        say(f"Kafka starts; {cores.described}.")
        broker.start()
        try:
            log = asyncio.run(fill(broker.bootstrap, "visits", work, options.batch_bytes))
            small = asyncio.run(fill(broker.bootstrap, "visits-sample", sample, options.batch_bytes))
            users = len(set(work.users.tolist()))
            say(f"{log.events:,} visits of {users:,} users are written, {small.events:,} of them as a sample, too.")
            # Service and Faust on the same events; it warms the broker up, too.
            agree(contenders.service(small, cores, folder).matrix, closed(sample_matrix), SERVICE)
            runs: dict[str, list[Run]] = {FAUST: [], SERVICE: [], LIMIT: []}
            for number in range(1, options.rounds + 1):
                for name, contender, its_log, expected in (
                    (FAUST, contenders.idiomatic, small, sample_matrix),
                    (SERVICE, contenders.service, log, closed(matrix)),
                    (LIMIT, contenders.reading, log, None),
                ):
                    run = contender(its_log, cores, folder)
                    say(f"Round {number}: {name}: {run.events:,} in {run.seconds:.1f} s, {run.rate:,.0f}/s. {run.note}")
                    if expected is not None:
                        agree(run.matrix, expected, name)
                    runs[name].append(run)
        finally:
            broker.wipe()
    say(f"All found the same daily matrix as plain Python: {len(closed(matrix))} cells that are closed and not zero.")
    return runs


def report(runs: dict[str, list[Run]], console: Console) -> None:
    """The table: medians over the rounds, ratios of the medians."""
    rate = {name: statistics.median(run.rate for run in found) for name, found in runs.items()}
    table = Table(title="Daily retention from Kafka, one worker, one core")
    table.add_column(no_wrap=True)
    for heading in (
        "events",
        "events/s",
        "least to most, k",
        "CPU s per million",
        "peak MB",
        "to Faust",
        "to the limit",
    ):
        table.add_column(heading, justify="right")
    for name, found in runs.items():
        rates = [run.rate for run in found]
        table.add_row(
            name,
            f"{found[0].events:,}",
            f"{rate[name]:,.0f}",
            f"{min(rates) / 1000:.1f} to {max(rates) / 1000:.1f}",
            f"{statistics.median(run.cpu / run.events * 1e6 for run in found):,.1f}",
            f"{max(run.peak for run in found) / 1e6:,.0f}",
            f"{rate[name] / rate[FAUST]:.1f} x",
            f"{rate[name] / rate[LIMIT]:.1%}",
        )
    console.print(table)


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 3: this machine lacks a part, such as Java."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, help="visits in the log (default 2,000,000)")
    parser.add_argument("--users", type=int, help="users they are of, some of whom never come (default 300,000)")
    parser.add_argument("--seed", type=int, default=1, help="the workload follows from it (default 1)")
    parser.add_argument("--rounds", type=int, help="how often each contender runs (default 3)")
    parser.add_argument("--sample", type=int, help=f"visits for the slow contender (default {SAMPLE:,})")
    parser.add_argument(
        "--batch-bytes", type=int, default=16_384, help="producers' batch size (Kafka's default: 16,384)"
    )
    parser.add_argument("--short", action="store_true", help="small numbers, one round: shows that it runs, no more")
    options = parser.parse_args(arguments)
    defaults = (60_000, 10_000, 1, 3_000) if options.short else (2_000_000, 300_000, 3, SAMPLE)
    for name, default in zip(("events", "users", "rounds", "sample"), defaults, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, default)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic's leaders are not known at once: it retries
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves no broker behind
    folder = Path(tempfile.mkdtemp(prefix="stream-app-benchmark-"))
    try:
        runs = measure(options, folder)
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        print(f"The benchmark cannot run here: {reason}", file=sys.stderr)
        return PART_MISSING
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report(runs, Console(width=None if sys.stdout.isatty() else 130))
    return 0
