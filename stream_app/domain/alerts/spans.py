"""Spans of time, rates and budgets as people write them: `3d`, `4 per day`, `1 per year`, `3 in 20`."""

from __future__ import annotations

import re

#: Seconds of a unit.
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
#: Days of what a rate can be of. Months and quarters are parts of a year of 365 days, whatever their length.
DAYS = {"day": 1.0, "week": 7.0, "month": 365 / 12, "quarter": 365 / 4, "year": 365.0}

SPAN_EXAMPLES = "a span such as 90s, 15m, 2h, 3d or 2w"
RATE_EXAMPLES = f"a number per {', '.join(DAYS)} or span, such as 1 per year or 2 per 90d"

_SPAN = re.compile(r"([0-9]{1,6})\s*([smhdw])")
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)\s+(?:per|a|an|in)\s+(.+)")
_OF = re.compile(r"([0-9]{1,4})\s+in\s+([0-9]{1,4})")


def seconds(text: str) -> float:
    """The length of a span in seconds, more than 0.

    >>> seconds("15m"), seconds("3d")
    (900.0, 259200.0)

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} must be {SPAN_EXAMPLES}")
    return float(int(found[1]) * UNITS[found[2]])


def rate(text: str) -> tuple[float, float]:
    """A count, more than 0, and the days that it is of.

    >>> rate("1 per year"), rate("2 per 90d")
    ((1.0, 365.0), (2.0, 90.0))

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    found = _RATE.fullmatch(text.strip())
    if found is None or float(found[1]) <= 0.0:
        raise ValueError(f"{text!r} must be {RATE_EXAMPLES}")
    unit = found[2].strip()
    if unit in DAYS:
        return float(found[1]), DAYS[unit]
    try:
        return float(found[1]), seconds(unit) / UNITS["d"]
    except ValueError:
        raise ValueError(f"{text!r} must be {RATE_EXAMPLES}") from None


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
