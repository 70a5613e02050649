"""A file of JSON lines as blocks of records, in bounded memory, each record with its line number.

A block is what `EventDecoder.decode(None, block.values, now_ms)` takes; `block.line(position)` gives the line of a
dead letter. Blank lines are skipped but counted. gzip is recognised by its first bytes; a byte order mark is dropped.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, cast

from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Lines in a block, and bytes after which it ends before.
BLOCK_LINES = 20_000
BLOCK_BYTES = 8 << 20
#: A longer line is cut and marked, so that it is no JSON: no record of Kafka is as long (1 MB by default).
LONGEST_LINE = 2 << 20
CUT = b" ... (line cut: too long)"
#: Read at once; not more than the longest line.
_READ = 2 << 20
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive records of a file.

    Args:
        values: the records, without line ends.
        lines: the line number of each, from 1.
    """

    values: list[bytes]
    lines: Sequence[int]

    def line(self, position: int) -> int:
        """The line number of the record at a position of the block, as a `DeadLetter` names it."""
        return self.lines[position]


def read_blocks(
    file: IO[bytes], *, name: str = "file", block_lines: int = BLOCK_LINES, block_bytes: int = BLOCK_BYTES
) -> Iterator[Block]:
    """Read a file to its end in blocks.

    Args:
        file: open for reading bytes; need not be seekable (stdin's `buffer` will do). May be compressed by gzip.
        name: how messages call the file.
        block_lines: the most records in a block.
        block_bytes: the size past which a block takes no further record.

    Raises:
        ConfigurationError: the file cannot be read, or its gzip is damaged or cut off.
    """
    lines: list[bytes] = []
    number = 1
    try:
        for more in _lines(_unpacked(file)):
            if number == 1 and not lines:
                more[0] = more[0].removeprefix(_BOM)
            lines = lines + more if lines else more
            while count := _full(lines, block_lines, block_bytes):
                yield from _block(lines[:count], number)
                lines = lines[count:]
                number += count
    except (OSError, EOFError, zlib.error) as error:
        last = number + len(lines) - 1
        raise ConfigurationError(f"{name}: cannot be read after line {last} ({error}); give a whole file") from error
    yield from _block(lines, number)


def _full(lines: list[bytes], block_lines: int, block_bytes: int) -> int:
    """How many of some lines make a block; 0: more fit."""
    size = sum(map(len, lines[:block_lines]))
    if size < block_bytes:
        return block_lines if len(lines) >= block_lines else 0
    count = size = 0
    while size < block_bytes:
        size += len(lines[count])
        count += 1
    return count


def _block(lines: list[bytes], first: int) -> Iterator[Block]:
    """The block of some lines, of which the first has this number, if one of them holds anything."""
    if all(lines) and not any(map(bytes.isspace, lines)):
        if lines:
            yield Block(lines, range(first, first + len(lines)))
        return
    kept = [(line, first + place) for place, line in enumerate(lines) if line and not line.isspace()]
    if kept:
        yield Block([line for line, _ in kept], [number for _, number in kept])


class _Rejoined:
    """A file of which the first bytes were read already."""

    def __init__(self, head: bytes, file: IO[bytes]) -> None:
        self._head = head
        self._file = file

    def read(self, size: int) -> bytes:
        head, self._head = self._head, b""
        return head or self._file.read(size)


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    """The file from its beginning, or what is in it when its first bytes are gzip's."""
    whole = cast("IO[bytes]", _Rejoined(head := file.read(2), file))
    return cast("IO[bytes]", gzip.GzipFile(fileobj=whole, mode="rb")) if head == _GZIP else whole


def _lines(file: IO[bytes]) -> Iterator[list[bytes]]:
    """The lines of a file without their ends, some at a time; one longer than `LONGEST_LINE` is cut."""
    rest, cut = b"", False
    while data := file.read(_READ):
        parts = data.split(b"\n")
        parts[0] = rest + parts[0]
        rest = parts.pop()
        if parts and (cut or len(parts[0]) > LONGEST_LINE):  # any other is shorter than what is read at once
            parts[0], cut = parts[0][:LONGEST_LINE] + CUT, False
        if parts:
            yield parts
        if len(rest) > LONGEST_LINE:
            rest, cut = rest[:LONGEST_LINE], True
    if rest:
        yield [rest + CUT if cut else rest]
