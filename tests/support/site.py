"""A web server in a thread of its own, for tests of those who ask it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Action, Silence
from stream_app.domain.events import rfc3339
from stream_app.exporters.prometheus import Metrics
from stream_app.web.health import HealthBoard
from stream_app.web.server import WebServer

if TYPE_CHECKING:
    from stream_app.domain.alerts import Command
    from support.web import FakeReader


class Site:
    """A server that a test stops and starts again on the same port."""

    def __init__(self, reader: FakeReader, **options: Any) -> None:
        self.reader, self.options = reader, options
        self.port = 0
        self._end: tuple[asyncio.AbstractEventLoop, asyncio.Event, threading.Thread] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> None:
        started: Future[Any] = Future()

        async def serve() -> None:
            server = WebServer("127.0.0.1", self.port, self.reader, HealthBoard([]), Metrics().registry, **self.options)
            stop = asyncio.Event()
            try:
                await server.start()
            except Exception as error:
                started.set_exception(error)
                return
            started.set_result((server.port, asyncio.get_running_loop(), stop))
            await stop.wait()
            await server.stop()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
        thread.start()
        self.port, loop, stop = started.result(10)
        self._end = (loop, stop, thread)

    def stop(self) -> None:
        if self._end is not None:
            loop, stop, thread = self._end
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            self._end = None


class Obeying:
    """Does at once to what a reader gives what the judge would do in a while."""

    def __init__(self, reader: FakeReader) -> None:
        self._reader = reader

    async def __call__(self, command: Command) -> None:
        reader = self._reader
        if command.action is Action.SILENCE:
            assert command.begins is not None
            assert command.ends is not None
            reader.silences = [*reader.silences, Silence(command, command.begins, command.ends).to_json()]
        elif command.action is Action.UNSILENCE:
            reader.silences = [one for one in reader.silences if one["command"]["id"] != command.silence]
        else:
            ends = None if command.ends is None else rfc3339(command.ends)
            seen = {"author": command.author, "reason": command.reason, "at": rfc3339(command.at), "ends": ends}
            reader.found = [
                row | {"acknowledged": seen} if command.covers(row["rule"], row["segment"]) else row
                for row in reader.found
            ]
