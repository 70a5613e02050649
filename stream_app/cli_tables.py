"""A retention answer as text for people: one triangle of percentages a segment value."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_KINDS = {
    "classic": "share of a cohort with a return event in {grain} k",
    "rolling": "share of a cohort with a return event in {grain} k or later, as far as observed",
}
_UNOBSERVED = "-"


def retention_table(answer: Mapping[str, Any], *, width: int | None = None) -> str:
    """The triangles of an answer, percentages under their period index.

    Args:
        answer: what `analyze` and `/api/v1/retention` give.
        width: characters a line may have; further periods are left out and said to be. None: any number.

    Returns:
        Lines without a final newline. A cell not yet observed is `-`, one of an empty cohort is blank.
    """
    grain, kind = answer["grain"], answer["kind"]
    lines = [
        f"{answer['definition']} retention by {grain}, {kind}, in %",
        f"({_KINDS[kind].format(grain=grain)}; {_UNOBSERVED} is not yet observed)",
        f"time zone {answer['timezone']}, as of {answer['as_of'] or 'never: there are no events'}",
    ]
    for entry in answer["segments"]:
        lines += ["", _title(entry["segment"]), *_triangle(entry["cohorts"], width)]
    if not answer["segments"]:
        lines += ["", "no cohorts"]
    return "\n".join(line if width is None else line[:width] for line in lines)


def _title(segment: Mapping[str, str]) -> str:
    """The segment's name; values are data, so what a terminal would obey is taken out."""
    if not segment:
        return "all users"
    return ", ".join(
        "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in f"{name} = {value}")
        for name, value in segment.items()
    )


def _triangle(cohorts: Sequence[Mapping[str, Any]], width: int | None) -> Iterator[str]:
    """Heading and rows: cohort, size, then one column a period index from 1 on."""
    if not cohorts:
        yield "  no cohorts"
        return
    rows = [
        [str(cohort["start"]), str(cohort["size"]), *_shares(cohort["size"], cohort["retained"])] for cohort in cohorts
    ]
    periods = max(len(row) for row in rows) - 2
    heading = ["cohort", "size", *(str(k) for k in range(1, periods + 1))]
    widths = [max(map(len, column)) for column in zip_longest(heading, *rows, fillvalue="")]
    shown = _fitting(widths, width)
    for row in [heading, *rows]:
        first, *others = (cell.rjust(size) for cell, size in zip(row[:shown], widths, strict=False))
        yield "  ".join([first.strip().ljust(widths[0]), *others]).rstrip()
    if shown < len(widths):
        hidden = len(widths) - shown
        yield f"({hidden} further period{'s' * (hidden > 1)} not shown: a wider terminal or --json has all)"


def _shares(size: int, retained: Sequence[int | None]) -> Iterator[str]:
    """Percentages of index 1 and up, one decimal."""
    for count in retained[1:]:
        if count is None:
            yield _UNOBSERVED
        else:
            yield f"{100 * count / size:.1f}" if size else ""


def _fitting(widths: Sequence[int], width: int | None) -> int:
    """How many columns fit: cohort and size always, then as many periods as there is room for."""
    if width is None:
        return len(widths)
    total, shown = widths[0], 1
    for size in widths[1:]:
        total += 2 + size
        if total > width and shown >= 2:
            break
        shown += 1
    return shown
