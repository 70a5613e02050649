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
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

#: Periods in a bucket. More of them make fewer fields to read at first, fewer make less to write for a change.
BUCKET = 16
VERSION = 1
_HEADER = struct.Struct("<2sBBI")
_MAGIC = b"SB"
_INT32 = np.iinfo(np.int32)

#: bucket -> bytes, of one series of one measure.
Buckets = Mapping[int, bytes]


def encode_bucket(blocks: Iterable[tuple[int, NDArray[np.int64]]]) -> bytes:
    """One bucket: pairs of period and block, in any order."""
    ordered = sorted(((period, _trimmed(block)) for period, block in blocks), key=lambda pair: pair[0])
    periods = np.array([period for period, _ in ordered], "<i8")
    lengths = np.array([block.size for _, block in ordered], "<u4")
    values = np.concatenate([block for _, block in ordered]) if ordered else np.zeros(0, np.int64)
    small = not values.size or (values.max() <= _INT32.max and values.min() >= _INT32.min)
    body = values.astype("<i4" if small else "<i8")
    head = _HEADER.pack(_MAGIC, VERSION, body.itemsize, len(ordered))
    return b"".join((head, periods.tobytes(), lengths.tobytes(), body.tobytes()))


def _trimmed(block: NDArray[np.int64]) -> NDArray[np.int64]:
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

    __slots__ = ("_buckets", "_pages")

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._pages: dict[int, NDArray[np.int64]] | None = None

    def replaced(self, changed: Buckets) -> LazyPages:
        """The same series with some buckets replaced; what was decoded of the others stays so."""
        new = LazyPages({**self._buckets, **changed})
        if self._pages is not None:
            new._pages = {p: block for p, block in self._pages.items() if p // BUCKET not in changed}
            for raw in changed.values():
                new._pages.update(decode_bucket(raw))
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
