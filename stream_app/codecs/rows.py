"""The changelog's records: users' state, and the marker that says how far the source was read when it was written.

Row: key = user_id, value = the format's number (1 byte), what is kept of the user at fixed width, the segment values as
JSON, and, after a line feed, the event id where it does not fit. Format 2 says in 16 bits which filters' rows follow;
format 1 has all of them, and the number of the combination of segment values. Marker: key = `MARKER_KEY`, which
no user_id can be (it has a NUL byte).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson

from stream_app.domain.bits import true_at
from stream_app.domain.rows import (
    ID_BYTES,
    LONG,
    NEVER,
    ROW_FORMAT,
    ROW_FORMATS,
    Layout,
    empty_rows,
    hour_words,
    row_of,
)
from stream_app.domain.users import ends_of_groups

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.users import UserTable

    Ints = NDArray[np.int64]

MARKER_KEY = b"\0marker"
#: Filters that a row's 16 bits can name.
MOST_FILTERS = 16


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
        partitions: how many source partitions there were; 0 in markers of the first version.
        former: digests of the fingerprints that the state had before each of its migrations, the first one first.
        since: offset of the changelog from which on every user has a row of this configuration; what is left
            before it may be of a former one.
    """

    fingerprint: str
    epoch: int
    watermark: int | None = None
    sources: dict[str, Source] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    partitions: int = 0
    former: tuple[str, ...] = ()
    since: int = 0


def encode_marker(marker: Marker) -> bytes:
    """The marker as JSON."""
    return orjson.dumps(marker)


def decode_marker(value: bytes) -> Marker:
    """The inverse of `encode_marker`. Raises msgspec.ValidationError on anything else."""
    return msgspec.json.decode(value, type=Marker)


def _whole(words: int) -> np.dtype[np.void]:
    """A filter's row with so many words of hours as bytes: copied at once, where fields are one by one."""
    return np.dtype(f"V{row_of(words).itemsize}")


@cache
def _stored(version: int, filters: int, words: int) -> np.dtype[np.void]:
    """The fixed part of a value with so many filters' rows in it, with so many words of hours."""
    names = [("mask", "<u2"), ("first", "<i8")] if version == 2 else [("first", "<i8"), ("combo", "<i4")]
    rest = [("id_form", "u1"), ("id", f"S{ID_BYTES}"), ("of", _whole(words), (filters,))]
    return np.dtype([("version", "u1"), *names, *rest])


class RowEncoder:
    """Encodes the state of users of one table; what segments add to a value is made once a combination.

    Args:
        table: the users.
        version: the format to write, one of `ROW_FORMATS`; an earlier one is for the time of an upgrade.
    """

    def __init__(self, table: UserTable, version: int = ROW_FORMAT) -> None:
        self._table = table
        self._version = version
        self._words = words_of(table)
        self._tails: list[bytes] = []

    def encode(self, users: Ints) -> list[bytes]:
        """The values of these users, in order."""
        table = self._table
        self._tails += [orjson.dumps(combo) for combo in table.segments.combos[len(self._tails) :]]
        places = np.array([activity.place[users] for activity in table.activities])
        if self._version == 1:
            fixed = self._fixed(users, places, (1 << len(places)) - 1).tolist()
        else:
            masks = (1 << np.arange(len(places))) @ (places >= 0)
            fixed = [b""] * users.size
            for mask in np.unique(masks).tolist():
                of = true_at(masks == mask)
                found = self._fixed(users[of], places[:, of], mask).tolist()
                if of.size == users.size:
                    fixed = found
                else:
                    for place, value in zip(of.tolist(), found, strict=True):
                        fixed[place] = value
        tails = self._tails
        values = [row + tails[combo] for row, combo in zip(fixed, table.combo[users].tolist(), strict=True)]
        for i in true_at(table.id_form[users] == LONG).tolist():
            values[i] += b"\n" + table.long_ids[int(users[i])].encode("utf-8", "surrogatepass")
        return values

    def _fixed(self, users: Ints, places: NDArray[np.int32], mask: int) -> NDArray[np.void]:
        """The fixed parts of values with the same filters' rows in them, shape (n,)."""
        table = self._table
        present = _set_bits(mask)
        dtype = _stored(self._version, len(present), self._words)
        out = np.empty(users.size, dtype)
        out["version"] = self._version
        if self._version == 2:
            out["mask"] = mask
        else:
            out["combo"] = table.combo[users]
        out["first"], out["id_form"], out["id"] = table.first[users], table.id_form[users], table.id[users]
        whole = _whole(self._words)
        for column, place in enumerate(present):
            out["of"][:, column] = table.activities[place].rows.view(whole)[places[place]]
            if self._version == 1:
                out["of"][places[place] < 0, column] = empty_rows(1, self._words).view(whole)[0]
        return out.view(f"V{dtype.itemsize}")


class RowDecoder:
    """Puts encoded users back into a table.

    Args:
        table: the users.
        layout: how the stored rows lie; None: as the table's own.
        changed: whether the users are to be written again.
    """

    def __init__(self, table: UserTable, layout: Layout | None = None, *, changed: bool = False) -> None:
        self._table = table
        filters, dimensions = len(table.filters), len(table.segments.dimensions)
        own = Layout(tuple(range(filters)), tuple(range(dimensions)), filters, dimensions, table.hour_days)
        self._layout = layout or own
        self._words = hour_words(self._layout.hour_days, table.calendar.hour_slack if self._layout.hour_days else 0)
        self._changed = changed
        self._combos: dict[bytes, int] = {}

    def restore(self, names: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Puts values back. A user given twice has the later one.

        Raises:
            ValueError: a value has a format or length that this program does not read.
        """
        if not names:
            return
        users = self._table.restore_users(names, changed=self._changed)
        last = ends_of_groups(users)
        if last.size < users.size:
            users, values = users[last], [values[i] for i in last.tolist()]
        heads = [value[:3] if value[:1] == b"\2" else value[:1] for value in values]
        kinds = {head: number for number, head in enumerate(dict.fromkeys(heads))}
        of_kind = np.fromiter(map(kinds.__getitem__, heads), np.int64, len(heads))
        for head, number in kinds.items():
            of = true_at(of_kind == number)
            same = values if of.size == len(values) else [values[i] for i in of.tolist()]
            self._restore(int.from_bytes(head[:1]), int.from_bytes(head[1:], "little"), users[of], same)

    def _restore(self, version: int, mask: int, users: Ints, values: Sequence[bytes]) -> None:
        """Puts values of one form back, each user's once."""
        table, layout = self._table, self._layout
        stored = _set_bits(mask) if version == 2 else list(range(layout.stored_filters))
        dtype = _stored(version, len(stored), self._words)
        width = dtype.itemsize
        shortest = min(map(len, values))
        if version not in ROW_FORMATS or shortest < width or any(s >= layout.stored_filters for s in stored):
            raise ValueError(
                f"a changelog row has format {version}, filters {mask:b} and {shortest} bytes; this program reads "
                f"formats {', '.join(map(str, ROW_FORMATS))} of {layout.stored_filters} filters"
            )
        rows = np.frombuffer(b"".join([value[:width] for value in values]), dtype)
        tails = [value[width:] for value in values]
        if table.long_ids:
            for user in users.tolist():
                table.long_ids.pop(user, None)
        for i in true_at(rows["id_form"] == LONG).tolist():
            tails[i], long_id = tails[i].split(b"\n", 1)
            table.long_ids[int(users[i])] = long_id.decode("utf-8", "surrogatepass")
        table.first[users], table.id_form[users], table.id[users] = rows["first"], rows["id_form"], rows["id"]
        for tail in set(tails) - self._combos.keys():
            segment = orjson.loads(tail)
            if len(segment) != layout.stored_dimensions:
                raise ValueError(f"a changelog row has the segment {segment}, not {layout.stored_dimensions} values")
            self._combos[tail] = table.segments.combo(tuple(segment[place] for place in layout.dimensions))
        table.combo[users] = list(map(self._combos.__getitem__, tails))
        for activity, place in zip(table.activities, layout.filters, strict=True):
            if place in stored:
                found = rows["of"][:, stored.index(place)]
                active = users
                if version == 1:
                    known = np.ascontiguousarray(found).view(row_of(self._words))["last_day"] != NEVER
                    found, active = found[known], users[known]
                places = activity.take_places(active)
                activity.rows.view(_whole(activity.hour_words))[places] = self._cut(found, activity.hour_words)

    def _cut(self, found: NDArray[np.void], words: int) -> NDArray[np.void]:
        """Stored rows with fewer words of hours, which come last; shape (n,)."""
        if words == self._words:
            return found
        flat = np.ascontiguousarray(found).view(np.uint8).reshape(-1, row_of(self._words).itemsize)
        return np.ascontiguousarray(flat[:, : row_of(words).itemsize]).view(_whole(words)).ravel()


def words_of(table: UserTable) -> int:
    """How many words of hours the rows of a table have."""
    return hour_words(table.hour_days, table.calendar.hour_slack if table.hour_days else 0)


def _set_bits(mask: int) -> list[int]:
    return [place for place in range(MOST_FILTERS) if mask >> place & 1]
