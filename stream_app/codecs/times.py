"""`occurred_at` to milliseconds: RFC 3339 texts of a whole chunk at once, or epoch milliseconds.

Texts of one length are laid side by side as a matrix of bytes, one column a character place, and every place is
judged and weighed for all of them together. What is accepted: a date and time with `T`, `t` or a space between
(RFC 3339, section 5.6), a fraction of any length (cut to ms), and `Z`, `z` or an offset `±hh:mm`; integers are ms
since the epoch. A time before 1970 is impossible for an event, and the calendar has no periods for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import numpy as np

from stream_app.domain.periods import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Stands for a time that could not be read.
BAD = int(np.iinfo(np.int64).min)
#: The end of 1971 (ms): what seconds of today are when they are taken as milliseconds lies before.
SECONDS = 63_072_000_000
#: The last instant (ms) of the year 9999.
LAST = 253_402_300_799_999

_BODY = 19  # characters of 2024-02-29T12:34:56
_LONGEST = 64  # a longer text has a long fraction: it is cut first
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
# The first day (since 1970-01-01) of each month from 1970-01 to 10000-01.
_MONTHS = np.arange((10_000 - 1970) * 12 + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
_LONG = re.compile(r"(.{19}\.\d{3})\d+([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SHAPE = re.compile(r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](\d\d):(\d\d))?", re.ASCII)


def parse(values: Sequence[str | int]) -> NDArray[np.int64]:
    """The instants of n values: int64 (n,), ms since the epoch; `BAD` where a value is not a time."""
    types = set(map(type, values))
    if types == {str}:
        return _parse_texts(cast("Sequence[str]", values))
    if types == {int}:
        return _parse_integers(cast("Sequence[int]", values))
    out = np.full(len(values), BAD, np.int64)
    texts = [i for i, value in enumerate(values) if isinstance(value, str)]
    if texts:
        out[texts] = _parse_texts([cast("str", values[i]) for i in texts])
    integers = [i for i, value in enumerate(values) if isinstance(value, int)]
    if integers:
        out[integers] = _parse_integers([cast("int", values[i]) for i in integers])
    return out


def explain(value: str | int) -> str:
    """What is wrong with a value for which `parse` gave `BAD`, or with a number before `SECONDS`, and what to do.

    The end of a sentence.
    """
    if isinstance(value, int):
        if value < 0:
            return "is before 1970; send the time of the event in ms since the epoch"
        if value < SECONDS:
            return "is before 1972; are these seconds? write milliseconds, or RFC 3339 such as 2024-02-29T12:34:56Z"
        return "is past the year 9999; send ms since the epoch, not a finer unit"
    match = _SHAPE.fullmatch(value)
    if match is None:
        if re.fullmatch(r"-?\d+(\.\d+)?", value):
            return "is a number in quotes; send epoch milliseconds as a JSON integer"
        return "is not RFC 3339; send it like 2024-02-29T12:34:56.789Z, or as epoch milliseconds"
    if match[8] is None:
        return "has no offset to UTC; end it with Z or an offset such as +01:00"
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if hour > 23 or minute > 59 or second > 59:
        return "is not a time of day; hours end at 23, minutes and seconds at 59"
    if match[9] is not None and (int(match[9]) > 23 or int(match[10]) > 59):
        return "has an impossible offset to UTC; hours end at 23, minutes at 59"
    if month < 1 or month > 12 or day < 1 or (year >= 1970 and not _exists(year, month, day)):
        return "is not a date of the calendar; correct the month or the day"
    return "is before 1970; send the time of the event"


def _exists(year: int, month: int, day: int) -> bool:
    index = (year - 1970) * 12 + month - 1
    return bool(day <= _MONTHS[index + 1] - _MONTHS[index])


def _parse_integers(values: Sequence[int]) -> NDArray[np.int64]:
    # A JSON integer may have hundreds of digits: bring it into range before NumPy sees it.
    return np.array([value if 0 <= value <= LAST else BAD for value in values], np.int64)


def _parse_texts(texts: Sequence[str]) -> NDArray[np.int64]:
    count = len(texts)
    lengths = np.fromiter(map(len, texts), np.int64, count)
    length = int(lengths[0])
    if length <= _LONGEST and (lengths == length).all():
        return _parse_matrix("".join(texts), count, length)
    out = np.full(count, BAD, np.int64)
    for length in np.unique(lengths).tolist():
        rows = np.flatnonzero(lengths == length).tolist()
        if length <= _LONGEST:
            out[rows] = _parse_matrix("".join(texts[i] for i in rows), len(rows), length)
            continue
        for i in rows:
            match = _LONG.fullmatch(texts[i])
            if match is not None:
                out[i] = _parse_matrix(match[1] + match[2], 1, len(match[1]) + len(match[2]))[0]
    return out


def _parse_matrix(joined: str, count: int, length: int) -> NDArray[np.int64]:
    """Parse `count` texts of one length, joined to one."""
    if length <= _BODY:
        return np.full(count, BAD, np.int64)
    # One byte a character, so that places stay places; what is not ASCII becomes "?" and fails below.
    matrix = np.frombuffer(joined.encode("ascii", "replace"), np.uint8).reshape(count, length)
    zulu = (matrix[:, -1] | 0x20) == ord("z")
    if zulu.all():
        return instants(np.ascontiguousarray(matrix.T), length - 1)
    out = np.full(count, BAD, np.int64)
    if zulu.any():
        out[zulu] = instants(np.ascontiguousarray(matrix[zulu].T), length - 1)
    if length >= _BODY + 6:
        out[~zulu] = instants(np.ascontiguousarray(matrix[~zulu].T), length - 6)
    return out


def instants(places: NDArray[np.uint8], end: int) -> NDArray[np.int64]:
    """Instants of n texts whose offset begins at place `end` (none: UTC); `places` is (length, n)."""
    digits = places[_DIGITS] - np.uint8(48)  # what is no digit wraps to 10 or more
    good = digits.max(axis=0) <= 9
    for place, mark in ((4, "-"), (7, "-"), (13, ":"), (16, ":")):
        good &= places[place] == ord(mark)
    good &= ((places[10] | 0x20) == ord("t")) | (places[10] == ord(" "))
    century, years, month, day, hour, minute, second = digits[0::2] * np.uint8(10) + digits[1::2]
    good &= (month - np.uint8(1) < 12) & (hour < 24) & (minute < 60) & (second < 60)
    index = (century.astype(np.int64) * 100 + years - 1970) * 12 + month - 1
    good &= index >= 0
    index[~good] = 0
    first: NDArray[np.int64] = _MONTHS[index]
    good &= (day >= 1) & (day <= _MONTHS[index + 1] - first)
    out: NDArray[np.int64] = (first + day - 1) * DAY_MS
    out += (hour.astype(np.int64) * 60 + minute) * 60_000
    out += second.astype(np.int64) * 1000
    if end > _BODY:
        fraction = places[_BODY + 1 : end] - np.uint8(48)
        good &= places[_BODY] == ord(".")
        good &= fraction.max(axis=0) <= 9 if len(fraction) else False
        for place, weight in zip(fraction[:3], (100, 10, 1), strict=False):
            out += place.astype(np.int64) * weight
    if len(places) - end > 1:
        out -= _offsets(places[end:], good)
    good &= out >= 0  # an offset may lead back into 1969
    out[~good] = BAD
    return out


def _offsets(places: NDArray[np.uint8], good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Offsets `±hh:mm` in ms, int64 (n,); clears `good` where there is none. `places` is (6, n)."""
    digits = places[[1, 2, 4, 5]] - np.uint8(48)
    hours, minutes = digits[0::2] * np.uint8(10) + digits[1::2]
    minus = places[0] == ord("-")
    good &= (digits.max(axis=0) <= 9) & (places[3] == ord(":")) & (minus | (places[0] == ord("+")))
    good &= (hours < 24) & (minutes < 60)
    size: NDArray[np.int64] = (hours.astype(np.int64) * 60 + minutes) * 60_000
    size[minus] *= -1
    return size
