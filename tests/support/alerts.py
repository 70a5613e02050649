"""Short ways to write rules, cells and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.alerts import Rule
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics import Cell, Snapshot
from stream_app.domain.periods import DAY_MS, Calendar, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

CALENDAR = Calendar("UTC")
FIRST = 20_000  # 2024-10-04


def rule(**changes: Any) -> Rule:
    values = {
        "name": "pro-day-7",
        "definition": "engagement",
        "grain": Grain.DAY,
        "index": 7,
        "below": 0.30,
        "resolve": 0.33,
        "min_group": 100,
    }
    return Rule(**(values | changes))


def cell(position: int, retained: int, size: int = 100, index: int = 7) -> Cell:
    cohort = FIRST + position
    return Cell(
        cohort=cohort,
        start=CALENDAR.start_date(Grain.DAY, cohort),
        size=size,
        retained=retained,
        closed_at=CALENDAR.end(Grain.DAY, cohort + index),
    )


def cells(*retained: int, size: int = 100) -> list[Cell]:
    return [cell(i, r, size) for i, r in enumerate(retained)]


def snapshot(
    curves: dict[tuple[str, ...], Sequence[tuple[int, int]]], *, closed: int | None = None, index: int = 7
) -> Snapshot:
    """Day cohorts from FIRST on, (size, retained at `index`) each; all but the first `closed` of them still open."""
    blocks: dict[Any, dict[int, Any]] = {}
    length = max(len(c) for c in curves.values())
    for series, curve in curves.items():
        sizes = blocks.setdefault(("engagement", "day.size", series), {})
        on = blocks.setdefault(("engagement", "day.on", series), {})
        for i, (size, retained) in enumerate(curve):
            sizes[FIRST + i] = np.array([size], np.int64)
            block = np.zeros(index + 1, np.int64)
            block[index] = retained
            on[FIRST + i + index] = block
    watermark = (FIRST + index + (length if closed is None else closed)) * DAY_MS
    return Snapshot(
        calendar=CALENDAR,
        definitions=(ENGAGEMENT, REPURCHASE),
        dimensions=("plan",),
        watermark=watermark,
        last_event=watermark,
        blocks=blocks,
    )
