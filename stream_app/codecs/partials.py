"""The records of the partials topic: one source partition's counter blocks, and how far it has come.

Page: key = JSON [definition, measure, group, period, partition], value = version 2, epoch, how many series, index of
the first cell that is not zero in one of them, how many cells from there to the last that is not, the series' names as
JSON, and the cells of each series, int32 little-endian. Status: key = JSON ["status", partition]. Values are absolute,
so that a record may come twice, and the topic may be compacted.

Earlier versions of this program wrote a record a series: key = JSON [definition, measure, series, period, partition],
value = version 1, epoch, index of the first cell that is not zero, and the cells. They are still read.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from stream_app.domain.counters import GROUP, BlockKey, PageKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.counters import Counters, Segments, Series

_VERSION = 1
_HEADER = struct.Struct("<BxHI")  # version, index of the first cell, epoch
_PAGE_VERSION = 2
_PAGE = struct.Struct("<BxHIHHI")  # version, index of the first cell, epoch, series, cells of each, bytes of the names
_STATUS = "status"


class SourceStatus(msgspec.Struct, frozen=True):
    """One source topic of the partition: largest event time (ms), whether it is idle, and records still to read."""

    last_event: int | None
    idle: bool
    lag: int = 0


@dataclass(frozen=True)
class Status:
    """How far a source partition has come with the blocks written before it.

    Attributes:
        epoch: blocks of an earlier epoch are void.
        fingerprint: of the configuration the blocks were counted under.
        sources: by topic.
        totals: records read, counted, dead-lettered, dropped; events late; users.
    """

    epoch: int
    fingerprint: str
    sources: dict[str, SourceStatus] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)


class PageEncoder:
    """Writes the pages of one source partition.

    Args:
        segments: the partition's; they say which series a group has.
        partition: its number.
        by_series: write a record a series, as workers of the version before can read it.
    """

    def __init__(self, segments: Segments, partition: int, *, by_series: bool = False) -> None:
        self._segments, self._partition, self._by_series = segments, partition, by_series
        self._names: dict[tuple[int, int], bytes] = {}

    def changed(self, counters: Counters, epoch: int) -> list[tuple[bytes, bytes]]:
        """Keys and values of what changed since the last call; it is then clean."""
        if self._by_series:
            return [encode_block(key, block, self._partition, epoch) for key, block in counters.take_dirty()]
        return [self.encode(key, cells, epoch) for key, cells in counters.take_pages()]

    def encode(self, key: PageKey, cells: NDArray[np.int32], epoch: int) -> tuple[bytes, bytes]:
        """Key and value of a page's record; cells: shape (series, indexes)."""
        count = len(cells)
        names = self._names.get((key.group, count))
        if names is None:
            start = key.group * GROUP
            names = orjson.dumps(self._segments.series[start : start + count])
            self._names[key.group, count] = names
        used = np.flatnonzero(cells.any(axis=0))
        first, stop = (int(used[0]), int(used[-1]) + 1) if used.size else (0, 0)
        name = orjson.dumps((key.definition, key.measure, key.group, key.period, self._partition))
        head = _PAGE.pack(_PAGE_VERSION, first, epoch, count, stop - first, len(names))
        return name, b"".join((head, names, cells[:, first:stop].astype("<i4").tobytes()))


def encode_block(key: BlockKey, block: NDArray[np.int64], partition: int, epoch: int) -> tuple[bytes, bytes]:
    """Key and value of a series' record, as the version before wrote it."""
    cells = np.flatnonzero(block)
    first, stop = (int(cells[0]), int(cells[-1]) + 1) if cells.size else (0, 0)
    name = orjson.dumps([key.definition, key.measure, key.series, key.period, partition])
    return name, _HEADER.pack(_VERSION, first, epoch) + block[first:stop].astype("<i4").tobytes()


def encode_status(status: Status, partition: int) -> tuple[bytes, bytes]:
    """Key and value of a status record."""
    return orjson.dumps([_STATUS, partition]), msgspec.json.encode(status)


def decode_key(key: bytes) -> tuple[BlockKey | PageKey | None, int]:
    """What a record is: a page's key and its partition, or None and the partition of a status.

    Raises:
        ValueError: the key is neither.
    """
    parts = orjson.loads(key)
    if len(parts) == 2 and parts[0] == _STATUS:
        return None, parts[1]
    definition, name, series, period, partition = parts
    if isinstance(series, int):
        return PageKey(definition, name, period, series), partition
    return BlockKey(definition, name, tuple(series), period), partition


def decode_page(value: bytes) -> tuple[int, tuple[Series, ...], int, NDArray[np.int32]]:
    """Epoch, series, index of the first cell, and cells (series, cells) of a page.

    Raises:
        ValueError: another version, or not as long as it says.
    """
    version, first, epoch, count, width, length = _PAGE.unpack_from(value)
    if version != _PAGE_VERSION:
        raise ValueError(f"a page of partials has version {version}, this program reads version {_PAGE_VERSION}")
    start = _PAGE.size + length
    series = _series(value[_PAGE.size : start])
    return epoch, series, first, np.frombuffer(value, "<i4", offset=start).reshape(count, width)


@lru_cache(maxsize=1024)
def _series(names: bytes) -> tuple[Series, ...]:
    return tuple(tuple(one) for one in orjson.loads(names))


def decode_block(value: bytes) -> tuple[int, NDArray[np.int64]]:
    """Epoch and cells of a block. Raises ValueError for another version."""
    version, first, epoch = _HEADER.unpack_from(value)
    if version != _VERSION:
        raise ValueError(f"a partial has version {version}, this program reads version {_VERSION}")
    cells = np.frombuffer(value, "<i4", offset=_HEADER.size).astype(np.int64)
    return epoch, np.concatenate([np.zeros(first, np.int64), cells]) if first else cells


def decode_status(value: bytes) -> Status:
    """The inverse of `encode_status`. Raises msgspec.ValidationError on anything else."""
    return msgspec.json.decode(value, type=Status)
