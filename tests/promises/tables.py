"""What was measured, as text: Markdown tables, as docs/alerts/promise.md has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from promises.detectors import DETECTORS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from promises.measured import Measured


def table(title: str, rows: Sequence[Measured]) -> str:
    """A chapter: false alarms of years, and delays of drops; one line a world, one column a detector."""
    years = [one for one in rows if one.world.drop is None]
    drops = [one for one in rows if one.world.drop is not None and one.world.again is None]
    ends = [one for one in rows if one.world.again is not None]
    parts = [f"### {title}"]
    if years:
        parts.append(_lines("a year of", "false alarms, by seed: ", years, _alarms))
    if drops:
        parts.append(_lines("drop", "found in 60 days, median and 90 % delay in cohorts: ", drops, _delay))
    if ends:
        what = "resolved by mistake, times a year while it lasts; after its end median and 90 % delay in cohorts: "
        parts.append(_lines("drop", what, ends, _end))
    return "\n\n".join(parts)


def _lines(first: str, what: str, rows: Sequence[Measured], say: Callable[[Measured], str]) -> str:
    shown = [detector for detector in DETECTORS if any(one.detector == detector for one in rows)]
    cells: dict[str, list[str]] = {}
    for detector in shown:
        for one in rows:
            if one.detector == detector:
                cells.setdefault(one.world.name, []).append(say(one))
    head = f"| {first} | {what}{' | '.join(shown)} |"
    lines = [f"| {name} | {' | '.join(values)} |" for name, values in cells.items()]
    return "\n".join([head, "|---" * (len(shown) + 1) + "|", *lines])


def _alarms(one: Measured) -> str:
    return ", ".join(f"{alarms:,}" for alarms in one.alarms)


def _delay(one: Measured) -> str:
    return f"{one.found:.0%}, {_days(one.delay())} and {_days(one.delay(0.9))}"


def _end(one: Measured) -> str:
    return f"{one.slips:.2f}; {_days(one.recovery())} and {_days(one.recovery(0.9))}"


def _days(delay: float) -> str:
    return "over 60" if math.isinf(delay) else f"{delay:.0f}"
