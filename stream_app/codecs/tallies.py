"""Tallies as bytes: what a worker that counted its partitions sends to the one that was asked.

    offset  size       what
    0       2          b"TY"
    2       1          version, 1
    3       4          n, length of the head (uint32)
    7       n          JSON: the fields of the tally but its cells, and of each column of cells its length, its least
                       value and the bytes of a number
    7 + n   the rest   the columns, one after the other, each as unsigned differences from its least value

All numbers are little-endian. Most columns span few values, so that a cell takes some 5 bytes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from stream_app.domain.metrics.tally import Cells, Tally

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

VERSION = 1
_MAGIC = b"TY"
_HEADER = struct.Struct("<2sBI")
_SIZES = (1, 2, 4, 8)


def encode_tally(tally: Tally) -> bytes:
    """The bytes of a tally."""
    names: list[list[Any]] = []
    columns: list[bytes] = []
    for name, cells in tally.cells.items():
        forms = []
        for column in (*cells.keys.T, cells.sums):
            form, raw = _packed(column)
            forms.append(form)
            columns.append(raw)
        names.append([name, len(cells.sums), forms])
    head = orjson.dumps(
        {
            "values": tally.values,
            "first_day": tally.first_day,
            "last_day": tally.last_day,
            "hours": tally.hours,
            "whole": tally.whole,
            "users": tally.users,
            "cells": names,
        }
    )
    return b"".join((_HEADER.pack(_MAGIC, VERSION, len(head)), head, *columns))


def _packed(column: Ints) -> tuple[tuple[int, int], bytes]:
    """(least value, bytes of a number), and the column's differences from the least."""
    if not column.size:
        return (0, 1), b""
    low, high = int(column.min()), int(column.max())
    size = next(size for size in _SIZES if high - low < 1 << 8 * size)
    # Unsigned, so that a span beyond the positive half wraps round and back again.
    return (low, size), (column.astype(np.uint64) - np.uint64(low % (1 << 64))).astype(f"<u{size}").tobytes()


def decode_tally(raw: bytes | memoryview) -> Tally:
    """The tally of these bytes.

    Raises:
        ValueError: they are no tally of this version.
    """
    if len(raw) < _HEADER.size:
        raise ValueError(f"a tally has {len(raw)} bytes, less than its header")
    magic, version, length = _HEADER.unpack_from(raw)
    if magic != _MAGIC or version != VERSION:
        raise ValueError(f"a tally begins with {bytes(raw[:3])!r}; this version reads {_MAGIC!r} {VERSION}")
    offset = _HEADER.size + length
    try:
        head = orjson.loads(raw[_HEADER.size : offset])
        tally = Tally(
            head["values"], first_day=head["first_day"], last_day=head["last_day"], hours=head["hours"],
            whole=head["whole"], users=head["users"],
        )  # fmt: skip
        for name, count, forms in head["cells"]:
            columns = []
            for low, size in forms:
                found = np.frombuffer(raw, f"<u{size}", count, offset).astype(np.uint64)
                columns.append((found + np.uint64(low % (1 << 64))).astype(np.int64))
                offset += count * size
            tally.cells[name] = Cells(np.stack(columns[:-1], axis=1), columns[-1])
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"the head of a tally cannot be read ({error!r})") from error
    if offset != len(raw):
        raise ValueError(f"a tally has {len(raw)} bytes, and {offset} by its head")
    return tally
