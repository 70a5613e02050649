"""One worker on one core, from a real Kafka into durable state, beside others and the limit.

    python -m tests.benchmarks [--rounds N] [--only NAME,...] [--short] [--plot PATH] ...

Starts a Kafka of its own (deploy/kafka/kafka), fills its topics, which is not timed, and lets the contenders run in
turns, each in a process of its own pinned to one core, the broker on another. It checks that all of them found the same
daily matrix as plain Python did, and asserts nothing about time. docs/benchmarks.md says what each does.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import servers
from rich.console import Console

from tests.benchmarks import options as command_line
from tests.benchmarks import plot, report, workload
from tests.benchmarks.contenders import SERVICE
from tests.benchmarks.log import fill
from tests.benchmarks.machine import Cores, pinned
from tests.benchmarks.report import Score
from tests.benchmarks.service import service

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.log import Log
    from tests.benchmarks.run import Run
    from tests.benchmarks.workload import Matrix

FAILED, PART_MISSING = 1, 3


class WrongMatrixError(Exception):
    """A contender found another matrix than plain Python."""


def agree(run: Run, matrix: Matrix, who: str) -> None:
    """Raises WrongMatrixError where cells differ.

    The service says nothing of a day that has not closed: the last one, and with few events some before it, as a source
    partition's watermark is its latest event.
    """
    found = run.matrix or {}
    expected = {cell: users for cell, users in matrix.items() if run.until is None or sum(cell) < run.until}
    wrong = sorted(cell for cell in expected.keys() | found.keys() if expected.get(cell) != found.get(cell))
    if wrong or not found:
        some = [(cell, expected.get(cell), found.get(cell)) for cell in wrong[:3]]
        raise WrongMatrixError(f"{who}: {len(wrong)} of {len(expected)} cells differ; cell, expected, found: {some}")


class Contest:
    """The filled logs, and what must be found in them."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.cores = options, folder, Cores.here()
        self.work = workload.make(options.events, options.users, options.seed)
        self.failed: list[str] = []

    def fill(self, bootstrap: str) -> None:
        """Writes the topics."""
        self.whole, self.sample = (
            (asyncio.run(fill(bootstrap, suffix, work, self.options.batching)), work.matrix())
            for suffix, work in (("", self.work), ("-sample", self.work.sample(self.options.sample)))
        )
        users = len(set(self.work.events.users.tolist()))
        self.described = f"{self.whole[0].events:,} events of {users:,} users; {self.options.batching.described}"
        say(f"{self.described}; {self.sample[0].events:,} of them as a sample, too.")

    def warm_up(self) -> None:
        """The service on the sample, which idiomatic Faust reads: both agree on it, and the broker is warm."""
        log, matrix = self.sample
        agree(service(log, self.cores, self.folder), matrix, SERVICE)

    def run(self, contender: Contender) -> Run:
        """One run; raises WrongMatrixError, RuntimeError or TimeoutError where it is none."""
        log: Log
        log, matrix = self.sample if contender.sampled else self.whole
        run = contender.run(log, self.cores, self.folder)
        if not contender.reads_only:
            agree(run, matrix, contender.name)
        return run

    def rounds(self) -> list[Score]:
        """All runs, in turns; who fails has said why and is left out from then on."""
        scores = [Score(contender) for contender in self.options.contenders if self._takes_part(contender)]
        for number in range(1, self.options.rounds + 1):
            for score in list(scores):
                if number > 1 and score.contender.once:
                    continue
                try:
                    run = self.run(score.contender)
                except (WrongMatrixError, RuntimeError, OSError, AssertionError) as reason:
                    say(f"Round {number}: {score.name} FAILED: {reason}")
                    self.failed.append(score.name)
                    scores.remove(score)
                    continue
                took = f"{run.events:,} in {run.seconds:.1f} s, {run.rate:,.0f}/s"
                say(f"Round {number}: {score.name}: {took}. {run.note}")
                score.runs.append(run)
        return scores

    def _takes_part(self, contender: Contender) -> bool:
        reason = contender.missing()
        if reason:
            say(f"{contender.name} is left out: {reason}")
        return not reason


def measure(options: argparse.Namespace, folder: Path) -> tuple[Contest, list[Score]]:
    """The contest, and who came through it."""
    contest = Contest(options, folder)
    # Kafka's own default, so that workers that start together share the partitions out before any of them reads.
    delay = {"group.initial.rebalance.delay.ms": "3000"} if options.workers > 1 else {}
    broker = servers.KafkaBroker(folder / "kafka", delay)
    with pinned(contest.cores.broker):
        say(f"Kafka starts; {contest.cores.described}.")
        broker.start()
        try:
            contest.fill(broker.bootstrap)
            contest.warm_up()
            return contest, contest.rounds()
        finally:
            broker.wipe()


def say(line: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Exit code 1: a contender failed; 3: this machine lacks a part that all need, such as Java."""
    options = command_line.parse(arguments, __doc__)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic's leaders are not known at once: it retries
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leaves no broker behind
    folder = Path(tempfile.mkdtemp(prefix="stream-app-benchmark-"))
    try:
        contest, scores = measure(options, folder)
    except (pytest.skip.Exception, pytest.fail.Exception) as reason:
        print(f"The benchmark cannot run here: {reason}", file=sys.stderr)
        return PART_MISSING
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found = report.figures(scores)
    if any(not score.contender.reads_only for score in scores):
        say(f"All found the same daily matrix as plain Python: {len(contest.whole[1])} cells that are not zero.")
    Console(width=None if sys.stdout.isatty() else 150).print(report.table(found, contest.described))
    if options.json:
        options.json.write_text(report.as_json(found, scores, contest.described))
    if options.plot and found:
        say(f"Drawn: {', '.join(map(str, plot.draw(found, contest.described, options.plot)))}")
    if contest.failed:
        say(f"Failed: {', '.join(contest.failed)}; the reasons are above.")
        return FAILED
    return 0
