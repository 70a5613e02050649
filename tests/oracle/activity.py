"""Churn, CRR, lifecycle, stickiness: who was active when."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from oracle.clock import ONE_DAY
from oracle.history import share

if TYPE_CHECKING:
    from oracle.history import History


def _days(history: History, users: set[str]) -> list[set[date]]:
    """The active days of each user who has any."""
    return [days for user in users if (days := history.days(user))]


def _first_period(history: History, users: set[str]) -> int | None:
    return min((min(periods) for user in users if (periods := history.periods(user))), default=None)


def _active(days: set[date], before: date, window: int) -> bool:
    """Whether any of the local days of a window that ends with the day before this one is among them."""
    return any(before - timedelta(days=i) in days for i in range(1, window + 1))


def churn(history: History, users: set[str]) -> dict[str, Any]:
    q, found, rows = history.question, _days(history, users), []
    for period in history.closed(_first_period(history, users)):
        day = history.clock.last_day(q.grain, period)
        customers = sum(min(days) <= day for days in found)
        active = sum(_active(days, day + ONE_DAY, q.window) for days in found)
        row = {"date": day.isoformat(), "customers": customers, "active": active, "churned": customers - active}
        rows.append(row)
    return {"days": rows}


def crr(history: History, users: set[str]) -> dict[str, Any]:
    q, clock, found = history.question, history.clock, _days(history, users)
    rows = [
        _kept(found, clock.first_day(q.grain, period), clock.first_day(q.grain, period + 1), q.window)
        for period in history.closed(_first_period(history, users))
    ]
    whole = None
    if q.begin is not None and q.until is not None and q.watermark is not None and q.until <= q.watermark:
        whole = _kept(found, clock.day(q.begin), clock.day(q.until), q.window)
    return {"periods": rows, "whole": whole}


def _kept(users: list[set[date]], t0: date, t1: date, window: int) -> dict[str, Any]:
    """From the beginning of the local day t0 to that of t1."""
    at_start = [_active(days, t0, window) for days in users]
    at_end = [_active(days, t1, window) for days in users]
    new = [t0 <= min(days) < t1 for days in users]
    s, e, n = sum(at_start), sum(at_end), sum(new)
    kept = sum(a and b for a, b in zip(at_start, at_end, strict=True))
    return {
        "start": t0.isoformat(),
        "end": (t1 - ONE_DAY).isoformat(),
        "start_active": s,
        "end_active": e,
        "new": n,
        "new_active": sum(a and b for a, b in zip(new, at_end, strict=True)),
        "kept": kept,
        "lost": s - kept,
        "resurrected": sum(b and not a and not c for a, b, c in zip(at_start, at_end, new, strict=True)),
        "crr": share(e - n, s),
        "kept_rate": share(kept, s),
        "churn_rate": share(s - kept, s),
    }


def lifecycle(history: History, users: set[str]) -> dict[str, Any]:
    q, clock = history.question, history.clock
    active = {user: periods for user in users if (periods := history.periods(user))}
    first = {user: clock.period(q.grain, min(history.returns[user])) for user in active}
    rows = []
    for t in history.closed(_first_period(history, users)):
        now = {user for user in active if t in active[user]}
        before = {user for user in active if t - 1 in active[user]}
        new = {user for user in now if first[user] == t}
        resurrected, dormant = now - before - new, before - now
        rows.append(
            {
                "start": clock.start_text(q.grain, t),
                "active": len(now),
                "new": len(new),
                "returning": len(now & before),
                "resurrected": len(resurrected),
                "dormant": len(dormant),
                "quick_ratio": share(len(new) + len(resurrected), len(dormant)),
            }
        )
    return {"periods": rows}


def stickiness(history: History, users: set[str]) -> dict[str, Any]:
    q, found, rows = history.question, _days(history, users), []
    shown = [history.clock.first_day("day", period) for period in history.closed(_first_period(history, users))]
    for day in shown:
        dau = sum(day in days for days in found)
        mau = sum(_active(days, day + ONE_DAY, q.window) for days in found)
        rows.append({"date": day.isoformat(), "dau": dau, "mau": mau, "stickiness": share(dau, mau)})
    histogram = []
    if shown:
        window = {shown[-1] - timedelta(days=i) for i in range(q.window)}
        counts = [len(days & window) for days in found]
        histogram = [{"days": n, "users": counts.count(n)} for n in range(1, q.window + 1)]
    return {"days": rows, "histogram": histogram}
