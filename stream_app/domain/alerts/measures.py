"""What of each figure's answer a rule can judge: shares of a group, and values that are no share of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.domain.alerts.rule import Side

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Measure:
    """One judged figure.

    Attributes:
        meaning: in words, for the documents.
        side: where it is usually bad.
        group: fields of a row that add up to the denominator.
        count: field of the numerator of a share; None: it is a value, which only a threshold test can judge.
        value: field of the value; None for a share.
        over: field that the value is divided by; None: by nothing.
        before: the group is that of the row before: a total would take its own group with it when it falls.
        rows: where in a segment's entry the rows are.
    """

    meaning: str
    side: Side
    group: tuple[str, ...]
    count: str | None = None
    value: str | None = None
    over: str | None = None
    before: bool = False
    rows: str = "periods"

    @property
    def share(self) -> bool:
        """Whether it is a share of its group, so that a sequential test can judge it."""
        return self.value is None


BELOW, ABOVE = Side.BELOW, Side.ABOVE
_BEFORE = ("returning", "dormant")

#: By figure its measures by name, the usual one first.
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    "retention": {
        "rate": Measure("users of a cohort who came back in the period or bracket `index` / users of the cohort", BELOW,
                        ("size",), count="retained", rows="cohorts"),
    },
    "churn": {
        "rate": Measure("customers churned at the end of the period / customers", ABOVE, ("customers",),
                        count="churned", rows="days"),
    },
    "lifecycle": {
        "returning_rate": Measure("users of the period before who are active again / users of the period before", BELOW,
                                  _BEFORE, count="returning"),
        "dormant_rate": Measure("users of the period before who are not active / users of the period before", ABOVE,
                                _BEFORE, count="dormant"),
        "new_share": Measure("new users / active users", BELOW, ("active",), count="new"),
        "resurrected_share": Measure("resurrected users / active users", BELOW, ("active",), count="resurrected"),
        "quick_ratio": Measure("(new + resurrected) / dormant; the group is the dormant users", BELOW, ("dormant",),
                               value="quick_ratio"),
        "active": Measure("active users; the group is the users of the period before", BELOW, _BEFORE, value="active"),
        "new": Measure("new users; the group is the users of the period before", BELOW, _BEFORE, value="new"),
    },
    "crr": {
        "kept_rate": Measure("customers active at the start and the end of the period / at the start", BELOW,
                             ("start_active",), count="kept"),
        "churn_rate": Measure("customers active at the start and not at the end / at the start", ABOVE,
                              ("start_active",), count="lost"),
        "crr": Measure("(active at the end - new) / active at the start; can pass 1", BELOW, ("start_active",),
                       value="crr"),
    },
    "stickiness": {
        "stickiness": Measure("users of the day / users of the window that ends with it (DAU / MAU)", BELOW, ("mau",),
                              count="dau", rows="days"),
    },
    "value": {
        "aov": Measure("revenue / orders; the group is the orders", BELOW, ("orders",), value="aov"),
        "frequency": Measure("orders / customers", BELOW, ("customers",), value="orders", over="customers"),
        "grr": Measure("gross revenue retention; the group is the customers of the period before", BELOW,
                       ("customers",), value="grr", before=True),
        "nrr": Measure("net revenue retention; the group is the customers of the period before", BELOW,
                       ("customers",), value="nrr", before=True),
        "revenue": Measure("revenue of the period; the group is the customers of the period before", BELOW,
                           ("customers",), value="revenue", before=True),
        "orders": Measure("orders of the period; the group is the customers of the period before", BELOW,
                          ("customers",), value="orders", before=True),
        "customers": Measure("customers with an order; the group is those of the period before", BELOW,
                             ("customers",), value="customers", before=True),
        "ltv": Measure("revenue so far / users of a cohort at the age `index`", BELOW, ("size",), value="ltv",
                       rows="cohorts"),
    },
    "concentration": {
        "activity_share": Measure("share of activity from the top 10 % of users", ABOVE, ("users",),
                                  value="activity_share"),
        "revenue_share": Measure("share of revenue from the top 10 % of customers", ABOVE, ("customers",),
                                 value="revenue_share"),
    },
}  # fmt: skip

_IN_ALL = "is of all time and has no rows of periods, so that no part of it is ever closed"
#: What cannot be judged, by figure and measure (empty: the whole figure): why, and what can be had instead.
REFUSED: Mapping[tuple[str, str], str] = {
    ("survival", ""): "is estimated anew from all customers with every day, so that no part of it is closed; judge "
    "churn_rate of figure crr, or rate of figure churn",
    ("value", "repeat_rate"): f"{_IN_ALL}; judge frequency, the orders per customer of each period",
    ("lifecycle", "returning"): "is a number of users; judge returning_rate, its share of those of the period before",
}


def measure_of(figure: str, name: str) -> Measure:
    """The measure of that name."""
    return MEASURES[figure][name]


def has_cohorts(figure: str, name: str) -> bool:
    """Whether it is of cohorts, each judged at an index, and not of periods."""
    return measure_of(figure, name).rows == "cohorts"
