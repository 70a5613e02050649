"""The contenders, one run each: what came in, how long it took, what it used, and the matrix it found."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import servers
from support.workers import ROOT, Worker

from stream_app.domain.periods import EPOCH
from tests.benchmarks import durable
from tests.benchmarks.machine import Cores, marked, pinned, usage

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.workload import Matrix

PATIENCE = 240.0


@dataclass(frozen=True)
class Log:
    """A filled topic: its broker, its name, and how many records each of its partitions holds."""

    bootstrap: str
    topic: str
    ends: dict[int, int]

    @property
    def events(self) -> int:
        return sum(self.ends.values())


@dataclass(frozen=True)
class Run:
    """One run. Seconds from the first record to the last one counted (the service: durable); CPU seconds in them."""

    events: int
    seconds: float
    cpu: float
    peak: int
    matrix: Matrix | None = None
    note: str = ""

    @property
    def rate(self) -> float:
        return self.events / self.seconds


def service(log: Log, cores: Cores, folder: Path) -> Run:
    """`stream-app run` with its default settings, from an empty state, until everything is durable.

    The clock starts at the last look at which nothing was counted yet, and stops when the broker ended the transaction
    that made the last partition's state durable.
    """
    app_id = servers.unique("bench")
    worker = Worker(
        folder, broker=log.bootstrap, app_id=app_id, visits_topic=log.topic, purchases_topic=log.topic,
        dimensions="plan,country", session_timeout=10, log_level="warning",
    )  # fmt: skip
    with pinned(cores.worker), marked(app_id):
        worker.start()
    try:
        started, before = time.time(), usage(app_id)
        while not _counted(worker):
            started, before = time.time(), usage(app_id)
            time.sleep(0.05)
        servers.eventually_sync(lambda: _at_intervals(lambda: _counted(worker) >= log.events), PATIENCE, "counting")
        after = usage(app_id)
        snapshot = servers.eventually_sync(lambda: _complete(worker, log.events), 60, "the figures of all events")
        assert snapshot["totals"]["counted"] == log.events, snapshot
        found = _of_answer(worker.get("/api/v1/retention?definition=engagement&grain=day"))
        assert worker.stop() == 0, worker.log[-4000:]
    finally:
        worker.kill()
    finished, commits = asyncio.run(durable.covered_at(log.bootstrap, f"{app_id}-users-changelog", log.topic, log.ends))
    return Run(log.events, finished - started, after.cpu - before.cpu, after.peak, found, f"{commits} transactions")


def _counted(worker: Worker) -> int:
    """Events that the worker has counted."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    except OSError:
        if not worker.running:  # an AssertionError would mean "not yet" to who waits
            raise RuntimeError(f"the worker ended:\n{worker.log[-4000:]}") from None
        return 0
    return sum(int(float(value)) for value in re.findall(r"^stream_app_records_counted_total\S* (\S+)", text, re.M))


def _at_intervals(condition: Any) -> bool:
    # Each look costs the worker some milliseconds: few looks.
    time.sleep(0.5)
    return bool(condition())


def _complete(worker: Worker, events: int) -> Any:
    figures = worker.get("/api/v1/status").get("figures")
    return figures if figures and figures["totals"].get("read") == events else None


def _of_answer(answer: dict[str, Any]) -> Matrix:
    """The cells of the API's answer that are closed and not zero."""
    (everybody,) = answer["segments"]
    cells: Matrix = {}
    for cohort in everybody["cohorts"]:
        year, month, day = map(int, cohort["start"].split("-"))
        number = (EPOCH.replace(year, month, day) - EPOCH).days
        cells |= {(number, index): users for index, users in enumerate(cohort["retained"]) if users}
    return cells


def idiomatic(log: Log, cores: Cores, folder: Path) -> Run:
    """A Faust agent with two tables; see `idiomatic.py`."""
    patience = 30 + log.events / 400
    try:
        found, note = _script("idiomatic", log, cores, folder, patience), ""
    except TimeoutError:
        # On a busy machine a Faust worker now and then joins its group and never reads (faust #523, #532).
        found, note = _script("idiomatic", log, cores, folder, patience), "It stood still once and was started again."
    cells = {(cohort, index): users for cohort, index, users in found["matrix"]}
    return Run(found["events"], found["seconds"], found["cpu"], found["peak"], cells, note)


def reading(log: Log, cores: Cores, folder: Path) -> Run:
    """aiokafka's consumer alone; see `reading.py`."""
    found = _script("reading", log, cores, folder, PATIENCE)
    return Run(found["events"], found["seconds"], found["cpu"], found["peak"])


def _script(name: str, log: Log, cores: Cores, folder: Path, patience: float) -> dict[str, Any]:
    """Runs a contender of this package as a process of its own and returns what it wrote.

    Raises TimeoutError where it wrote nothing within so many seconds, RuntimeError where it ended without.
    """
    result = folder / f"{servers.unique(name)}.json"
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", log.bootstrap, log.topic, str(log.events), str(result)]
    output = folder / f"{result.stem}.log"
    with pinned(cores.worker), output.open("wb") as sink:
        process = subprocess.Popen(command, cwd=ROOT, stdout=sink, stderr=sink)

    def written() -> bool:
        time.sleep(0.1)
        if process.poll():
            raise RuntimeError(f"{name} ended:\n{output.read_text(errors='replace')[-4000:]}")
        return result.exists()

    try:
        servers.eventually_sync(written, patience, name)
    except AssertionError as late:
        raise TimeoutError(f"{late}; it said:\n{output.read_text(errors='replace')[-4000:]}") from late
    finally:
        process.send_signal(signal.SIGKILL)  # it has written what it found, and leaves nothing that is needed
        process.wait()
    return dict(json.loads(result.read_text()))
