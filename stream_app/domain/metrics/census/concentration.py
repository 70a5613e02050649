"""How much of the activity and of the revenue of a period comes from the top 10 % of users.

Cells: `activity` (place, period, active local days of a user), `revenue` (place, period, net revenue of a user): the
distributions themselves, because the largest users of all partitions are known only once these have been added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stream_app.domain.metrics.census.asked import ratio
from stream_app.domain.metrics.census.series import earliest, first_days, latest, of_segment, shown, upto, windows_known
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]


def count(asked: Asked, part: Slice, places: Ints, tally: Tally) -> None:
    """Adds a slice to the tally."""
    grain, calendar = asked.query.grain, asked.calendar
    last = asked.last_closed(grain)
    if last is None:
        return
    end = calendar.first_day(grain, last + 1)
    days = upto(part.active(asked.query.definition.return_filter, Grain.DAY), end - 1)
    users, periods, active = _by_user(
        days.users, calendar.periods(grain, days.periods), np.ones(days.users.size, np.int64)
    )
    tally.add("activity", [places[users], periods, active])
    orders = part.orders()
    order_days = calendar.days(orders.times)
    keep = order_days < end
    users, periods, revenue = _by_user(
        orders.users[keep], calendar.periods(grain, order_days[keep]), orders.amounts[keep]
    )
    tally.add("revenue", [places[users], periods, revenue])


def _by_user(users: Ints, periods: Ints, amounts: Ints) -> tuple[Ints, Ints, Ints]:
    """The amounts added up by user and period."""
    if not users.size:
        return users, periods, amounts
    low = int(periods.min())
    span = int(periods.max()) - low + 1
    keys = users * span + (periods - low)
    if (keys[1:] < keys[:-1]).any():  # a clock that is set back across midnight leads into the day before
        order = np.argsort(keys, kind="stable")
        keys, amounts = keys[order], amounts[order]
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return keys[starts] // span, keys[starts] % span + low, np.add.reduceat(amounts, starts)


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {"currency": asked.currency, "minor_units": asked.minor_units}


def answer(asked: Asked, tally: Tally, places: Ints) -> Entry:
    """The entry of one segment: a row a closed period, from the first one with activity or money on."""
    grain, calendar = asked.query.grain, asked.calendar
    found = [earliest(tally, name, 3, places) for name in ("activity", "revenue")]
    periods = shown(asked, grain, min((one for one in found if one is not None), default=None))
    if not periods.size:
        return {"periods": []}
    edges = first_days(calendar, grain, int(periods[0]), int(periods[-1]) + 1)
    periods = latest(asked, periods, windows_known(asked, tally, edges[1:] - 1, np.diff(edges)))
    activity, revenue = (_tops(tally, name, places, periods) for name in ("activity", "revenue"))
    return {
        "periods": [
            {
                "start": calendar.start_date(grain, period),
                "users": active.users,
                "top_users": active.top_users,
                "activity": active.total,
                "top_activity": active.top,
                "activity_share": ratio(active.top, active.total),
                "customers": paid.users,
                "top_customers": paid.top_users,
                "revenue": paid.total,
                "top_revenue": paid.top,
                "revenue_share": ratio(paid.top, paid.total) if paid.total > 0 else None,
            }
            for period, active, paid in zip(periods.tolist(), activity, revenue, strict=True)
        ]
    }


class _Top(NamedTuple):
    """Users of a period, the top tenth of them rounded up, what all did and what the top did."""

    users: int
    top_users: int
    total: int
    top: int


def _tops(tally: Tally, name: str, places: Ints, periods: Ints) -> list[_Top]:
    """The top of each period. Users who are equal count the same, so which of them are in the top does not matter."""
    keys, users = of_segment(tally.of(name, 3), places)
    order = np.lexsort((-keys[:, 2], keys[:, 1]))
    period, amount, users = keys[order, 1], keys[order, 2], users[order]
    found = []
    for low, high in zip(*(np.searchsorted(period, periods, side=side) for side in ("left", "right")), strict=True):
        amounts, counts = amount[low:high], users[low:high]
        number = int(counts.sum())
        top = -(-number // 10)
        taken = np.clip(top - (np.cumsum(counts) - counts), 0, counts)
        found.append(_Top(number, top, int(amounts @ counts), int(amounts @ taken)))
    return found
