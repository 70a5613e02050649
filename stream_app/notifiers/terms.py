"""What figures and their measures are called in messages, and how their values are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.settings.currencies import minor_units

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change

#: How a value is written.
SHARE, RATIO, MONEY, NUMBER, SPAN = "share", "ratio", "money", "number", "span"


@dataclass(frozen=True)
class Term:
    """The words for one measure.

    Attributes:
        topic: what the headline speaks of.
        name: the figure; `{grain}` and `{index}` are filled in.
        kind: how its values are written.
        counted: what the numerator counts; empty for a value figure.
        group: what the denominator counts.
    """

    topic: str
    name: str
    kind: str = SHARE
    counted: str = ""
    group: str = "users"


_BEFORE = "customers of the period before"
_TERMS = {
    ("retention", "rate"): Term(
        "Retention", "{Grain}-{index} retention", SHARE, "Users who came back", "users of the cohort"
    ),
    ("churn", "rate"): Term("Churn", "Churned share of customers", SHARE, "Customers churned", "customers"),
    ("lifecycle", "returning_rate"): Term(
        "Return rate", "Share of the {grain} before that is active again", SHARE, "Users active again"
    ),
    ("lifecycle", "dormant_rate"): Term(
        "Dormancy", "Share of the {grain} before that is not active", SHARE, "Users not active again"
    ),
    ("lifecycle", "new_share"): Term("New users", "Share of new users", SHARE, "New users", "active users"),
    ("lifecycle", "resurrected_share"): Term(
        "Resurrection", "Share of resurrected users", SHARE, "Resurrected users", "active users"
    ),
    ("lifecycle", "quick_ratio"): Term("Quick ratio", "Quick ratio", RATIO, group="dormant users"),
    ("lifecycle", "active"): Term("Active users", "Active users", NUMBER, group="users of the {grain} before"),
    ("lifecycle", "new"): Term("New users", "New users", NUMBER, group="users of the {grain} before"),
    ("crr", "kept_rate"): Term("Customer retention", "Share of customers kept", SHARE, "Customers kept", "customers"),
    ("crr", "churn_rate"): Term("Customer churn", "Share of customers lost", SHARE, "Customers lost", "customers"),
    ("crr", "crr"): Term("CRR", "Customer retention rate (CRR)", SHARE, group="customers"),
    ("stickiness", "stickiness"): Term("Stickiness", "Stickiness (DAU / MAU)", SHARE, "Users active on the day"),
    ("value", "aov"): Term("Order value", "Average order value", MONEY, group="orders"),
    ("value", "frequency"): Term("Order frequency", "Orders by customer", RATIO, group="customers"),
    ("value", "grr"): Term("GRR", "Gross revenue retention (GRR)", SHARE, group=_BEFORE),
    ("value", "nrr"): Term("NRR", "Net revenue retention (NRR)", SHARE, group=_BEFORE),
    ("value", "revenue"): Term("Revenue", "Revenue", MONEY, group=_BEFORE),
    ("value", "orders"): Term("Orders", "Orders", NUMBER, group=_BEFORE),
    ("value", "customers"): Term("Customers", "Customers with an order", NUMBER, group=_BEFORE),
    ("value", "ltv"): Term("Lifetime value", "Lifetime value at {grain} {index}", MONEY, group="users of the cohort"),
    ("concentration", "activity_share"): Term("Concentration", "Activity of the top 10 % of users", SHARE),
    ("concentration", "revenue_share"): Term(
        "Concentration", "Revenue from the top 10 % of customers", SHARE, group="customers"
    ),
    ("stream", "volume"): Term("Event stream", "Volume of the event stream", SHARE),
    ("stream", "watermark"): Term("Event stream", "Standstill of the watermark", SPAN),
    ("stream", "lag"): Term("Event stream", "Lag behind the clock", SPAN),
}


def term(change: Change) -> Term:
    """The words for a change's measure; of one that is not known here, its own name has to do."""
    known = _TERMS.get((change.figure, change.measure))
    if known is not None:
        return known
    name = change.measure.replace("_", " ")
    name = f"{change.figure} {name.removeprefix(f'{change.figure} ')}".capitalize()
    return Term(change.figure.capitalize(), name, SHARE if change.count is not None else NUMBER, "Counted")


def values(change: Change, *given: float) -> list[str]:
    """Values of a change's measure, with as many decimals as it takes to tell them apart."""
    kind = term(change).kind
    if kind == SHARE:
        return percents(*given)
    if kind == MONEY:
        return [money(value, change.currency) for value in given]
    if kind == SPAN:
        return [span(value) for value in given]
    return _decimals([f"{{:,.{digits}f}}" for digits in range(0 if kind == NUMBER else 2, 7)], given)


def gap(change: Change, difference: float) -> str:
    """A difference of two values, which is of percentages in points."""
    shown = values(change, difference, 0.0)[0]
    return f"{shown.removesuffix(' %')} points" if term(change).kind == SHARE else shown


def percents(*shares: float) -> list[str]:
    """Shares as per cent with one decimal, or as many more as it takes to tell them apart.

    >>> percents(0.21, 0.3), percents(0.29996, 0.3)
    (['21.0 %', '30.0 %'], ['29.996 %', '30.000 %'])
    """
    return _decimals([f"{{:.{digits}f}} %" for digits in range(1, 7)], [100 * share for share in shares], shares)


def money(minor: float, currency: str | None) -> str:
    """An amount of minor units; without its currency it is told in them.

    >>> money(744000, "USD"), money(5000, "JPY"), money(1250.4, None)
    ('7,440.00 USD', '5,000 JPY', '1,250 in minor units')
    """
    if currency is None:
        return f"{minor:,.0f} in minor units"
    digits = minor_units(currency)
    return f"{minor / 10**digits:,.{digits}f} {currency}"


def span(seconds: float) -> str:
    """A span as people say it.

    >>> span(9000), span(59), span(200_000)
    ('2 h 30 min', '59 s', '2 d 7 h')
    """
    said: list[str] = []
    left = round(seconds)
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        number, left = divmod(left, size)
        if number or (unit == "s" and not said):
            said.append(f"{number} {unit}")
    return " ".join(said[:2])


def odds(evidence: float) -> str:
    """An e-value, given as its log10, as odds.

    >>> odds(3.5623), odds(12.2)
    ('3,650 to 1', '10^12 to 1')
    """
    return f"{10**evidence:,.0f} to 1" if evidence < 6 else f"10^{evidence:.0f} to 1"


def _decimals(
    forms: list[str], given: list[float] | tuple[float, ...], keys: tuple[float, ...] | None = None
) -> list[str]:
    """The values in the first form that tells apart what differs."""
    shown: list[str] = []
    for form in forms:
        shown = [form.format(value) for value in given]
        if len(set(shown)) == len(set(keys or given)):
            break
    return shown
