"""The row of one user: of fixed width, so that a partition's users are one NumPy array.

Every field is a join (minimum, maximum or set union) over the user's events, hence independent of their order and of
redelivery. Bitmaps are relative to the user's own first period; see `domain.bits` for their layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.periods import HORIZON, Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: Changes whenever the meaning or the layout of a row changes; it is part of the changelog's fingerprint.
ROW_FORMAT = 1
NEVER = np.iinfo(np.int32).min
LATER = np.iinfo(np.int64).max
RING_DAYS = 128
_ID_BYTES = 16

#: Of one definition: first event (ms), the local days of the first and the latest event, and the active periods
#: since the first; `ring` bit `j` is the day `j` days before the latest.
DEFINITION = np.dtype(
    [
        ("anchor", np.int64),
        ("first_day", np.int32),
        ("last_day", np.int32),
        *((grain.value, np.uint64, (HORIZON[grain] // 64,)) for grain in Grain),
        ("ring", np.uint64, (RING_DAYS // 64,)),
    ]
)


def row_type(definitions: int) -> np.dtype[np.void]:
    """The type of a user's row for a number of definitions.

    `first` is the time (ms) of the first event of any kind, `id_form` and `id` its event id (see `pack_id`), `combo`
    the number of the combination of segment values it carried.
    """
    return np.dtype(
        [
            ("first", np.int64),
            ("combo", np.int32),
            ("id_form", np.uint8),
            ("id", f"S{_ID_BYTES}"),
            ("of", DEFINITION, (definitions,)),
        ]
    )


def empty_rows(count: int, definitions: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """Rows of users with no event yet, shape (count,)."""
    rows = np.zeros(count, row_type(definitions))
    rows["first"] = LATER
    rows["of"]["anchor"] = LATER
    rows["of"]["first_day"] = NEVER
    rows["of"]["last_day"] = NEVER
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
    if len(raw) <= _ID_BYTES and not raw.endswith(b"\0"):
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
    return LONG, raw[:_ID_BYTES], event_id


def pack_ids(
    event_ids: Sequence[str],
) -> tuple[NDArray[np.uint8], NDArray[np.bytes_], dict[int, str]]:
    """`pack_id` of n event ids: forms (n,), bytes (n,), and by place the whole ids that the bytes do not hold.

    UUIDs, which most ids are, are packed together: 0.2 us each, not 1.1.
    """
    forms, packed = np.full(len(event_ids), LONG, np.uint8), np.zeros(len(event_ids), f"S{_ID_BYTES}")
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
        return _uuid_text(raw.ljust(_ID_BYTES, b"\0"))
    return long_ids[row]
