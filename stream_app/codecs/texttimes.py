"""Times in columns of text, as files have them: with an offset or local, dates, and milliseconds since the epoch.

Beside what `codecs.times` takes of an event: `2024-02-29`, `2024-02-29 12:34`, `2024-02-29 12:34:56.789` (local times),
`2024-02-29 12:34:56 UTC` and offsets of hours alone (`+01`). Texts come as the bytes of a column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.codecs.times import BAD, LAST, instants

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_DATE, _MINUTES, _SECONDS = 10, 16, 19
_LONGEST = 64


def parse(data: Bytes, ends: Ints, to_instants: Callable[[Ints], Ints]) -> tuple[Ints, NDArray[np.bool_]]:
    """The instants of n texts, and which of them were local times.

    Args:
        data: the bytes of all texts, one after another.
        ends: n + 1 places in `data`: text i lies from place i to place i + 1.
        to_instants: makes instants (ms) of local times (ms).

    Returns:
        int64 (n,), ms since the epoch, `BAD` where a text is no time; bool (n,).
    """
    lengths = np.diff(ends)
    out = np.full(lengths.size, BAD, np.int64)
    local = np.zeros(lengths.size, np.bool_)
    if not lengths.size:
        return out, local
    low, high = int(lengths.min()), int(lengths.max())
    for length in [low] if low == high else np.unique(lengths).tolist():
        if not 0 < length <= _LONGEST:
            continue
        if low == high:
            out, local = _of_length(data[ends[0] : ends[-1]].reshape(-1, length))
        else:
            rows = np.flatnonzero(lengths == length)
            out[rows], local[rows] = _of_length(data[ends[rows][:, None] + np.arange(length)])
    if local.any():
        known = local & (out != BAD)
        found = to_instants(out[known])
        out[known] = np.where(found >= 0, found, BAD)
    return out, local


def _of_length(texts: Bytes) -> tuple[Ints, NDArray[np.bool_]]:
    """Instants of texts of one length, (n, length), local ones as if they were UTC; and which are local."""
    count, length = texts.shape
    out = np.full(count, BAD, np.int64)
    local = np.zeros(count, np.bool_)
    digits = (texts - np.uint8(48) <= 9).all(axis=1)
    if digits.any() and length <= 15:
        values = (texts[digits] - np.uint8(48)).astype(np.int64) @ (10 ** np.arange(length - 1, -1, -1, dtype=np.int64))
        out[digits] = np.where(values <= LAST, values, BAD)
        if digits.all():
            return out, local
    if length == _DATE:
        local[:] = ~digits
        out[local] = _parsed(_with(texts[local], b"T00:00:00"), _SECONDS)
    elif length == _MINUTES:
        local[:] = ~digits
        out[local] = _parsed(_with(texts[local], b":00"), _SECONDS)
    elif length >= _SECONDS:
        for rows, part, end, is_local in _forms(texts):
            if rows.any():
                out[rows] = _parsed(part(texts[rows]), end)
                local[rows] = is_local
    return out, local


def _forms(texts: Bytes) -> list[tuple[NDArray[np.bool_], Callable[[Bytes], Bytes], int, bool]]:
    """By how texts of 19 or more characters end: which rows, what to parse of them, where the offset begins, local."""
    length = texts.shape[1]
    zulu = (texts[:, -1] | 0x20) == ord("z")
    forms: list[tuple[NDArray[np.bool_], Callable[[Bytes], Bytes], int, bool]] = [(zulu, _same, length - 1, False)]
    rest = ~zulu
    if length >= _SECONDS + 6:
        full = rest & _signed(texts[:, -6]) & (texts[:, -3] == ord(":"))
        forms.append((full, _same, length - 6, False))
        rest &= ~full
    if length >= _SECONDS + 4:
        named = rest & (texts[:, -4:] == np.frombuffer(b" UTC", np.uint8)).all(axis=1)
        forms.append((named, lambda t: _with(t[:, :-4], b"Z"), length - 4, False))
        rest &= ~named
    if length >= _SECONDS + 3:
        hours = rest & _signed(texts[:, -3])
        forms.append((hours, lambda t: _with(t, b":00"), length - 3, False))
        rest &= ~hours
    forms.append((rest, _same, length, True))
    return forms


def _same(texts: Bytes) -> Bytes:
    return texts


def _signed(characters: Bytes) -> NDArray[np.bool_]:
    signed: NDArray[np.bool_] = (characters == ord("+")) | (characters == ord("-"))
    return signed


def _with(texts: Bytes, end: bytes) -> Bytes:
    """Texts with some characters more at their ends."""
    return np.concatenate([texts, np.broadcast_to(np.frombuffer(end, np.uint8), (len(texts), len(end)))], axis=1)


def _parsed(texts: Bytes, end: int) -> Ints:
    return instants(np.ascontiguousarray(texts.T), end)
