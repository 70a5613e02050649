"""Spans of time, rates and budgets as people write them: `3d`, `2 weeks`, `4 per day`, `1 per year`, `3 in 20`."""

from __future__ import annotations

import re
from difflib import get_close_matches

_DAY = 86_400
_YEAR = 365 * _DAY
#: Seconds of a unit by its letter.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": _DAY, "w": 7 * _DAY, "y": _YEAR}
#: And by its word. Months and quarters are parts of a year of 365 days, whatever their length.
WORDS = {
    "second": 1, "minute": 60, "hour": 3600, "day": _DAY, "week": 7 * _DAY, "month": _YEAR // 12,
    "quarter": _YEAR // 4, "half-year": _YEAR // 2, "year": _YEAR,
}  # fmt: skip

SPAN_EXAMPLES = "a span such as 90s, 15m, 2h, 3d or 2 weeks"
RATE_EXAMPLES = "a number per span, such as 1 per year or 2 per 90 days"
_AMOUNT = r"([0-9]{1,6})\s*"
_UNIT = r"([A-Za-z]+(?:[- ][A-Za-z]+)?)"
_SPAN = re.compile(_AMOUNT + _UNIT)
_RATE = re.compile(
    rf"([0-9]{{1,6}}(?:\.[0-9]{{1,6}})?)(?:\s*/|\s+(?:per|a|an|in|each|every)\s)\s*(?:{_AMOUNT})?{_UNIT}"
)
_OF = re.compile(r"([0-9]{1,4})\s+in\s+([0-9]{1,4})")


def seconds(text: str) -> float:
    """The length of a span in seconds, more than 0.

    >>> seconds("15m"), seconds("3d"), seconds("2 weeks")
    (900.0, 259200.0, 1209600.0)

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} must be {SPAN_EXAMPLES}")
    return float(_length(text, found[1], found[2], SPAN_EXAMPLES))


def rate(text: str, *, rare: bool = False) -> tuple[float, float]:
    """A count, more than 0, and the days that it is of.

    >>> rate("1 per year"), rate("2 per 90d"), rate("1 per 6 months"), rate("4/day")
    ((1.0, 365.0), (2.0, 90.0), (1.0, 182.5), (4.0, 1.0))

    Args:
        text: as it was written.
        rare: it is of something rare, so that `6m` may be meant as months: that is asked for.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0.0 or int(found[2] or 1) == 0:
        raise ValueError(f"{text!r} must be {RATE_EXAMPLES}")
    length = _length(text, found[2] or "1", found[3], RATE_EXAMPLES)
    if found[3] == "m" and (rare or not found[2]):
        raise _unclear(text, found[2] or "")
    return float(found[1]), length / _DAY


def _length(text: str, amount: str, name: str, examples: str) -> int:
    """Seconds of so many of a unit, a letter or a word."""
    if name in ("M", "mo", "mon"):
        raise _unclear(text, amount)
    word = name.lower().replace(" ", "-")
    unit = UNITS.get(name) or WORDS.get(word) or WORDS.get(word.removesuffix("s"))
    if unit is None:
        near = get_close_matches(word, WORDS, 1)
        raise ValueError(f"{text!r} must be {examples}" + (f"; did you mean {near[0]}?" if near else ""))
    return int(amount) * unit


def _unclear(text: str, amount: str) -> ValueError:
    some = f"{amount} " if amount else ""
    s = "" if amount in ("", "1") else "s"
    return ValueError(f"{text!r} may be of minutes or of months; write {some}minute{s} or {some}month{s}")


def some_of(text: str) -> tuple[int, int]:
    """Two counts, the first from 1 and not more than the second.

    >>> some_of("3 in 20")
    (3, 20)

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _OF.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"{text!r} must be so many firings in so many judged cells, such as 3 in 20")
    return int(found[1]), int(found[2])
