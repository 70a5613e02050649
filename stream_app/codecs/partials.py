"""The records of the partials topic: one source partition's counter blocks, and how far it has come.

Block: key = JSON [definition, measure, series, period, partition], value = version, epoch, index of the first cell that
is not zero, and the cells from there to the last that is not, int32 little-endian. Status: key = JSON ["status",
partition]. Values are absolute, so that a record may come twice, and the topic may be compacted.
"""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from stream_app.domain.counters import BlockKey

if TYPE_CHECKING:
    from numpy.typing import NDArray

_VERSION = 1
_HEADER = struct.Struct("<BxHI")  # version, index of the first cell, epoch
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


def encode_block(key: BlockKey, block: NDArray[np.int64], partition: int, epoch: int) -> tuple[bytes, bytes]:
    """Key and value of a block's record."""
    cells = np.flatnonzero(block)
    first, stop = (int(cells[0]), int(cells[-1]) + 1) if cells.size else (0, 0)
    name = orjson.dumps([key.definition, key.measure, key.series, key.period, partition])
    return name, _HEADER.pack(_VERSION, first, epoch) + block[first:stop].astype("<i4").tobytes()


def encode_status(status: Status, partition: int) -> tuple[bytes, bytes]:
    """Key and value of a status record."""
    return orjson.dumps([_STATUS, partition]), orjson.dumps(
        asdict(status) | {"sources": {t: msgspec.structs.asdict(s) for t, s in status.sources.items()}}
    )


def decode_key(key: bytes) -> tuple[BlockKey | None, int]:
    """What a record is: a block's key and its partition, or None and the partition of a status.

    Raises:
        ValueError: the key is neither.
    """
    parts = orjson.loads(key)
    if len(parts) == 2 and parts[0] == _STATUS:
        return None, parts[1]
    definition, name, series, period, partition = parts
    return BlockKey(definition, name, tuple(series), period), partition


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
