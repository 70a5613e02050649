"""Retention: classic, rolling and bracket; calendar and 24-hour windows; first-time and recurring cohorts; the mean."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import sqrt
from typing import TYPE_CHECKING, Any

from stream_app.domain.periods import HORIZON as _HORIZON

if TYPE_CHECKING:
    from oracle.history import History

HORIZON = {str(grain): length for grain, length in _HORIZON.items()}
HOURS = {"day": 24, "week": 7 * 24, "month": 30 * 24}
Z = 1.959963984540054


def head(history: History) -> dict[str, Any]:
    q = history.question
    named: dict[str, Any] = {"kind": q.kind, "windows": q.windows, "cohorts": q.cohorts, "mean": q.mean}
    if q.kind == "bracket":
        named["brackets"] = [{"from": first, "to": last} for first, last in spans(q.brackets)]
    return named


def spans(sizes: tuple[int, ...]) -> list[tuple[int, int]]:
    """The first and last index of each bracket."""
    found, first = [], 1
    for size in sizes:
        found.append((first, first + size - 1))
        first += size
    return found


def entry(history: History, users: set[str]) -> dict[str, Any]:
    q, clock = history.question, history.clock
    cohorts: dict[int, list[str]] = defaultdict(list)
    for user in users & history.starts.keys():
        if q.cohorts == "recurring":
            for period in {clock.period(q.grain, t) for t in history.starts[user]}:
                cohorts[period].append(user)
        else:
            cohorts[clock.period(q.grain, history.first_start(user))].append(user)
    shown = history.shown(cohorts) if q.as_of is not None else []
    row = _by_hours if q.windows == "24h" else _by_calendar
    rows = [row(history, cohort, cohorts[cohort]) for cohort in shown]
    return {"cohorts": rows, "mean": mean_of(rows, q.mean)}


def _cells(history: History, width: int) -> list[tuple[int, float, int]]:
    """The first and last index of what counts as a return in each cell, and the index that must have closed."""
    q = history.question
    if q.kind == "bracket":
        return [(0, 0, 0), *((first, last, last) for first, last in spans(q.brackets))]
    return [(k, float("inf") if q.kind == "rolling" else k, k) for k in range(width)]


def _came(indexes: set[int], first: int, last: float) -> bool:
    """Whether any of the indexes lies from the first to the last one."""
    return first in indexes if first == last else any(first <= index <= last for index in indexes)


def _by_calendar(history: History, cohort: int, users: list[str]) -> dict[str, Any]:
    q, clock = history.question, history.clock
    assert history.latest is not None
    width = min(clock.period(q.grain, history.latest) - cohort + 1, HORIZON[q.grain])
    indexes = [{period - cohort for period in history.returned(user)} for user in users]
    retained: list[int | None] = []
    for number, (first, last, closing) in enumerate(_cells(history, width)):
        if not clock.closed(q.grain, cohort + closing, q.as_of):
            retained.append(None)
        elif number == 0:
            retained.append(len(users))
        else:
            retained.append(sum(_came(found, first, last) for found in indexes))
    return {"start": clock.start_text(q.grain, cohort), "size": len(users), "retained": retained}


def _by_hours(history: History, cohort: int, users: list[str]) -> dict[str, Any]:
    q, clock, length = history.question, history.clock, HOURS[history.question.grain]
    assert history.latest is not None
    assert q.as_of is not None
    oldest = clock.hour(clock.start(q.grain, cohort))
    width = min((clock.hour(history.latest) - oldest) // length + 1, HORIZON[q.grain])
    now = clock.hour(q.as_of)
    begun = {user: clock.hour(history.first_start(user)) for user in users}
    indexes = {user: {(clock.hour(t) - begun[user]) // length for t in history.returns.get(user, ())} for user in users}
    retained: list[int | None] = []
    reached: list[int] = []
    for number, (first, last, closing) in enumerate(_cells(history, width)):
        there = [user for user in users if begun[user] + (closing + 1) * length <= now]
        back = [user for user in there if _came(indexes[user], first, last)]
        reached.append(len(there))
        retained.append(None if not there else len(there) if number == 0 else len(back))
    start = clock.start_text(q.grain, cohort)
    return {"start": start, "size": len(users), "retained": retained, "reached": reached}


def mean_of(rows: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The mean of cohorts at each index, over those that are observed there."""
    mean: dict[str, Any] = {"rate": [], "low": [], "high": [], "users": [], "cohorts": []}
    for index in range(max((len(row["retained"]) for row in rows), default=0)):
        observed = [
            (row["retained"][index], row["reached"][index] if "reached" in row else row["size"])
            for row in rows
            if index < len(row["retained"]) and row["retained"][index] is not None and row["size"] > 0
        ]
        back, users = sum(b for b, _ in observed), sum(n for _, n in observed)
        rate, low, high = None, None, None
        if observed and kind == "simple":
            rate = float(sum(Fraction(b, n) for b, n in observed) / len(observed))
        elif observed:
            rate = back / users
            low, high = wilson(back, users)
        for name, value in zip(mean, (rate, low, high, users, len(observed)), strict=True):
            mean[name].append(value)
    return mean


def wilson(back: int, users: int) -> tuple[float, float]:
    """Wilson (1927): the rates p of which `back` of `users` lies no further than Z standard errors."""
    rate = back / users
    middle = (rate + Z * Z / (2 * users)) / (1 + Z * Z / users)
    reach = Z / (1 + Z * Z / users) * sqrt(rate * (1 - rate) / users + Z * Z / (4 * users * users))
    return middle - reach, middle + reach
