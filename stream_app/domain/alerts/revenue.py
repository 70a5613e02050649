"""Revenue at risk: what the users that are missing bring, by what users of their segment have brought so far."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts.change import Change


def parameters(definition: str, segment: Mapping[str, str], top: int) -> dict[str, str]:
    """The parameters of the question whose answer `per_user` takes."""
    given = {"figure": "value", "definition": definition, "grain": "month"}
    return given | ({"segment": next(iter(segment)), "top": str(top)} if segment else {})


def per_user(answer: Mapping[str, Any]) -> dict[tuple[tuple[str, str], ...], float]:
    """By segment: revenue so far per user of its cohorts, in minor units; segments without users are left out.

    Args:
        answer: to the question of `parameters`.
    """
    found = {}
    for entry in answer["segments"]:
        users = sum(cohort["size"] for cohort in entry["cohorts"])
        if users:
            found[tuple(sorted(entry["segment"].items()))] = entry["totals"]["revenue"] / users
    return found


def with_revenue(change: Change, answer: Mapping[str, Any]) -> Change:
    """The change with its revenue at risk: the users at risk times what a user of their segment has brought so far."""
    share = per_user(answer).get(tuple(sorted(change.segment.items())))
    if share is None or change.users_at_risk is None:
        return change
    return replace(change, revenue_at_risk=round(share * change.users_at_risk), currency=str(answer["currency"]))
