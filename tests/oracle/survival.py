"""Kaplan-Meier survival of customers, user by user."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Any

from oracle.retention import Z

if TYPE_CHECKING:
    from oracle.history import History

#: How long a customer was watched, in days, and whether it ended with the event.
Life = tuple[int, bool]


def head(history: History) -> dict[str, Any]:
    q = history.question
    return {"kind": q.kind, "inactivity_days": q.window if q.kind == "churn" else None}


def entry(history: History, users: set[str]) -> dict[str, Any]:
    q, clock = history.question, history.clock
    cohorts: dict[int, list[Life]] = defaultdict(list)
    for user in users & history.starts.keys():
        first = history.first_start(user)
        if clock.closed("day", clock.period("day", first), q.as_of):
            cohorts[clock.period(q.grain, first)].append(_life(history, user))
    everybody = [life for cohort in history.not_before(cohorts) for life in cohorts[cohort]]
    shown = history.shown(cohort for cohort in cohorts if clock.closed(q.grain, cohort, q.as_of))
    return {
        "all": curve(None, everybody),
        "cohorts": [curve(clock.start_text(q.grain, cohort), cohorts[cohort]) for cohort in shown],
    }


def _life(history: History, user: str) -> Life:
    q, clock = history.question, history.clock
    assert q.as_of is not None
    born = history.day_number(clock.day(history.first_start(user)))
    end = clock.last_closed("day", q.as_of)
    if q.kept_days is not None:
        end = min(end, born + q.kept_days - 1)
    active = {history.day_number(day) for day in history.days(user)}
    for day in range(born + 1, end + 1):
        if q.kind == "return":
            if day in active:
                return day - born, True
        # Lost at the end of the first day of which the window holds no activity; the start counts as some.
        elif not any(other in active or other == born for other in range(max(day - q.window + 1, born), day + 1)):
            return day - born, True
    return end - born, False


def curve(start: str | None, lives: list[Life]) -> dict[str, Any]:
    """The estimate of Kaplan and Meier (1958), Greenwood's variance, bounds by log(-log(S))."""
    row: dict[str, Any] = {
        "start": start,
        "size": len(lives),
        "events": sum(died for _, died in lives),
        "censored": sum(not died for _, died in lives),
        "median": None,
        "days": [], "at_risk": [], "died": [], "survival": [], "low": [], "high": [],
    }  # fmt: skip
    alive, spread = Fraction(1), Fraction(0)
    for day in sorted({day for day, died in lives if died}):
        at_risk = sum(other >= day for other, _ in lives)
        died = sum(other == day for other, gone in lives if gone)
        alive *= Fraction(at_risk - died, at_risk)
        if row["median"] is None and alive <= Fraction(1, 2):
            row["median"] = day
        low = high = 0.0
        if alive:
            spread += Fraction(died, at_risk * (at_risk - died))
            reach = Z * sqrt(spread) / abs(log(alive))
            low, high = (exp(-exp(log(-log(alive)) + way * reach)) for way in (1, -1))
        for name, number in (("days", day), ("at_risk", at_risk), ("died", died), ("survival", float(alive)),
                             ("low", low), ("high", high)):  # fmt: skip
            row[name].append(number)
    return row
