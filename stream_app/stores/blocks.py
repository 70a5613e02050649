"""Counter blocks as bytes: the blocks of one series in a bucket of neighbouring periods, behind a versioned header.

    offset  size       what
    0       2          b"SB"
    2       1          version, 1
    3       1          bytes of a value: 4 or 8
    4       4          n, number of blocks (uint32)
    8       8 * n      period of each block (int64), ascending
            4 * n      length of each block (uint32)
            the rest   the values of all blocks, one after the other

All numbers are little-endian. A block loses the zeros at its end, but never its first value: where a block ends,
its counts are zero (see `domain.counters`).
"""

from __future__ import annotations

import struct
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: Periods in a bucket, by kind of measure: of blocks over an index, and of blocks of one cell. More of them make fewer
#: fields to read at first, fewer make less to write for a change, of which each bucket is written whole.
BUCKETS = {"on": 4, "last": 4}
BUCKET = 16
VERSION = 1
_HEADER = struct.Struct("<2sBBI")
_MAGIC = b"SB"

#: bucket -> bytes, of one series of one measure.
Buckets = Mapping[int, bytes]


def bucket_size(measure: str) -> int:
    """How many periods of a measure a bucket has.

    >>> bucket_size("day.on"), bucket_size("day.size")
    (4, 16)
    """
    return BUCKETS.get(measure.rpartition(".")[2], BUCKET)


def encode_bucket(blocks: Iterable[tuple[int, NDArray[np.int64]]]) -> bytes:
    """One bucket: pairs of period and block, in any order."""
    ordered = sorted(blocks, key=itemgetter(0))
    periods, trimmed = [period for period, _ in ordered], [_trimmed(block) for _, block in ordered]
    values = np.concatenate(trimmed) if trimmed else np.zeros(0, np.int64)
    small = values.astype("<i4")
    body = small if (small == values).all() else values.astype("<i8")
    count = len(ordered)
    lengths = [block.size for block in trimmed]
    head = struct.pack(f"<2sBBI{count}q{count}I", _MAGIC, VERSION, body.itemsize, count, *periods, *lengths)
    return head + body.tobytes()


def _trimmed(block: NDArray[np.int64]) -> NDArray[np.int64]:
    if block.size and block[-1]:
        return block
    used = np.flatnonzero(block)
    return block[: max(int(used[-1]) + 1 if used.size else 0, 1)]


def decode_bucket(raw: bytes) -> dict[int, NDArray[np.int64]]:
    """Gives period -> block (int64, read-only).

    Raises:
        ValueError: the bytes are no bucket of this version.
    """
    if len(raw) < _HEADER.size:
        raise ValueError(f"a bucket of counter blocks has {len(raw)} bytes, less than its header")
    magic, version, itemsize, count = _HEADER.unpack_from(raw)
    if magic != _MAGIC or version != VERSION or itemsize not in (4, 8):
        raise ValueError(f"a bucket of counter blocks begins with {raw[:4]!r}; this version reads {_MAGIC!r} {VERSION}")
    body = _HEADER.size + 12 * count
    if len(raw) < body:
        raise ValueError(f"a bucket of {count} counter blocks has {len(raw)} bytes, less than its index")
    periods = np.frombuffer(raw, "<i8", count, _HEADER.size)
    ends = np.cumsum(np.frombuffer(raw, "<u4", count, _HEADER.size + 8 * count), dtype=np.int64)
    if len(raw) - body != itemsize * (int(ends[-1]) if count else 0):
        raise ValueError(f"a bucket of {count} counter blocks has {len(raw) - body} bytes of values, not what it says")
    values = np.frombuffer(raw, f"<i{itemsize}", offset=body).astype(np.int64)
    values.flags.writeable = False
    return dict(zip(periods.tolist(), np.split(values, ends[:-1]), strict=True)) if count else {}


class LazyPages(Mapping[int, "NDArray[np.int64]"]):
    """Gives period -> block of one series, decoded when first asked for."""

    __slots__ = ("_buckets", "_pages", "_size")

    def __init__(self, buckets: Buckets, size: int = BUCKET) -> None:
        self._buckets = buckets
        self._size = size
        self._pages: dict[int, NDArray[np.int64]] | None = None

    def replaced(self, changed: Buckets) -> LazyPages:
        """The same series with some buckets replaced; what was decoded of the others stays so.

        A block that is equal stays the same object, so that who knows it need not look at it again.
        """
        new = LazyPages({**self._buckets, **changed}, self._size)
        known = self._pages
        if known is not None:
            pages = known.copy()
            for bucket, raw in changed.items():
                found = decode_bucket(raw)
                for period in range(bucket * self._size, (bucket + 1) * self._size):
                    block, before = found.get(period), pages.get(period)
                    if block is None:
                        pages.pop(period, None)
                    elif before is None or before.size != block.size or (before != block).any():
                        pages[period] = block
            new._pages = pages
        return new

    def _decoded(self) -> dict[int, NDArray[np.int64]]:
        pages = self._pages
        if pages is None:
            pages = {}
            for raw in self._buckets.values():
                pages.update(decode_bucket(raw))
            self._pages = pages
        return pages

    def __getitem__(self, period: int) -> NDArray[np.int64]:
        return self._decoded()[period]

    def __iter__(self) -> Iterator[int]:
        return iter(self._decoded())

    def __len__(self) -> int:
        return len(self._decoded())

    # Those of Mapping look each period up again.

    def items(self) -> ItemsView[int, NDArray[np.int64]]:
        """Pairs of period and block."""
        return self._decoded().items()

    def values(self) -> ValuesView[NDArray[np.int64]]:
        """The blocks."""
        return self._decoded().values()
