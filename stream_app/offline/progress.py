"""A progress bar on standard error: how much of a file was read."""

from __future__ import annotations

import io
import time
from typing import IO, Protocol

#: Seconds between two changes of what is shown.
_INTERVAL = 0.1


class Show(Protocol):
    """What shows how far reading has come."""

    def begin(self, name: str, total: int | None) -> None:
        """A file of so many bytes (or rows) begins; None: nobody knows."""

    def at(self, done: int) -> None:
        """So much of it was read."""

    def end(self) -> None:
        """Nothing more comes; what was shown goes away."""


class Bar:
    """A bar by rich, on a terminal."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = (
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
            TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=None)
        self._last = 0.0

    def begin(self, name: str, total: int | None) -> None:
        """Shows the bar."""
        self._progress.update(self._task, description=name, total=total)
        self._progress.start()

    def at(self, done: int) -> None:
        """Moves it, at most ten times a second."""
        now = time.monotonic()
        if now - self._last >= _INTERVAL:
            self._last = now
            self._progress.update(self._task, completed=done)

    def end(self) -> None:
        """Takes it away."""
        self._progress.stop()


class Watched(io.RawIOBase):
    """A file that tells how much of it was read."""

    def __init__(self, file: IO[bytes], show: Show) -> None:
        self._file, self._show = file, show
        self._done = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Some bytes."""
        data = self._file.read(size)
        self._done += len(data)
        self._show.at(self._done)
        return data
