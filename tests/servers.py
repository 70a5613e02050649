"""Real servers for tests (Kafka, Redis, Prometheus, Alertmanager, Chromium) and the waiting that replaces sleeping.

A part this machine does not have skips the test with its reason; in CI (`CI=true`) the same reason fails it,
because there `.ci/run` installs every part.
"""

import asyncio
import contextlib
import inspect
import os
import random
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import orjson
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

ROOT = Path(__file__).resolve().parent.parent
KAFKA_SCRIPT = ROOT / "deploy" / "kafka" / "kafka"
KAFKA_PART_MISSING = 3  # the script's exit code when Java, Maven or the jars are not to be had
POLL_SECONDS = 0.02

T = TypeVar("T")


def missing(reason: str) -> NoReturn:
    """Skip the test for a part this machine lacks; in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI must have it: see .ci/run)", pytrace=False)
    pytest.skip(reason)


def need(program: str, package: str) -> str:
    """Path of a program, or skip with the Debian package that brings it."""
    return shutil.which(program) or missing(f"{program} is missing (Debian: apt-get install {package})")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment.

    Below those that outgoing connections get: while a server is down, a client that tries to connect again and again
    could otherwise be given the server's port for its own end, and the server could not come back.
    """
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def unique(prefix: str) -> str:
    """A name no other test uses: brokers and Redis live as long as the test run."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class _Patience:
    """The end of a wait, and why the condition did not hold the last time."""

    def __init__(self, timeout: float, what: str) -> None:
        self.timeout, self.what = timeout, what or "the condition"
        self.end = time.monotonic() + timeout

    def lose(self, why: object) -> None:
        """Note one more failure; raise AssertionError when the time is over."""
        if time.monotonic() > self.end:
            cause = why if isinstance(why, BaseException) else None
            raise AssertionError(f"{self.what} did not hold within {self.timeout} s; last: {why!r}") from cause


# What a condition may raise while it does not hold yet: an assert of its own, or a server that is not up.
NOT_YET = (AssertionError, OSError)


def eventually_sync(condition: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Return the condition's first true value."""
    patience = _Patience(timeout, what)
    while True:
        why: object
        try:
            value = condition()
        except NOT_YET as error:
            why = error
        else:
            if value:
                return value
            why = value
        patience.lose(why)
        time.sleep(POLL_SECONDS)


async def eventually(condition: Callable[[], T | Awaitable[T]], timeout: float = 10.0, what: str = "") -> T:
    """Return the condition's first true value, letting the event loop run in between."""
    patience = _Patience(timeout, what)
    while True:
        why: object
        try:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
        except NOT_YET as error:
            why = error
        else:
            if value:
                return cast("T", value)
            why = value
        patience.lose(why)
        await asyncio.sleep(POLL_SECONDS)


class KafkaBroker:
    """A real Kafka of one node; ports and data stay the same over stop, kill and start.

    `properties` are lines of its configuration; they win over those of the script.
    """

    def __init__(self, data: Path, properties: Mapping[str, str] | None = None) -> None:
        self.data, self.properties = data, dict(properties or {})
        self.port, self.controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.url = f"kafka://{self.bootstrap}"

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        ports = ["--port", str(self.port), "--controller-port", str(self.controller_port)]
        more = [word for name, value in self.properties.items() for word in ("--property", f"{name}={value}")]
        arguments = [str(KAFKA_SCRIPT), command, *ports, "--data", str(self.data), *more]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=280, check=False)
        if done.returncode == KAFKA_PART_MISSING:
            missing(done.stderr.strip().splitlines()[-1])
        return done

    def _must(self, command: str) -> None:
        done = self._run(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    @property
    def running(self) -> bool:
        return self._run("status").returncode == 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._must("start")

    def stop(self) -> None:
        """Stop it in good order."""
        self._must("stop")

    def kill(self) -> None:
        """SIGKILL it, as a crash would."""
        self._must("kill")

    def wipe(self) -> None:
        self._must("wipe")


@contextlib.contextmanager
def running_broker(data: Path) -> Iterator[KafkaBroker]:
    """A broker of one's own; nothing is left of it."""
    broker = KafkaBroker(data)
    broker.start()
    try:
        yield broker
    finally:
        broker.wipe()


async def topic(bootstrap: str, name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> str:
    """Create a topic and wait until every partition of it has a leader; returns its name."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config or {}))])
        for _, code, message in answer.topic_errors:
            if code:
                raise for_code(code)(message)

        async def led() -> bool:
            (described,) = await admin.describe_topics([name])
            leaders = [partition["leader"] for partition in described["partitions"]]
            return len(leaders) == partitions and min(leaders) >= 0

        await eventually(led, what=f"leaders of {name}")
    finally:
        await admin.close()
    return name


class Daemon:
    """A server process that stays in the foreground, writing to a log file beside its data."""

    def __init__(self, name: str, command: list[str], folder: Path, ready: Callable[[], object]) -> None:
        self.name, self.command, self.folder = name, command, folder
        self._ready = ready
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        assert not self.running, f"{self.name} runs already"
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            eventually_sync(self._answers, timeout=30, what=f"{self.name} answering")
        except BaseException:
            self.kill()
            raise

    def _answers(self) -> bool:
        if not self.running:
            pytest.fail(f"{self.name} ended while starting:\n{self.log[-2000:]}", pytrace=False)
        self._ready()
        return True

    def _end(self, end: Callable[[subprocess.Popen[bytes]], None]) -> None:
        if self.process is not None:
            end(self.process)
            self.process.wait(timeout=30)

    def stop(self) -> None:
        """SIGTERM and wait."""
        self._end(subprocess.Popen.terminate)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(subprocess.Popen.kill)


class RedisServer(Daemon):
    """Debian's Redis; every write is on disk before its answer, so a killed one comes back with its data."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        place = ["--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(folder)]
        program = need("redis-server", "redis-server")
        super().__init__("redis", [program, *place, *durable], folder, lambda: self.command_line("PING"))

    def command_line(self, *words: str) -> bytes:
        """Send one command in Redis' inline form and return the first line of the answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            line = connection.makefile("rb").readline().strip()
        assert line, "no answer"
        assert not line.startswith(b"-"), line
        return line

    def flush(self) -> None:
        """Empty it."""
        self.command_line("FLUSHALL")


class PrometheusServer(Daemon):
    """Debian's Prometheus with a configuration of the test's."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(dict(config)))
        arguments = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}"]
        program = need("prometheus", "prometheus")
        command = [program, *arguments, f"--web.listen-address=127.0.0.1:{self.port}"]
        super().__init__("prometheus", command, folder, lambda: self.get("/-/ready"))

    def get(self, path: str, **parameters: str) -> bytes:
        """GET a path; an HTTP error raises, with the server's words in it."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        try:
            with urllib.request.urlopen(f"{self.url}{path}{query}", timeout=10) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise OSError(f"{path}: HTTP {error.code}: {error.read().decode(errors='replace')}") from error

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query."""
        answer = orjson.loads(self.get("/api/v1/query", query=expression))
        return list(answer["data"]["result"])


class AlertmanagerServer(Daemon):
    """Debian's Alertmanager with a configuration of the test's; a member of no cluster."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = folder / "alertmanager.yml"
        file.write_text(yaml.safe_dump(dict(config)))
        arguments = [f"--config.file={file}", f"--storage.path={folder / 'data'}", "--cluster.listen-address="]
        program = need("prometheus-alertmanager", "prometheus-alertmanager")
        command = [program, *arguments, f"--web.listen-address=127.0.0.1:{self.port}"]
        super().__init__("alertmanager", command, folder, lambda: self.get("/-/ready"))

    def get(self, path: str) -> bytes:
        """GET a path; an HTTP error raises."""
        with urllib.request.urlopen(f"{self.url}{path}", timeout=10) as answer:
            return bytes(answer.read())

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that fire, as its API shows them."""
        return list(orjson.loads(self.get("/api/v2/alerts")))
