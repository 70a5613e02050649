"""Snapshots for tests of whatever shows figures: made from plain lists of active days, without the engine."""

from __future__ import annotations

import random
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics import Snapshot
from stream_app.domain.periods import DAY_MS, KEPT, Calendar, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: 2026-03-02, a Monday.
FIRST_DAY = 20_514

#: (values of the dimensions, days of visits, days of purchases)
User = tuple[tuple[str, ...], list[int], list[int]]


def snapshot_of(
    users: Iterable[User],
    *,
    closed_day: int | None,
    dimensions: Sequence[str] = ("plan",),
    calendar: Calendar | None = None,
) -> Snapshot:
    """The snapshot of these users once `closed_day` has closed (its time zone: UTC unless given)."""
    calendar = calendar or Calendar()
    counts: dict[tuple[str, str, tuple[str, ...]], dict[int, dict[int, int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    number, events, last_event = 0, 0, None
    for values, visits, purchases in users:
        number += 1
        events += len(visits) + len(purchases)
        for day in (*visits, *purchases):
            last_event = max(last_event or 0, day * DAY_MS + DAY_MS // 2)
        series = [(), *zip(dimensions, values, strict=True)]
        for definition, days in ((ENGAGEMENT, {*visits, *purchases}), (REPURCHASE, set(purchases))):
            if days:
                _count(counts, definition, series, sorted(days), calendar, closed_day)
    blocks = {key: {period: _dense(cells) for period, cells in pages.items()} for key, pages in counts.items()}
    return Snapshot(
        calendar=calendar,
        definitions=(ENGAGEMENT, REPURCHASE),
        dimensions=tuple(dimensions),
        watermark=None if closed_day is None else calendar.end(Grain.DAY, closed_day),
        last_event=last_event,
        blocks=blocks,
        totals={"read": events, "counted": events, "dead_lettered": 0, "dropped": 0, "late": 0, "users": number},
    )


def _count(counts, definition, series, days, calendar, closed_day) -> None:
    for grain in KEPT:
        periods = sorted({calendar.period(grain, day) for day in days})
        for one in series:
            counts[definition.name, f"{grain}.size", one][periods[0]][0] += 1
            counts[definition.name, f"{grain}.last", one][periods[-1]][periods[-1] - periods[0]] += 1
            for period in periods:
                counts[definition.name, f"{grain}.on", one][period][period - periods[0]] += 1
    known = {day + back for day in days for back in range(definition.inactivity_days)}
    for day in known:
        if closed_day is None or day <= closed_day + 1:
            for one in series:
                counts[definition.name, "day.active", one][day][0] += 1


def _dense(cells: dict[int, int]) -> np.ndarray:
    block = np.zeros(max(cells) + 1, np.int64)
    block[list(cells)] = list(cells.values())
    return block


def product(
    *, users: int = 600, days: int = 40, plans: Sequence[str] = ("free", "pro", "team"), seed: int = 7
) -> Snapshot:
    """A made-up product: users of a few plans who come back less and less; better plans keep more."""
    rng = random.Random(seed)
    made: list[User] = []
    for _ in range(users):
        place = rng.randrange(len(plans))
        first = FIRST_DAY + rng.randrange(days)
        stay = 0.12 + 0.4 * (place + 1) / len(plans)
        visits = [first + k for k in range(days) if k == 0 or rng.random() < stay * k**-0.45]
        purchases = [day for day in visits if rng.random() < 0.15]
        shown = [day for day in visits if day < FIRST_DAY + days]
        made.append(((plans[place],), shown, [day for day in purchases if day < FIRST_DAY + days]))
    return snapshot_of(made, closed_day=FIRST_DAY + days - 2)


def empty(dimensions: Sequence[str] = ("plan",)) -> Snapshot:
    """Before any event."""
    return snapshot_of([], closed_day=None, dimensions=dimensions)


def wide(*, segments: int = 50, cohorts: int = 400) -> Snapshot:
    """Random figures of many segments and cohorts, for measuring; the values are without meaning."""
    rng = np.random.default_rng(5)
    blocks: dict = {}
    last = FIRST_DAY + cohorts - 1
    for series in [(), *(("plan", f"plan-{n:02d}") for n in range(segments))]:
        for definition in ("engagement", "repurchase"):
            blocks[definition, "day.size", series] = {
                FIRST_DAY + c: np.array([int(rng.integers(50, 500))]) for c in range(cohorts)
            }
            for name in ("day.on", "day.last"):
                blocks[definition, name, series] = {
                    FIRST_DAY + t: rng.integers(0, 50, min(t + 1, 384)) for t in range(cohorts)
                }
            blocks[definition, "day.active", series] = {
                FIRST_DAY + t: np.array([int(rng.integers(50, 5000))]) for t in range(cohorts)
            }
    calendar = Calendar()
    return Snapshot(
        calendar=calendar,
        definitions=(ENGAGEMENT, REPURCHASE),
        dimensions=("plan",),
        watermark=calendar.end(Grain.DAY, last - 1),
        last_event=last * DAY_MS,
        blocks=blocks,
        totals={"read": 1, "counted": 1, "dead_lettered": 0, "dropped": 0, "late": 0, "users": 1},
    )
