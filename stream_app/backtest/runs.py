"""The short notation of cells in test files: `1000x20 800 _x3 900x7`."""

from __future__ import annotations

import re

MOST = 100_000
EXAMPLE = "numbers in order, such as 1000x20 800 _x3: a number, x how often, _ for none"
_RUN = re.compile(r"(_|[-+]?\d+(?:\.\d+)?)(?:x(\d{1,6}))?")


def numbers(text: str) -> list[float | None]:
    """The numbers that a text means, None where there is none.

    >>> numbers("1000x2 0.5 _x2")
    [1000.0, 1000.0, 0.5, None, None]

    Raises:
        ValueError: it means none; the message says what it looks like.
    """
    found: list[float | None] = []
    for word in text.split():
        run = _RUN.fullmatch(word)
        if run is None:
            raise ValueError(f"{word!r} is not understood; write {EXAMPLE}")
        times = int(run[2] or 1)
        if len(found) + times > MOST:
            raise ValueError(f"{text[:60]!r} has more than {MOST} numbers")
        found += [None if run[1] == "_" else float(run[1])] * times
    if not found:
        raise ValueError(f"is empty; write {EXAMPLE}")
    return found


def whole(text: str) -> list[int | None]:
    """The same of whole numbers from 0 on.

    Raises:
        ValueError: one of them is none.
    """
    found: list[int | None] = []
    for one in numbers(text):
        if one is not None and (one < 0 or one != int(one)):
            raise ValueError(f"{one:g} is not a whole number from 0 on")
        found.append(None if one is None else int(one))
    return found
