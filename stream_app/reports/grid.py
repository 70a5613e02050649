"""Rows of cells as aligned lines, within the width of a terminal."""

from __future__ import annotations

import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_GAP = 2


def grid(heading: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, kept: int = 2) -> Iterator[str]:
    """The lines of a table; the first column is aligned to the left, all others to the right.

    Args:
        heading: the columns' names.
        rows: their cells; a row may be shorter than the heading.
        width: characters a line may have; None: any number. Whole columns are left out from the right, and it is said.
        kept: how many columns are never left out.
    """
    widths = [max(map(len, column)) for column in zip_longest(heading, *rows, fillvalue="")]
    fitting = _fitting(widths, width, kept)
    for row in (heading, *rows):
        first, *others = (cell.rjust(size) for cell, size in zip(row[:fitting], widths, strict=False))
        yield "  ".join([first.strip().ljust(widths[0]), *others]).rstrip()
    hidden = heading[fitting:]
    if hidden:
        some = f"{hidden[0]} to {hidden[-1]}" if len(hidden) > 2 else " and ".join(hidden)
        yield from wrapped(f"(no room for {some}: a wider terminal or --json has all)", width)


def wrapped(text: str, width: int | None) -> list[str]:
    """Prose in lines of at most so many characters."""
    return [text] if width is None else textwrap.wrap(text, max(width, 20))


def _fitting(widths: Sequence[int], width: int | None, kept: int) -> int:
    """How many columns fit."""
    if width is None:
        return len(widths)
    total = -_GAP
    for number, size in enumerate(widths):
        total += _GAP + size
        if total > width and number >= kept:
            return number
    return len(widths)
