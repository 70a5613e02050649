"""An alert as API, page and metrics show it: one row of what fires, is pending, or cannot be judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.group import HEALTH
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts.change import AlertState, Change
    from stream_app.domain.alerts.group import Group
    from stream_app.domain.alerts.rule import Rule


def shown(state: AlertState, group: Group | None = None, rule: Rule | None = None) -> dict[str, Any]:
    """The row of an alert, JSON-ready.

    A firing alert has everything of the change by which it fired, and what is at risk by now. Every row has `latest`,
    the latest judged cell, `health` with `note` and `missing`, the rule's `labels` and `advice` (its `note`),
    `acknowledged` as in `notice.Standing`, and `held`: why it has not been told of, if it waits.

    Args:
        state: the alert.
        group: of its rule: who has been told, and what waits.
        rule: its rule; None for those of the stream. Without it a row that does not fire does not say what is judged.
    """
    waiting = None if group is None else group.waiting.get(state.key) or group.waiting.get(state.key + HEALTH)
    latest = {
        "cohort": state.cohort,
        "at": None if state.at is None else rfc3339(state.at),
        "value": state.value,
        "threshold": state.threshold,
        "group": state.group,
        "reason": state.reason.value,
    }
    return _about(state, rule, latest) | {
        "state": state.state.value,
        "health": state.health.value,
        "note": state.note,
        "missing": state.missing,
        "cohorts": state.cohorts,
        "acknowledged": _acknowledged(state.key, group),
        "held": None if waiting is None else waiting[1].value,
        "advice": None if rule is None else rule.sending.note,
        "labels": {} if rule is None else dict(rule.sending.labels),
        "latest": latest,
    }


def _about(state: AlertState, rule: Rule | None, latest: Mapping[str, Any]) -> dict[str, Any]:
    if state.fired is not None:
        return state.fired.to_json() | _at_risk(state.fired, state)
    row = {"rule": state.rule, "segment": dict(state.segment), **latest, "began": state.since, "streak": state.streak}
    if rule is not None:
        row |= {name: getattr(rule, name) for name in ("definition", "index", "figure", "measure")}
        row |= {"grain": rule.grain.value, "side": rule.side.value, "test": rule.test.value}
    return row


def _at_risk(fired: Change, state: AlertState) -> dict[str, Any]:
    """What is at risk since the drop began, up to now; revenue as users brought it when the alert fired."""
    if not fired.users_at_risk:
        return {}
    users = max(round(state.shortfall), 0)
    revenue = fired.revenue_at_risk
    if revenue is not None:
        revenue = round(revenue * users / fired.users_at_risk)
    return {"users_at_risk": users, "revenue_at_risk": revenue}


def _acknowledged(key: str, group: Group | None) -> dict[str, Any] | None:
    """Who has seen it first: of what was told, or of what still waits to be."""
    if group is None:
        return None
    told = [group.members[one].acknowledged for one in (key, key + HEALTH) if one in group.members]
    seen = [*told, group.seen.get(key), group.seen.get(key + HEALTH)]
    return next(({"ends": None, **who} for who in seen if who is not None), None)
