"""What was measured, as text: Markdown tables, as docs/alerts/promise.md has them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promises.measured import Measured


def table(title: str, rows: Sequence[Measured]) -> str:
    """A chapter; one line a world."""
    lines = {
        "quiet": [
            "| a year of | false alarms, by seed: sequential | threshold | Wilson |",
            "|---|---|---|---|",
        ],
        "drop": [
            "| drop | found in 60 days: sequential | median (90 %) delay, cohorts | threshold | Wilson |",
            "|---|---|---|---|---|",
        ],
    }
    kinds = {"quiet": [one for one in rows if one.world.drop is None],
             "drop": [one for one in rows if one.world.drop is not None]}  # fmt: skip
    parts = [f"### {title}"]
    for kind, measured in kinds.items():
        if not measured:
            continue
        by_world: dict[str, dict[str, Measured]] = {}
        for one in measured:
            by_world.setdefault(one.world.name, {})[one.detector] = one
        line = _quiet if kind == "quiet" else _drop
        parts.append("\n".join([*lines[kind], *(line(name, found) for name, found in by_world.items())]))
    return "\n\n".join(parts)


def _quiet(name: str, found: dict[str, Measured]) -> str:
    def alarms(detector: str) -> str:
        return ", ".join(f"{alarms:,}" for alarms in found[detector].alarms) if detector in found else ""

    return f"| {name} | {alarms('sequential')} | {alarms('threshold')} | {alarms('wilson')} |"


def _drop(name: str, found: dict[str, Measured]) -> str:
    def delay(detector: str) -> str:
        return f"{_days(found[detector].delay())}" if detector in found else ""

    ours = found["sequential"]
    return (
        f"| {name} | {ours.found:.1%} | {_days(ours.delay())} ({_days(ours.delay(0.9))}) "
        f"| {delay('threshold')} | {delay('wilson')} |"
    )


def _days(delay: float) -> str:
    return "over 60" if math.isinf(delay) else f"{delay:.0f}"
