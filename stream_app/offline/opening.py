"""Opens a file of events, or standard input, and finds out what it is by its first bytes."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from stream_app.domain.errors import ConfigurationError
from stream_app.offline.jsonlines import JsonLines
from stream_app.offline.progress import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stream_app.domain.periods import Calendar
    from stream_app.offline.progress import Show
    from stream_app.offline.records import Bad, Reader, Reading, Wanted

_HEAD = 1 << 16
_GZIP, _PARQUET = b"\x1f\x8b", b"PAR1"


@contextlib.contextmanager
def opened(
    path: str, reading: Reading, wanted: Wanted, bad: Bad, calendar: Calendar, show: Callable[[], Show] | None = None
) -> Iterator[Reader]:
    """The reader of a file, which is closed at the end.

    Args:
        path: the file; `-` is stdin.
        reading: how it is to be read.
        wanted: what to make of records.
        bad: takes those that cannot be counted.
        calendar: of times without an offset.
        show: makes the progress bar.

    Raises:
        ConfigurationError: the file cannot be opened, or is not of the form that was given.
    """
    with contextlib.ExitStack() as stack:
        file, size = _open(path, stack)
        progress = None
        if show is not None:
            shown = show()
            shown.begin(path, size)
            stack.callback(shown.end)
            file = cast("IO[bytes]", Watched(file, shown))
            progress = _share(shown, size)
        head, file = _peeked(file)
        packed = head.startswith(_GZIP)
        if packed:
            try:
                head, file = _peeked(cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb")))
            except (OSError, EOFError) as error:
                raise ConfigurationError(f"{path}: its gzip cannot be read ({error}); give a whole file") from error
        form = reading.format or _form(head)
        if form == "jsonl":
            yield JsonLines(file, path, reading, wanted, bad)
        elif form == "csv":
            from stream_app.offline.flat import Csv

            yield Csv(file, head, path, reading, wanted, bad, calendar)
        else:
            from stream_app.offline.flat import Parquet

            plain = path != "-" and not packed
            yield Parquet(_seekable(file, path if plain else "", stack), path, reading, wanted, bad, calendar, progress)


def _open(path: str, stack: contextlib.ExitStack) -> tuple[IO[bytes], int | None]:
    """The file and its size in bytes, None where nobody knows."""
    if path == "-":
        file: IO[bytes] = sys.stdin.buffer
    else:
        try:
            file = stack.enter_context(Path(path).open("rb"))  # noqa: SIM115 - closed by the stack
        except OSError as error:
            raise ConfigurationError(
                f"{path}: the file cannot be read ({error.strerror}); give the path of a file of events, or - for stdin"
            ) from error
    try:
        found = os.fstat(file.fileno())
    except OSError:  # no file of the operating system
        return file, None
    return file, found.st_size if stat.S_ISREG(found.st_mode) else None


def _share(shown: Show, size: int | None) -> Callable[[float], None] | None:
    """Shows a share of a file of rows, whose bytes are not read one after another."""
    return None if size is None else lambda share: shown.at(round(share * size))


def _seekable(file: IO[bytes], path: str, stack: contextlib.ExitStack) -> IO[bytes]:
    """A file in which places can be sought: the one of this path, or else a temporary one with what is in it."""
    if path:
        return stack.enter_context(Path(path).open("rb"))
    spool = stack.enter_context(tempfile.TemporaryFile(prefix="stream-app-"))  # noqa: SIM115
    shutil.copyfileobj(file, spool, 1 << 20)
    spool.seek(0)
    return spool


class _Rejoined(io.RawIOBase):
    """A file of which the first bytes were read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head, self._file = head, file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._file.read(size)
        if size < 0:
            head, self._head = self._head, b""
            return head + self._file.read()
        head, self._head = self._head[:size], self._head[size:]
        return head


def _peeked(file: IO[bytes]) -> tuple[bytes, IO[bytes]]:
    """The first bytes of a file, and the file from its beginning."""
    parts: list[bytes] = []
    missing = _HEAD
    while missing > 0 and (data := file.read(missing)):
        parts.append(data)
        missing -= len(data)
    head = b"".join(parts)
    return head, cast("IO[bytes]", _Rejoined(head, file))


def _form(head: bytes) -> str:
    """What the first bytes are the beginning of; records of JSON are recognised behind a bad first line too."""
    if head.startswith(_PARQUET):
        return "parquet"
    lines = [line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines()]
    return "jsonl" if not any(lines) or any(line.startswith((b"{", b"[")) for line in lines) else "csv"
