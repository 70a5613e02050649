"""The fold of rows: what recovery makes of them; that it equals counting is a property test."""

from __future__ import annotations

import numpy as np
from support.counting import Part, nonzero
from support.engine import CALENDAR, DAY, START

from stream_app.domain import fold as module
from stream_app.domain.counters import ALL, Counters
from stream_app.domain.rows import empty_rows

DAY0 = START // DAY


def users(count: int) -> Part:
    part = Part(CALENDAR, inactivity_days=3)
    events = [
        {"user": f"u{n}", "time": START + (n * 7 % 11 + step * n % 40) * DAY, "kind": ("visit", "purchase")[n % 2],
         "event_id": f"{n}-{step}", "segment": {"plan": "ab"[n % 2]}}
        for n in range(count) for step in range(3)
    ]  # fmt: skip
    part.take(events)
    return part


def folded(part: Part, sign: int) -> list:
    users = np.arange(len(part.table))
    combos = part.table.combo[users].astype(np.int64)
    return [move for activity in part.table.activities for move in activity.fold(users, combos, sign)]


def counted(part: Part, *transitions) -> dict:
    counters = Counters(part.segments)
    for some in transitions:
        counters.apply(some)
    return nonzero(counters.blocks())


def test_leaving_takes_back_what_entering_added():
    part = users(20)
    entered, left = folded(part, 1), folded(part, -1)
    assert counted(part, entered, left) == {}
    assert counted(part, entered) == nonzero(part.counters.blocks())


def test_rows_are_folded_in_slices_of_any_size(monkeypatch):
    part = users(20)
    whole = counted(part, folded(part, 1))
    monkeypatch.setattr(module, "_SLICE", 3)
    assert counted(part, folded(part, 1)) == whole


def test_no_users_are_in_no_cell():
    part = Part(CALENDAR)
    assert module.fold(empty_rows(0), np.zeros(0, np.int64), part.definitions[:1], CALENDAR) == []
    assert part.table.fold(0, 10) == []


def test_windows_of_activity_that_overlap_count_once():
    part = Part(CALENDAR, inactivity_days=3)
    part.take([
        {"user": "u", "time": START + day * DAY, "kind": "visit", "event_id": str(day), "segment": {}}
        for day in (0, 1, 3, 10)
    ])  # fmt: skip
    found = counted(part, folded(part, 1))
    active = {k.period - DAY0: v for k, v in found.items() if k.measure == "day.active" and k.series == ALL}
    assert active == {key: [1] for key in [0, 1, 2, 3, 4, 5, 10, 11, 12]}
