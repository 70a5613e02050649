"""Short ways to write rules, observations, courses and snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.alerts import Closing, Course, Observation, Rule, evaluate
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics import Snapshot
from stream_app.domain.periods import DAY_MS, Calendar, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stream_app.domain.alerts import AlertState, Change

CALENDAR = Calendar("UTC")
FIRST = 20_000  # 2024-10-04
INDEX = 7


def rule(**changes: Any) -> Rule:
    values = {
        "name": "pro-day-7",
        "definition": "engagement",
        "grain": Grain.DAY,
        "index": INDEX,
        "below": 0.30,
        "resolve": 0.33,
        "min_group": 100,
    }
    return Rule(**(values | changes))


def closing(position: int, index: int = INDEX) -> Closing:
    """When the cell of the cohort at a position closes."""
    cohort = FIRST + position
    since, closed_at = (CALENDAR.start(Grain.DAY, cohort + index + more) for more in (0, 1))
    return Closing(CALENDAR.start_date(Grain.DAY, cohort), since, closed_at)


def cell(position: int, count: int, size: int = 100, index: int = INDEX) -> Observation:
    """The cell of the cohort at a position, counted from `FIRST`."""
    start, since, closed_at = closing(position, index)
    return Observation(FIRST + position, start, since, closed_at, size, count, count / size if size else 0.0)


def cells(*counts: int, size: int = 100) -> list[Observation]:
    """The cells of cohorts in a row."""
    return [cell(i, x, size) for i, x in enumerate(counts)]


def course(
    curves: Mapping[tuple[str, ...], Sequence[tuple[int, int] | None]],
    *,
    closed: int | None = None,
    baselines: Mapping[tuple[str, ...], Sequence[tuple[int, int] | None]] | None = None,
) -> Course:
    """Day cohorts from FIRST on, (group, count) each, None for an empty one; all but the first `closed` still open."""
    every = [*curves.values(), *(baselines or {}).values()]
    length = max(len(curve) for curve in every) if closed is None else closed

    def made(curve: Sequence[tuple[int, int] | None]) -> list[Observation]:
        return [cell(i, one[1], one[0]) for i, one in enumerate(curve[:length]) if one is not None and one[0]]

    return Course(
        streams={series: made(curve) for series, curve in curves.items()},
        last_closed=FIRST + length - 1 if length else None,
        closed_at=closing(length - 1).closed_at if length else None,
        baselines={series: made(curve) for series, curve in (baselines or {}).items()},
        closings={FIRST + i: closing(i) for i in range(length)},
    )


def apply(
    rules: Sequence[Rule], courses: Course | Mapping[str, Course | str], states: dict[str, AlertState], **options: Any
) -> list[Change]:
    """Judges, remembers the states, and gives the changes. One course is that of every rule."""
    by_rule = {one.name: courses for one in rules} if isinstance(courses, Course) else courses
    changes = []
    for key, state, change in evaluate(rules, by_rule, states, **options):
        states[key] = state
        changes += [change] if change is not None else []
    return changes


def told(changes: Iterable[Change]) -> list[str]:
    """Segment, what happened and the day of the cohort, such as `pro firing 05`."""
    found = []
    for change in changes:
        what = change.reason.value if change.health != "ok" or change.reason == "data_back" else change.state.value
        found.append(f"{change.segment.get('plan', 'all')} {what} {change.cohort[-2:]}")
    return found


def snapshot(
    curves: dict[tuple[str, ...], Sequence[tuple[int, int]]], *, closed: int | None = None, index: int = INDEX
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
