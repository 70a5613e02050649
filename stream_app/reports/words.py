"""What tables and pictures have in common: names of segments and periods, numbers as people write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What stands where a number is null.
UNKNOWN = "-"
_MONTHS_IN = {"quarter": 3, "half-year": 6}


def shown(text: str) -> str:
    """Data as it may be shown: what a terminal would obey, or a picture cannot draw, is taken out."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def segment_name(segment: Mapping[str, str]) -> str:
    """The name of a segment.

    >>> segment_name({}), segment_name({"plan": "pro"})
    ('all users', 'plan = pro')
    """
    return ", ".join(shown(f"{name} = {value}") for name, value in segment.items()) or "all users"


def segment_value(segment: Mapping[str, str], most: int = 26) -> str:
    """The value of a segment, cut where it is long: for pictures, which name the dimension once.

    >>> segment_value({}), segment_value({"plan": "professional"}, most=6)
    ('all users', 'profe…')
    """
    name = ", ".join(map(shown, segment.values())) or "all users"
    return name if len(name) <= most else f"{name[: most - 1]}…"


def period_name(grain: str, start: str) -> str:
    """A period as short as it can be told, by the local date or time it begins at.

    >>> period_name("month", "1998-04-01"), period_name("quarter", "1998-04-01"), period_name("half-year", "1998-07-01")
    ('1998-04', '1998 Q2', '1998 H2')
    >>> period_name("week", "1998-04-06"), period_name("hour", "1998-04-06T05:00+02:00")
    ('1998-04-06', '04-06 05:00')
    """
    if grain == "month":
        return start[:7]
    if grain in _MONTHS_IN:
        number = (int(start[5:7]) - 1) // _MONTHS_IN[grain] + 1
        return f"{start[:4]} {grain[0].upper()}{number}"
    return start[5:16].replace("T", " ") if grain == "hour" else start


def percent(share: float | None, decimals: int = 1) -> str:
    """A share in percent, without the sign.

    >>> percent(0.14749), percent(None)
    ('14.7', '-')
    """
    return UNKNOWN if share is None else f"{100 * share:.{decimals}f}"


def count(number: float | None) -> str:
    """A whole number with its thousands apart.

    >>> count(23570)
    '23,570'
    """
    return UNKNOWN if number is None else f"{number:,.0f}"


def decimal(number: float | None, decimals: int = 2) -> str:
    """Any other number."""
    return UNKNOWN if number is None else f"{number:,.{decimals}f}"


def money(minor: float | None, units: int) -> str:
    """An amount of minor units in major ones.

    >>> money(250031563, 2), money(None, 2)
    ('2,500,315.63', '-')
    """
    return UNKNOWN if minor is None else f"{minor / 10**units:,.{units}f}"


def figure_of(answer: Mapping[str, Any]) -> str:
    """Which figure an answer is of."""
    return str(answer["schema"]).split("/")[1]


def title(answer: Mapping[str, Any]) -> str:
    """The first line of a table or picture.

    >>> title({"schema": "stream-app/churn/1", "definition": "engagement", "grain": "day"})
    'engagement: customers active and churned, by day'
    """
    return f"{shown(answer['definition'])}: {_TITLES[figure_of(answer)]}, by {answer['grain']}"


_TITLES = {
    "retention": "retention",
    "churn": "customers active and churned",
    "lifecycle": "life cycle of users",
    "crr": "customers kept and lost",
    "stickiness": "stickiness",
    "value": "value of customers",
    "survival": "survival of customers",
    "concentration": "share of the top 10 % of users",
}


def parameters(answer: Mapping[str, Any]) -> list[str]:
    """The parameters of an answer that a reader must know to read it, each in a few words."""
    figure = figure_of(answer)
    found = []
    if figure == "retention":
        found += [answer["kind"], "24-hour windows" if answer["windows"] == "24h" else "calendar periods"]
        found += ["recurring cohorts" if answer["cohorts"] == "recurring" else "first-time cohorts"]
    if figure == "survival":
        found.append("until the first churn" if answer["kind"] == "churn" else "until the first return")
    if answer.get("inactivity_days") is not None:
        found.append(f"churned after {answer['inactivity_days']} days without activity")
    if figure == "stickiness":
        found.append(f"window of {answer['window']} days")
    if "currency" in answer:
        found.append(f"in {answer['currency']}")
    return found


def origin(answer: Mapping[str, Any]) -> str:
    """Time zone, watermark and late events.

    >>> origin({"timezone": "UTC", "as_of": "1998-07-01T00:00:00Z", "late_share": 0.0125})
    'time zone UTC, as of 1998-07-01T00:00:00Z, 1.2 % of events late'
    """
    told = f"time zone {answer['timezone']}, as of {answer['as_of'] or 'never: there are no events'}"
    late = answer["late_share"]
    if late:
        told += f", {percent(late) if late >= 0.001 else 'less than 0.1'} % of events late"
    return told
