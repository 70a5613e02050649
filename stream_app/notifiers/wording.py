"""What an alert says, in sentences that every notifier shares."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from stream_app.domain.alerts import Reason, State

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change

MAX_VALUE = 80
_TITLES = {
    State.FIRING: "Retention fell",
    State.RESOLVED: "Retention recovered",
    State.PENDING: "Retention may be falling",
    State.INACTIVE: "Alert withdrawn",
}


def clean(text: str, limit: int = MAX_VALUE) -> str:
    """Text of others made safe to show: one line, no control or direction characters, not longer than `limit`."""
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def title(change: Change) -> str:
    """What happened and to which rule: `Retention fell: pro-day-7`."""
    return f"{_TITLES[change.state]}: {clean(change.rule, 100)}"


def who(change: Change) -> str:
    """The segment: `plan = pro`, or `all users`."""
    parts = [f"{clean(name)} = {clean(value)}" for name, value in sorted(change.segment.items())]
    return ", ".join(parts) or "all users"


def figure(change: Change) -> str:
    """The figure's name: `Day-7 retention`."""
    return f"{change.grain.capitalize()}-{change.index} retention"


def percents(*shares: float) -> list[str]:
    """Shares as per cent with one decimal, or as many more as it takes to tell them apart.

    >>> percents(0.21, 0.3), percents(0.29996, 0.3)
    (['21.0 %', '30.0 %'], ['29.996 %', '30.000 %'])
    """
    for decimals in range(1, 7):
        shown = [f"{share * 100:.{decimals}f} %" for share in shares]
        if len(set(shown)) == len(set(shares)):
            break
    return shown


def verdict(change: Change) -> str:
    """How far it is: `21.0 %, 9.0 points below the threshold of 30.0 %`."""
    value, threshold, gap = change.value, change.threshold, abs(change.value - change.threshold)
    shown, limit = percents(value, threshold)
    side = "below" if value < threshold else "above"
    place = f"{_points(gap)} points {side}" if gap else "exactly at"
    return f"{shown}, {place} the threshold of {limit}"


def _points(gap: float) -> str:
    return percents(gap, 0.0)[0].removesuffix(" %")


def sentence(change: Change) -> str:
    """The whole matter in one sentence, for a notification's preview or a log line."""
    what = f"{figure(change)} of {who(change)}"
    if change.state is State.INACTIVE and change.reason in (Reason.RULE_CHANGED, Reason.RULE_REMOVED):
        return f"{what} is no longer watched as it was: {ending(change)}"
    verb = {State.FIRING: "fell to", State.RESOLVED: "is back at"}.get(change.state, "is at")
    return f"{what} {verb} {verdict(change)}"


def ending(change: Change) -> str:
    """Why an alert was withdrawn."""
    if change.reason is Reason.RULE_REMOVED:
        return "its rule was removed, or this segment taken out of it"
    return "its rule was changed"


def facts(change: Change) -> list[tuple[str, str]]:
    """What else to know, as names and values: the cohort, its users, and since when."""
    period = {"day": "of", "week": "of the week of", "month": "of the month of"}.get(change.grain, "of")
    rows = [
        ("Cohort", f"{change.definition}, {period} {_start(change, change.cohort)}"),
        ("Users who came back", f"{change.retained:,} of {change.group:,}"),
    ]
    if change.state in (State.FIRING, State.PENDING):
        rows.append(("Below since", f"the cohort {period} {_start(change, change.since)}"))
    elif change.since != change.cohort:
        rows.append(("Was below since", f"the cohort {period} {_start(change, change.since)}"))
    return rows


def _start(change: Change, start: str) -> str:
    return start[:7] if change.grain == "month" else start


def epoch(change: Change) -> int:
    """When the judged cell closed, in seconds since the epoch."""
    return int(dt.datetime.fromisoformat(change.at).timestamp())


def link(change: Change, public_url: str | None) -> str | None:
    """The page that shows the alert's figures; None without a public address."""
    if not public_url:
        return None
    query = {"definition": change.definition, "grain": change.grain}
    if change.segment:
        query["segment"] = next(iter(change.segment))
    return f"{public_url.rstrip('/')}/?{urlencode(query)}"
