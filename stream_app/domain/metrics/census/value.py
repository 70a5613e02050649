"""What customers are worth: orders and revenue in all, by cohort and age, and kept from one period to the next.

Cells: of all orders and refunds between `from` and `until`, (place) of `customers`, `repeat`, `orders`, `revenue`,
`refunded` and `conflicts`; of first-time cohorts, `size` (place, cohort) and `money` (place, cohort, index); and
(place, period) of `payers`, who had an order or refund, of `period.customers`, `period.orders` and `period.revenue`,
and of its parts `kept`, `returning`, `new` and `resurrected`. Money is in minor units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.asked import ratio
from stream_app.domain.metrics.census.matrix import filled, frame_of
from stream_app.domain.metrics.census.members import first_cohorts
from stream_app.domain.metrics.census.series import columns, earliest, latest, line, of_segment, opens, shown
from stream_app.domain.metrics.mean import nullable
from stream_app.domain.metrics.population import Orders, Pairs
from stream_app.domain.periods import HORIZON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]

#: Later than every period there is.
_NEVER = 1 << 40
_TOTALS = ("customers", "orders", "revenue", "refunded", "repeat", "conflicts")
_BY_PERIOD = ("period.customers", "period.orders", "period.revenue", "kept", "returning", "new", "resurrected")


def count(asked: Asked, part: Slice, places: Ints, tally: Tally) -> None:
    """Adds a slice to the tally."""
    orders = part.orders()
    orders = _only(orders, orders.times < asked.end)
    begin = asked.query.begin
    _totals(orders if begin is None else _only(orders, orders.times >= begin), places, tally)
    periods = asked.calendar.at(asked.query.grain, orders.times)
    users, _, cohorts = first_cohorts(asked, part)
    tally.add("size", [places[users], cohorts])
    cohort = np.full(places.size, _NEVER)
    cohort[users] = cohorts
    index = periods - cohort[orders.users]
    aged = (index >= 0) & (index < HORIZON[asked.query.grain])
    of = orders.users[aged]
    tally.add("money", [places[of], cohort[of], index[aged]], orders.amounts[aged])
    _periods(orders, periods, places, tally)


def _only(orders: Orders, keep: NDArray[np.bool_]) -> Orders:
    return Orders(orders.users[keep], orders.times[keep], orders.amounts[keep], orders.conflicts[keep])


def _totals(orders: Orders, places: Ints, tally: Tally) -> None:
    bought = orders.amounts >= 0
    each = np.bincount(orders.users[bought], minlength=places.size)
    tally.add("customers", [places[each > 0]])
    tally.add("repeat", [places[each > 1]])
    tally.add("orders", [places], each)
    of = places[orders.users]
    tally.add("revenue", [of], orders.amounts)
    tally.add("refunded", [of[~bought]], -orders.amounts[~bought])
    tally.add("conflicts", [of[bought & orders.conflicts]])


def _periods(orders: Orders, periods: Ints, places: Ints, tally: Tally) -> None:
    """Adds what users paid in each period, and how that came after what they had paid in the one before."""
    # In order already, but where clocks set back just after midnight go through the end of a day again.
    order = np.lexsort((periods, orders.users))
    every, amounts = Pairs(orders.users[order], periods[order]), orders.amounts[order]
    first = every.changes()
    payers, at = every.where(first), np.cumsum(first) - 1
    bought, paid = np.zeros((2, payers.users.size), np.int64)
    np.add.at(bought, at, amounts >= 0)
    np.add.at(paid, at, amounts)
    of, when = places[payers.users], payers.periods
    tally.add("payers", [of, when])
    tally.add("period.customers", [of[bought > 0], when[bought > 0]])
    tally.add("period.orders", [of, when], bought)
    tally.add("period.revenue", [of, when], paid)
    new = opens(payers)
    returning = ~new
    returning[1:] &= when[1:] == when[:-1] + 1
    for name, chosen in (("new", new), ("returning", returning), ("resurrected", ~new & ~returning)):
        tally.add(name, [of[chosen], when[chosen]], paid[chosen])
    after = np.where(np.roll(returning, -1), np.roll(paid, -1), 0)
    tally.add("kept", [of, when + 1], np.minimum(after, paid))


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {"currency": asked.currency, "minor_units": asked.minor_units}


def answer(asked: Asked, tally: Tally, places: Ints) -> Entry:
    """The entry of one segment."""
    return {
        "totals": _answer_totals(tally, places),
        "cohorts": _answer_cohorts(asked, tally, places),
        "periods": _answer_periods(asked, tally, places),
    }


def _answer_totals(tally: Tally, places: Ints) -> dict[str, Any]:
    customers, orders, revenue, refunded, repeat, conflicts = (
        int(of_segment(tally.of(name, 1), places)[1].sum()) for name in _TOTALS
    )
    return {
        "customers": customers,
        "orders": orders,
        "revenue": revenue,
        "refunded": refunded,
        "repeat_customers": repeat,
        "repeat_rate": ratio(repeat, customers),
        "frequency": ratio(orders, customers),
        "aov": ratio(revenue, orders),
        "conflicts": conflicts,
    }


def _answer_cohorts(asked: Asked, tally: Tally, places: Ints) -> list[dict[str, Any]]:
    frame = frame_of(asked, tally, places)
    money = np.cumsum(filled(tally, "money", places, frame), axis=1)
    revenue, ltv = (nullable(values, frame.closed) for values in (money, money / frame.sizes[:, None]))
    return [
        {
            "start": asked.calendar.start_date(asked.query.grain, cohort),
            "size": size,
            "revenue": revenue[row][:width],
            "ltv": ltv[row][:width],
        }
        for row, (cohort, size, width) in enumerate(frame.rows())
    ]


def _answer_periods(asked: Asked, tally: Tally, places: Ints) -> list[dict[str, Any]]:
    first = earliest(tally, "payers", 2, places)
    periods = shown(asked, asked.query.grain, first)
    periods = latest(asked, periods, np.ones(periods.size, np.bool_))
    if first is None or not periods.size:
        return []
    lines = {name: line(tally, name, places, first - 1, int(periods[-1])) for name in _BY_PERIOD}
    at = periods - first + 1
    found = []
    before = lines["period.revenue"][at - 1]
    for period, customers, orders, revenue, kept, returning, new, resurrected, last in columns(
        periods, *(lines[name][at] for name in _BY_PERIOD), before
    ):
        found.append(
            {
                "start": asked.calendar.start_date(asked.query.grain, period),
                "customers": customers,
                "orders": orders,
                "revenue": revenue,
                "aov": ratio(revenue, orders),
                "revenue_before": last,
                "kept_revenue": kept,
                "returning_revenue": returning,
                "grr": kept / last if last > 0 else None,
                "nrr": returning / last if last > 0 else None,
                "new_revenue": new,
                "resurrected_revenue": resurrected,
            }
        )
    return found
