"""Network paths to a broker that can be cut: TCP proxies, and the listeners of the broker that lead through them.

A broker tells its clients the address to use, so each path is a listener of its own that advertises its proxy. A cut
path forwards nothing and closes nothing: as with a broken network, both sides wait, and when it is mended what was sent
before arrives after all.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING

import servers

if TYPE_CHECKING:
    from collections.abc import Coroutine


class Path:
    """One proxy. Its methods are for the loop it runs in."""

    def __init__(self) -> None:
        self.inner, self.outer = servers.free_port(), servers.free_port()
        self.open = asyncio.Event()
        self.open.set()

    async def listen(self) -> None:
        await asyncio.start_server(self._serve, "127.0.0.1", self.outer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.open.wait()
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.inner)
        except OSError:  # the broker is not there
            writer.close()
            return
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 17):
                await self.open.wait()
                writer.write(data)
                await writer.drain()
        await self.open.wait()  # an end is not seen through a cut path either
        with contextlib.suppress(OSError):
            writer.close()


class Paths:
    """So many paths, in a thread of their own: whatever the tests do, they forward."""

    def __init__(self, count: int) -> None:
        self._paths = [Path() for _ in range(count)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="paths", daemon=True)

    def properties(self, broker: servers.KafkaBroker) -> dict[str, str]:
        """What the broker's configuration needs for them."""
        plain = f"PLAINTEXT://127.0.0.1:{broker.port}"
        inner = [f"PATH{i}://127.0.0.1:{path.inner}" for i, path in enumerate(self._paths)]
        outer = [f"PATH{i}://127.0.0.1:{path.outer}" for i, path in enumerate(self._paths)]
        names = ["PLAINTEXT", "CONTROLLER", *(f"PATH{i}" for i in range(len(self._paths)))]
        return {
            "listeners": ",".join([plain, f"CONTROLLER://127.0.0.1:{broker.controller_port}", *inner]),
            "advertised.listeners": ",".join([plain, *outer]),
            "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        }

    def start(self) -> None:
        self._thread.start()
        for path in self._paths:
            self._run(path.listen())

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def address(self, number: int) -> str:
        """Where clients of a path connect to."""
        return f"127.0.0.1:{self._paths[number % len(self._paths)].outer}"

    def cut(self, *numbers: int) -> None:
        """Cuts these paths, all of them where none is given."""
        for path in self._chosen(numbers):
            self._loop.call_soon_threadsafe(path.open.clear)

    def mend(self, *numbers: int) -> None:
        for path in self._chosen(numbers):
            self._loop.call_soon_threadsafe(path.open.set)

    def _chosen(self, numbers: tuple[int, ...]) -> list[Path]:
        return [self._paths[n % len(self._paths)] for n in numbers] if numbers else self._paths

    def _run(self, work: Coroutine[object, object, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)
