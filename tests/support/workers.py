"""Workers of the real service as processes, and the events they read."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import servers
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(__file__).parents[2]


class Worker:
    """`stream-app run` in a process of its own, on a free port.

    `disk`: a folder to run in, which holds its temporary files and its home too; `root`: whose code it runs.
    """

    def __init__(self, folder: Path, *, disk: Path | None = None, **settings: object) -> None:
        self.port = servers.free_port()
        self.disk, self.root = disk, ROOT
        self.settings = {"web_port": self.port, "session_timeout": 3, "idle_after": 2, "log_level": "info", **settings}
        self._log = folder / f"worker-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._begun_at = 0

    def start(self) -> Worker:
        self._begun_at = len(self.log)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("STREAM_APP_")}
        env = clean | {f"STREAM_APP_{name.upper()}": str(value) for name, value in self.settings.items()}
        if self.disk is not None:
            self.disk.mkdir(parents=True, exist_ok=True)
            env |= {"HOME": str(self.disk), "TMPDIR": str(self.disk), "PYTHONPATH": str(self.root)}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream_app", "run"], cwd=self.disk or self.root, env=env, stdout=log, stderr=log
            )
        return self

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def silent(self) -> bool:
        """Whether it has not logged anything since its last start: it is still being loaded."""
        return len(self.log) == self._begun_at

    def get(self, path: str) -> Any:
        """The JSON of a path; whatever the status."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            assert self.running, f"the worker ended:\n{self.log[-4000:]}"
            return {}

    def peek(self, path: str, timeout: float = 2.0) -> Any:
        """The JSON of a path; {} while the worker is away, frozen or starting."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError, http.client.HTTPException):
            return {}

    def metric(self, name: str) -> int:
        """The sum of one of its metrics over all labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))))

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def ready(self) -> bool:
        return bool(self.get("/readyz").get("ready"))

    @property
    def partitions(self) -> list[int]:
        return self.get("/api/v1/status").get("worker", {}).get("partitions", [])

    def send(self, signal_number: int) -> None:
        assert self.process is not None
        self.process.send_signal(signal_number)

    def kill(self) -> None:
        """As a crash would."""
        if self.running:
            self.send(signal.SIGCONT)
            self.send(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)

    def stop(self) -> int:
        """As an operator would; the exit code."""
        self.send(signal.SIGTERM)
        assert self.process is not None
        return self.process.wait(30)


async def produce(bootstrap: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Writes (key, value) records to a topic, by key. Returns how many."""
    count = 0
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=10, max_batch_size=128 * 1024) as producer:
        for key, value in records:
            await producer.send(topic, key=key, value=value)
            count += 1
        await producer.flush()
    return count


async def read_all(bootstrap: str, topic: str, partitions: int = 1) -> list[Any]:
    """Every committed record of a topic."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, isolation_level="read_committed") as consumer:
        tps = [TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        ends = await consumer.end_offsets(tps)
        found = []
        while any([await consumer.position(tp) < ends[tp] for tp in tps]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += records
        return found


def visit(user: str, at: object, number: int, segment: Mapping[str, str] | None = None) -> bytes:
    """A visit as its record's value."""
    event: dict[str, object] = {"type": "visit", "event_id": f"v{number}", "user_id": user, "occurred_at": at}
    if segment is not None:
        event["segment"] = dict(segment)
    return json.dumps(event).encode()
