"""Who takes part: what each is called, what it needs, how it is run, and what is expected of it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import servers

from tests.benchmarks.machine import Cores, pinned
from tests.benchmarks.run import Run
from tests.benchmarks.service import service

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.benchmarks.log import Log

ROOT = Path(__file__).parents[2]
JAVA_PEERS = Path(__file__).parent / "peers" / "java" / "peers"
LONGEST_RUN = 900.0
SERVICE, FAUST, CONFLUENT, AIOKAFKA = "stream-app", "faust", "confluent-kafka", "aiokafka"


@dataclass(frozen=True)
class Contender:
    """Who takes part.

    Attributes:
        name: for `--only`.
        title: for the table.
        run: runs it once on a log, pinned, in a folder.
        missing: why it cannot run here, None if it can.
        once: it takes minutes: one round is enough.
        sampled: it would take half an hour: it reads the sample.
        reads_only: a limit; it finds no matrix.
    """

    name: str
    title: str
    run: Callable[[Log, Cores, Path], Run]
    missing: Callable[[], str | None] = lambda: None
    once: bool = False
    sampled: bool = False
    reads_only: bool = False


def everybody(workers: int) -> list[Contender]:
    """All contenders, the service a second time with so many workers if there are several."""
    ours = Contender(SERVICE, "stream-app, exactly-once, every figure", service)
    several = Contender(
        f"{SERVICE}-{workers}", f"stream-app, {workers} workers, the broker on one's core",
        partial(service, workers=workers), partial(_no_program, "redis-server", "redis-server"),
    )  # fmt: skip
    return [
        python(FAUST, "idiomatic Faust, two tables", "faust_agent", "faust", sampled=True),
        python("quix", "Quix Streams, exactly-once, RocksDB", "quix", "quixstreams", once=True),
        python("bytewax", "Bytewax, recovery store", "bytewax_flow", "bytewax", once=True),
        java("kafka-streams", "Kafka Streams, exactly_once_v2, RocksDB"),
        java("flink-rocksdb", "Flink, RocksDB, exactly-once checkpoints"),
        java("flink-heap", "Flink, heap, exactly-once checkpoints"),
        ours,
        *([several] if workers > 1 else []),
        python(AIOKAFKA, "aiokafka, reading only", "aiokafka_reading", "aiokafka", reads_only=True),
        python(CONFLUENT, "confluent-kafka, reading only", "confluent_reading", "confluent_kafka", reads_only=True),
    ]


def python(name: str, title: str, module: str, package: str, **traits: bool) -> Contender:
    """A contender in Python: `peers/MODULE.py`, which needs a package."""

    def missing() -> str | None:
        if importlib.util.find_spec(package) is None:
            return f"the package {package} is missing (pip install -e '.[bench]')"
        return None

    run = partial(external, name, [sys.executable, "-m", f"tests.benchmarks.peers.{module}"])
    return Contender(name, title, run, missing, **traits)


def java(name: str, title: str) -> Contender:
    """A contender in Java: `peers/java`, built when it is first wanted."""

    def missing() -> str | None:
        if not JAVA_PEERS.exists():
            return f"{JAVA_PEERS.relative_to(ROOT)} is missing"
        built = subprocess.run([JAVA_PEERS, "build"], capture_output=True, text=True, check=False)
        return f"it was not built: {built.stderr.strip()[-500:]}" if built.returncode else None

    return Contender(name, title, partial(external, name, [str(JAVA_PEERS), "run", name]), missing)


def _no_program(program: str, package: str) -> str | None:
    return None if shutil.which(program) else f"{program} is missing (Debian: apt-get install {package})"


def external(name: str, command: list[str], log: Log, cores: Cores, folder: Path) -> Run:
    """Runs a contender as a process of its own, which writes what it found to a file and ends.

    Raises RuntimeError where it failed, TimeoutError where it took many times what it should.
    """
    if name != FAUST:
        return _once(name, command, log, cores, folder, min(120 + log.events / 300, LONGEST_RUN))
    patience = 60 + log.events / 400
    try:
        return _once(name, command, log, cores, folder, patience)
    except TimeoutError:
        # On a busy machine a Faust worker now and then joins its group and never reads (faust #523, #532).
        run = _once(name, command, log, cores, folder, patience)
        return replace(run, note="It stood still once and was started again.")


def _once(name: str, command: list[str], log: Log, cores: Cores, folder: Path, patience: float) -> Run:
    result = folder / f"{servers.unique(name)}.json"
    output = folder / f"{result.stem}.log"
    arguments = [log.bootstrap, log.visits, log.purchases, str(log.events), str(result)]
    environment = os.environ | {"TMPDIR": str(folder)}
    with pinned(cores.worker), output.open("wb") as sink:
        process = subprocess.Popen(
            [*command, *arguments], cwd=ROOT, env=environment, stdout=sink, stderr=sink, start_new_session=True
        )
    try:
        code = process.wait(patience)
    except subprocess.TimeoutExpired as late:
        raise TimeoutError(f"{name} took more than {patience:.0f} s; it said:\n{_tail(output)}") from late
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if code or not result.exists():
        raise RuntimeError(f"{name} ended with {code}:\n{_tail(output)}")
    found = json.loads(result.read_text())
    rows = found.get("matrix")
    matrix = None if rows is None else {(cohort, index): users for cohort, index, users in rows}
    return Run(found["events"], found["seconds"], found["cpu"], found["peak"], matrix, note=found.get("note", ""))


def _tail(file: Path) -> str:
    return file.read_text(errors="replace")[-4000:]
