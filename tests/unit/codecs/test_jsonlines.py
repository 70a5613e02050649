"""Files of JSON lines: blocks in bounded memory, with line numbers."""

from __future__ import annotations

import gzip
import io
import itertools
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codecs import jsonlines
from stream_app.codecs.jsonlines import CUT, LONGEST_LINE, read_blocks
from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

lines = st.lists(st.one_of(st.binary(max_size=30).map(lambda b: b.replace(b"\n", b"")), st.just(b"")), max_size=40)


def records(data: bytes, **options: int) -> list[tuple[int, bytes]]:
    blocks = read_blocks(io.BytesIO(data), **options)
    return [(block.line(i), value) for block in blocks for i, value in enumerate(block.values)]


@given(lines, st.booleans(), st.integers(1, 7), st.integers(1, 100), st.integers(1, 20))
def test_every_line_comes_once_with_its_number(
    content: list[bytes], end: bool, block_lines: int, block_bytes: int, read: int
) -> None:
    data = b"\n".join(content) + (b"\n" if end else b"")
    if data.startswith((b"\x1f\x8b", b"\xef\xbb\xbf")):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonlines, "_READ", read)
        got = records(data, block_lines=block_lines, block_bytes=block_bytes)
    assert got == [(n, line) for n, line in enumerate(content, 1) if line.strip(b" \t\n\r\x0b\x0c")]


def test_blocks_end_after_so_many_lines() -> None:
    blocks = list(read_blocks(io.BytesIO(b"{}\n" * 45), block_lines=20))
    assert [len(block.values) for block in blocks] == [20, 20, 5]
    assert [block.line(0) for block in blocks] == [1, 21, 41]


def test_blocks_end_after_so_many_bytes() -> None:
    blocks = list(read_blocks(io.BytesIO((b"x" * 99 + b"\n") * 10), block_bytes=250))
    assert [len(block.values) for block in blocks] == [3, 3, 3, 1]


def test_gzip_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a":1}\n\n{"a":2}'))
    with path.open("rb") as file:
        assert [(b.values, list(b.lines)) for b in read_blocks(file)] == [([b'{"a":1}', b'{"a":2}'], [1, 3])]


def test_a_byte_order_mark_is_dropped_and_windows_line_ends_are_json_white_space() -> None:
    assert records(b'\xef\xbb\xbf{"a":1}\r\n\r\n{"a":2}\r\n') == [(1, b'{"a":1}\r'), (3, b'{"a":2}\r')]


def test_a_file_without_records_gives_no_block() -> None:
    assert list(read_blocks(io.BytesIO(b""))) == []
    assert list(read_blocks(io.BytesIO(b"\n \n\r\n"))) == []


def test_a_line_that_is_too_long_is_cut_and_no_json_any_more() -> None:
    long = b"{}" + b" " * (3 * LONGEST_LINE)
    assert records(b"1\n" + long + b"\n3\n") == [(1, b"1"), (2, long[:LONGEST_LINE] + CUT), (3, b"3")]
    assert records(long) == [(1, long[:LONGEST_LINE] + CUT)]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    class Endless(io.RawIOBase):
        left = 200

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            self.left -= 1
            buffer[:] = b"x" * len(buffer)
            return len(buffer) if self.left > 0 else 0

    tracemalloc.start()
    try:
        blocks = list(read_blocks(io.BufferedReader(Endless(), 1 << 20)))  # type: ignore[type-var]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(blocks[0].values[0]) == LONGEST_LINE + len(CUT)
    assert peak < 32 << 20


@pytest.mark.parametrize("spoil", [lambda data: data[:-20], lambda data: data[:30] + b"\0" * 9 + data[39:]])
def test_damaged_gzip_is_one_clear_error(spoil: object) -> None:
    data = gzip.compress(b"".join(b'{"n":%d}\n' % i for i in range(1000)))
    with pytest.raises(ConfigurationError, match=r"events\.gz: cannot be read after line \d+ \(.*\); give a whole"):
        list(read_blocks(io.BytesIO(spoil(data)), name="events.gz"))  # type: ignore[operator]


def test_reading_stops_when_nobody_asks_for_more() -> None:
    file = io.BytesIO(b"{}\n" * 2_000_000)
    assert len(list(itertools.islice(read_blocks(file), 2))) == 2
    assert file.tell() < 4 << 20
