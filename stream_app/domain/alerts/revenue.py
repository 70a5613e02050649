"""Revenue at risk: what the users that are missing bring, by what users of their segment have brought so far.

So far is in whole months that had ended when the judged cell closed: a replay of history says what was said then.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import Change, State
from stream_app.domain.alerts.instants import instant
from stream_app.domain.alerts.readings import ordinal
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.periods import Calendar

    Rows = Sequence[Mapping[str, Any]]


def parameters(definition: str, segment: Mapping[str, str], top: int) -> dict[str, str]:
    """The parameters of the question whose answer `with_revenue` takes."""
    given = {"figure": "value", "definition": definition, "grain": "month"}
    return given | ({"segment": next(iter(segment)), "top": str(top)} if segment else {})


def with_revenue(change: Change, answer: Mapping[str, Any], calendar: Calendar) -> Change:
    """A change that begins to fire, with its revenue at risk; every other one as it is.

    That is the users at risk times what a user of their segment has brought. In a first month it is not known.

    Args:
        change: of an alert.
        answer: to the question of `parameters`.
        calendar: what counting is done by.
    """
    if change.state is not State.FIRING or not change.users_at_risk:
        return change
    share = per_user(until(answer, round(1000 * instant(change)), calendar)).get(tuple(sorted(change.segment.items())))
    if share is None:
        return change
    return replace(change, revenue_at_risk=round(share * change.users_at_risk), currency=str(answer["currency"]))


def per_user(answer: Mapping[str, Any]) -> dict[tuple[tuple[str, str], ...], float]:
    """By segment: revenue per user of its cohorts, in minor units; segments without users are left out."""
    found = {}
    for entry in answer["segments"]:
        users = sum(cohort["size"] for cohort in entry["cohorts"])
        if users:
            found[tuple(sorted(entry["segment"].items()))] = entry["totals"]["revenue"] / users
    return found


def until(answer: Mapping[str, Any], at: int, calendar: Calendar) -> dict[str, Any]:
    """The answer as far as its months had ended at an instant (ms): their cohorts and their revenue."""
    segments = []
    for entry in answer["segments"]:
        cohorts, periods = (_ended(entry[rows], at, calendar) for rows in ("cohorts", "periods"))
        revenue = sum(period["revenue"] for period in periods)
        segments.append({"segment": entry["segment"], "cohorts": cohorts, "totals": {"revenue": revenue}})
    return {"currency": answer["currency"], "segments": segments}


def _ended(rows: Rows, at: int, calendar: Calendar) -> Rows:
    return [row for row in rows if calendar.end(Grain.MONTH, ordinal(calendar, Grain.MONTH, row["start"])) <= at]
