"""What is kept of one user: when and how the first event came, and for each filter a row of fixed width.

Every field is a join (minimum, maximum or set union) over the user's events, hence independent of their order and of
redelivery. Bitmaps are relative to the user's own first period; see `domain.bits` for their layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.periods import HORIZON, KEPT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: Changes whenever the meaning or the layout of what is stored of a user changes; part of the changelog's fingerprint.
#: 1: every filter's row, of every user. 2: the rows of the filters in whose sense the user was active.
ROW_FORMAT = 2
ROW_FORMATS = (1, 2)
NEVER = np.iinfo(np.int32).min
LATER = np.iinfo(np.int64).max
RING_DAYS = 128
ID_BYTES = 16


@cache
def row_of(hour_words: int) -> np.dtype[np.void]:
    """What is kept of one user in the sense of one filter, in whole 8-byte words.

    First event (ms), the local days of the first and the latest event, and the active periods since the first; `ring`
    bit `j` is the day `j` days before the latest; `hours` bit `j` is the hour `j` hours after that of the first event
    (after the one before it, see `Calendar.hour_slack`), in so many words.
    """
    fields = [
        ("anchor", np.int64),
        ("first_day", np.int32),
        ("last_day", np.int32),
        *((grain.value, np.uint64, (HORIZON[grain] // 64,)) for grain in KEPT),
        ("ring", np.uint64, (RING_DAYS // 64,)),
    ]
    return np.dtype(fields + [("hours", np.uint64, (hour_words,))] * (hour_words > 0))


#: A row without hours.
DEFINITION = row_of(0)
#: The word at which each field of a row begins, with hours or without: flat indexes into words are NumPy's fastest way
#: to single bits.
WORD_OF = {name: offset // 8 for name, (_, offset, *_) in (row_of(1).fields or {}).items()}


def hour_words(hour_days: int, slack: int) -> int:
    """How many words hold the hours of so many days; see `Calendar.hour_slack`."""
    return -(-(24 * hour_days + 2 * slack) // 64) if hour_days else 0


@dataclass(frozen=True, slots=True)
class Layout:
    """How stored rows lie, seen from the present configuration.

    Attributes:
        filters: of each present filter, its place among the stored ones.
        dimensions: of each present dimension, its place among the stored ones.
        stored_filters, stored_dimensions: how many of each were stored.
        hour_days: of how many days hours were stored.
    """

    filters: tuple[int, ...]
    dimensions: tuple[int, ...]
    stored_filters: int
    stored_dimensions: int
    hour_days: int = 0


def empty_rows(count: int, hour_words: int = 0) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Rows of one filter with no event yet, shape (count,)."""
    rows = np.zeros(count, row_of(hour_words))
    rows["anchor"] = LATER
    rows["first_day"] = NEVER
    rows["last_day"] = NEVER
    return rows


SHORT, UUID, LONG = 0, 1, 2
# Places of the dashes and of the digits in a UUID's text; the value of each digit, 16 of what is none.
_DASHES = np.array([8, 13, 18, 23])
_DIGITS = np.delete(np.arange(36), _DASHES)
_HEX = np.full(256, 16, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def _uuid_text(packed: bytes) -> str:
    """What `uuid.UUID(bytes=packed)` writes, at a seventh of its cost."""
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def pack_id(event_id: str) -> tuple[int, bytes, str | None]:
    """An event id in 16 bytes: as it is, as a UUID's bytes, or its beginning with the rest beside the row.

    The whole id is needed only where two events of one user have the same time: the least id then decides.

    Returns:
        The form, the bytes, and the whole id where they do not hold it.
    """
    raw = event_id.encode("utf-8", "surrogatepass")
    if len(raw) <= ID_BYTES and not raw.endswith(b"\0"):
        return SHORT, raw, None
    if len(raw) == 36:
        try:
            packed = bytes.fromhex(event_id.replace("-", ""))
        except ValueError:
            pass
        else:
            # A trailing NUL byte would be lost in a fixed-width field.
            if _uuid_text(packed) == event_id and not packed.endswith(b"\0"):
                return UUID, packed, None
    return LONG, raw[:ID_BYTES], event_id


def pack_ids(
    event_ids: Sequence[str],
) -> tuple[NDArray[np.uint8], NDArray[np.bytes_], dict[int, str]]:
    """`pack_id` of n event ids: forms (n,), bytes (n,), and by place the whole ids that the bytes do not hold.

    UUIDs, which most ids are, are packed together: 0.2 us each, not 1.1.
    """
    forms, packed = np.full(len(event_ids), LONG, np.uint8), np.zeros(len(event_ids), f"S{ID_BYTES}")
    likely = np.flatnonzero(np.fromiter(map(len, event_ids), np.int64, len(event_ids)) == 36)
    text = "".join([event_ids[place] for place in likely.tolist()]).encode("ascii", "replace")
    characters = np.frombuffer(text, np.uint8).reshape(-1, 36)
    digits = _HEX[characters[:, _DIGITS]]
    raw = digits[:, 0::2] << 4 | digits[:, 1::2]
    good = (digits < 16).all(axis=1) & (characters[:, _DASHES] == ord("-")).all(axis=1) & (raw[:, -1] != 0)
    forms[likely[good]] = UUID
    packed[likely[good]] = raw[good].view(packed.dtype).ravel()
    whole: dict[int, str] = {}
    for place in np.flatnonzero(forms == LONG).tolist():
        forms[place], packed[place], rest = pack_id(event_ids[place])
        if rest is not None:
            whole[place] = rest
    return forms, packed, whole


def unpack_id(form: int, raw: bytes, row: int, long_ids: Mapping[int, str]) -> str:
    """The whole event id of a row; the inverse of `pack_id`."""
    if form == SHORT:
        return raw.decode("utf-8", "surrogatepass")
    if form == UUID:
        return _uuid_text(raw.ljust(ID_BYTES, b"\0"))
    return long_ids[row]
