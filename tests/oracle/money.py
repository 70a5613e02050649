"""Value and concentration: orders, refunds, and who they come from."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from oracle.history import share
from oracle.retention import HORIZON

if TYPE_CHECKING:
    from oracle.history import History

Order = tuple[str, int, int, bool]


def _orders(history: History, users: set[str]) -> list[Order]:
    return [order for order in history.orders() if order[0] in users]


def value(history: History, users: set[str]) -> dict[str, Any]:
    orders = _orders(history, users)
    return {
        "totals": _totals(history, orders),
        "cohorts": _cohorts(history, users, orders),
        "periods": _periods(history, orders),
    }


def _totals(history: History, orders: list[Order]) -> dict[str, Any]:
    begin = history.question.begin
    counted = [order for order in orders if begin is None or order[1] >= begin]
    by_user: dict[str, int] = defaultdict(int)
    for user, _, amount, _ in counted:
        if amount >= 0:
            by_user[user] += 1
    number, revenue = sum(by_user.values()), sum(amount for _, _, amount, _ in counted)
    repeat = sum(n >= 2 for n in by_user.values())
    return {
        "customers": len(by_user),
        "orders": number,
        "revenue": revenue,
        "refunded": -sum(amount for _, _, amount, _ in counted if amount < 0),
        "repeat_customers": repeat,
        "repeat_rate": share(repeat, len(by_user)),
        "frequency": share(number, len(by_user)),
        "aov": share(revenue, number),
        "conflicts": sum(conflict for _, _, _, conflict in counted),
    }


def _cohorts(history: History, users: set[str], orders: list[Order]) -> list[dict[str, Any]]:
    q, clock = history.question, history.clock
    if history.latest is None:
        return []
    members: dict[int, set[str]] = defaultdict(set)
    for user in users & history.starts.keys():
        members[clock.period(q.grain, history.first_start(user))].add(user)
    rows = []
    for cohort in history.shown(members):
        size = len(members[cohort])
        revenue: list[int | None] = []
        for age in range(min(clock.period(q.grain, history.latest) - cohort + 1, HORIZON[q.grain])):
            ages = range(cohort, cohort + age + 1)
            paid = sum(a for user, t, a, _ in orders if user in members[cohort] and clock.period(q.grain, t) in ages)
            revenue.append(paid if clock.closed(q.grain, cohort + age, q.as_of) else None)
        ltv = [None if paid is None else paid / size for paid in revenue]
        rows.append({"start": clock.start_text(q.grain, cohort), "size": size, "revenue": revenue, "ltv": ltv})
    return rows


def _by_period(history: History, orders: list[Order]) -> dict[int, dict[str, int]]:
    """By period: what each of its payers paid, net of refunds."""
    paid: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for user, time, amount, _ in orders:
        paid[history.clock.period(history.question.grain, time)][user] += amount
    return paid


def _periods(history: History, orders: list[Order]) -> list[dict[str, Any]]:
    grain, clock = history.question.grain, history.clock
    paid = _by_period(history, orders)
    first_of = {user: min(t for other, t, _, _ in orders if other == user) for user, _, _, _ in orders}
    rows = []
    for period in history.closed(min(paid, default=None)):
        now, last = paid.get(period, {}), paid.get(period - 1, {})
        bought = [user for user, t, a, _ in orders if a >= 0 and clock.period(grain, t) == period]
        new = {user for user in now if clock.period(grain, first_of[user]) == period}
        before, revenue = sum(last.values()), sum(now.values())
        kept = sum(min(now.get(user, 0), last[user]) for user in last)
        returning = sum(now.get(user, 0) for user in last)
        rows.append(
            {
                "start": clock.start_text(grain, period),
                "customers": len(set(bought)),
                "orders": len(bought),
                "revenue": revenue,
                "aov": share(revenue, len(bought)),
                "revenue_before": before,
                "kept_revenue": kept,
                "returning_revenue": returning,
                "grr": kept / before if before > 0 else None,
                "nrr": returning / before if before > 0 else None,
                "new_revenue": sum(now[user] for user in new),
                "resurrected_revenue": sum(now[user] for user in now if user not in new and user not in last),
            }
        )
    return rows


def concentration(history: History, users: set[str]) -> dict[str, Any]:
    q, clock = history.question, history.clock
    active: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for user in users:
        for day in history.days(user):
            active[clock.number(q.grain, day)][user] += 1
    paid = _by_period(history, _orders(history, users))
    rows = []
    for period in history.closed(min([*active, *paid], default=None)):
        days, money = active.get(period, {}), paid.get(period, {})
        activity, top_users, top_activity = _top(days)
        revenue, top_customers, top_revenue = _top(money)
        rows.append(
            {
                "start": clock.start_text(q.grain, period),
                "users": len(days),
                "top_users": top_users,
                "activity": activity,
                "top_activity": top_activity,
                "activity_share": share(top_activity, activity),
                "customers": len(money),
                "top_customers": top_customers,
                "revenue": revenue,
                "top_revenue": top_revenue,
                "revenue_share": top_revenue / revenue if revenue > 0 else None,
            }
        )
    return {"periods": rows}


def _top(of: dict[str, int]) -> tuple[int, int, int]:
    """The sum over all, how many a tenth of them is, rounded up, and the sum over the largest so many."""
    top = -(-len(of) // 10)
    return sum(of.values()), top, sum(sorted(of.values(), reverse=True)[:top])
