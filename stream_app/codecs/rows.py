"""The changelog's records: users' rows, and the marker that says how far the source was read when they were written.

Row: key = user_id, value = one version byte, the fixed-width row, the segment values as JSON, and, after a line feed,
the event id where it does not fit in the row. Marker: key = `MARKER_KEY`, which no user_id can be (it has a NUL byte).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from stream_app.domain.rows import LONG, ROW_FORMAT, row_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.users import UserTable

MARKER_KEY = b"\0marker"
_VERSION = bytes([ROW_FORMAT])


@dataclass(frozen=True)
class Source:
    """One source topic-partition in a marker: the next offset to read, and the largest event time read (ms)."""

    offset: int
    last_event: int | None


@dataclass(frozen=True)
class Marker:
    """What was read when the rows beside it were written.

    Attributes:
        fingerprint: of the configuration that the rows depend on; see `domain.fingerprint`.
        epoch: how often this partition's state has been taken over; partials of an earlier epoch are void.
        watermark: of the source partition (ms), None before any event.
        sources: by topic.
        totals: records read, counted, dead-lettered, dropped; events late.
    """

    fingerprint: str
    epoch: int
    watermark: int | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)


def encode_marker(marker: Marker) -> bytes:
    """The marker as JSON."""
    return orjson.dumps(asdict(marker))


def decode_marker(value: bytes) -> Marker:
    """The inverse of `encode_marker`. Raises msgspec.ValidationError on anything else."""
    return msgspec.json.decode(value, type=Marker)


class RowEncoder:
    """Encodes rows of one table; what segments add to a value is made once a combination."""

    def __init__(self, table: UserTable) -> None:
        self._table = table
        self._tails: list[bytes] = []

    def encode(self, places: NDArray[np.int64]) -> list[bytes]:
        """The values of these rows, in order."""
        table = self._table
        self._tails += [orjson.dumps(combo) for combo in table.segments.combos[len(self._tails) :]]
        # `take` and a view without fields copy whole rows; plain indexing would copy field by field.
        rows = table.rows.take(places)
        packed, combos = rows.view(f"V{rows.itemsize}").tolist(), rows["combo"].tolist()
        tails = self._tails
        values = [_VERSION + row + tails[combo] for row, combo in zip(packed, combos, strict=True)]
        for i in np.flatnonzero(rows["id_form"] == LONG).tolist():
            values[i] += b"\n" + table.long_ids[int(places[i])].encode("utf-8", "surrogatepass")
        return values


def restore_rows(table: UserTable, users: Sequence[bytes], values: Sequence[bytes]) -> None:
    """Puts encoded rows back into a table. A user given twice has the later row.

    Raises:
        ValueError: a value has another version or length than this program writes.
    """
    if not users:
        return
    dtype = row_type(len(table.definitions))
    width = dtype.itemsize + 1
    wrong = next((v for v in values if v[:1] != _VERSION or len(v) < width), None)
    if wrong is not None:
        raise ValueError(f"a changelog row has version {wrong[:1].hex()} and {len(wrong)} bytes, not version 01")
    rows = np.frombuffer(b"".join([v[1:width] for v in values]), dtype).copy()
    known: dict[bytes, int] = {}
    combos, long_ids = [], []
    for i, value in enumerate(values):
        tail = value[width:]
        if b"\n" in tail:
            tail, long_id = tail.split(b"\n", 1)
            long_ids.append((i, long_id.decode("utf-8", "surrogatepass")))
        combo = known.get(tail)
        if combo is None:
            combo = known[tail] = table.segments.combo(tuple(orjson.loads(tail)))
        combos.append(combo)
    rows["combo"] = combos
    # Fancy assignment leaves open which of two equal places wins: keep the later row of each user.
    last = {user: i for i, user in enumerate(users)}
    keep = np.fromiter(last.values(), np.int64, len(last))
    places = table.restore(list(last), rows[keep])
    place_of = dict(zip(keep.tolist(), places.tolist(), strict=True))
    for i, whole in long_ids:
        if i in place_of:
            table.long_ids[place_of[i]] = whole
