"""The contender this is about: `stream-app run` with its default settings, one worker or several."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
import time
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import servers
from support.workers import Worker

from stream_app.domain.periods import EPOCH
from tests.benchmarks import durable
from tests.benchmarks.machine import Cores, Usage, marked, pinned, usage
from tests.benchmarks.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.benchmarks.log import Log
    from tests.benchmarks.workload import Matrix

PATIENCE = 240.0


def service(log: Log, cores: Cores, folder: Path, workers: int = 1) -> Run:
    """From an empty state until everything is durable.

    The clock starts at the last look at which one of the workers had counted nothing yet; what the others had counted
    by then is left out. It stops when the broker ended the transaction that made the last partition's state durable.
    """
    app_id = servers.unique("bench")
    settings: dict[str, object] = {
        "broker": log.bootstrap, "app_id": app_id, "visits_topic": log.visits, "purchases_topic": log.purchases,
        "dimensions": "plan,country", "session_timeout": 10, "log_level": "warning",
    }  # fmt: skip
    with ExitStack() as stack:
        if workers > 1:
            redis = servers.RedisServer(_made(folder / app_id))  # an embedded one is seen by its own worker only
            redis.start()
            stack.callback(redis.kill)
            settings["redis"] = redis.url
        group = [Worker(folder, **settings) for _ in range(workers)]
        for number, worker in enumerate(group):
            stack.callback(worker.kill)
            with pinned(cores.of(number)), marked(app_id):
                worker.start()
        started, head, before = _begin(group, app_id, log.events)
        servers.eventually_sync(
            lambda: _at_intervals(lambda: sum(map(_counted, group)) >= log.events), PATIENCE, "counting"
        )
        after = usage(app_id)
        # Events that were counted before a rebalance and not committed are counted again: only the figures are exact.
        snapshot = servers.eventually_sync(lambda: _complete(group[0], log.events), 60, "the figures of all events")
        assert snapshot["totals"]["counted"] == log.events, snapshot
        found, until = _of_answer(group[0].get("/api/v1/retention?definition=engagement&grain=day"))
        codes = [worker.stop() for worker in group]
        assert not any(codes), "".join(worker.log[-4000:] for worker in group)
    finished, commits = asyncio.run(durable.covered_at(log.bootstrap, f"{app_id}-users-changelog", log.ends))
    note = f"{commits} transactions" + (f", {head:,} events before all had begun" if head else "")
    return Run(log.events - head, finished - started, after.cpu - before.cpu, after.peak, found, until, note)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _begin(group: Sequence[Worker], app_id: str, events: int) -> tuple[float, int, Usage]:
    """When the last worker began to count, what had been counted by then, and what had been used."""
    deadline = time.monotonic() + PATIENCE
    last = time.time(), 0, usage(app_id)
    while time.monotonic() < deadline:
        started, before = time.time(), usage(app_id)
        counted = [_counted(worker) for worker in group]
        if all(counted):
            return last
        if sum(counted) >= events:
            break
        last = started, sum(counted), before
        time.sleep(0.05)
    raise RuntimeError("a worker counted nothing: there was nothing left when it joined; try more events")


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


def _of_answer(answer: dict[str, Any]) -> tuple[Matrix, int]:
    """The cells of the API's answer that are closed and not zero, and the first day that has not closed."""
    (everybody,) = answer["segments"]
    cells: Matrix = {}
    for cohort in everybody["cohorts"]:
        number = _day(cohort["start"])
        cells |= {(number, index): users for index, users in enumerate(cohort["retained"]) if users}
    return cells, _day(answer["as_of"][:10])


def _day(date: str) -> int:
    return (dt.date.fromisoformat(date) - EPOCH).days
