"""The step of an alert: pure, one closed cell at a time.

    inactive --breach--> pending --`for` breaches in a row--> firing --value >= resolve--> resolved --breach--> pending

A cell is judged once, in the order of cohorts; a group smaller than `min_group` is skipped and moves nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from stream_app.domain.alerts.change import AlertState, Change, Reason, State
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.metrics import Cell


def step(
    rule: Rule, state: AlertState | None, cell: Cell, segment: Mapping[str, str]
) -> tuple[AlertState, Change | None]:
    """Judges one closed cell.

    Args:
        rule: the rule.
        state: what is remembered; None, or the state of another version of the rule, starts at inactive.
        cell: the closed cell; a cohort at or before the latest judged one is not judged again.
        segment: dimension -> value, empty for all users.

    Returns:
        The new state, and the change of state if there is one.
    """
    if state is None:
        state = AlertState(rule.name, dict(segment), rule.fingerprint)
    elif state.fingerprint != rule.fingerprint:
        state = restarted(rule, state)
    if state.judged is not None and cell.cohort <= state.judged:
        return state, None
    state = replace(state, judged=cell.cohort, cohort=cell.start, at=cell.closed_at, group=cell.size, value=None)
    if cell.size < max(rule.min_group, 1):
        return replace(state, reason=Reason.GROUP_TOO_SMALL), None

    value = cell.retained / cell.size
    state = replace(state, value=value)
    if state.state is State.FIRING:
        return _while_firing(rule, state, cell, value)
    if value < rule.below:
        return _breach(rule, state, cell)
    state = replace(state, reason=Reason.NOT_BELOW, streak=0)
    if state.state is State.PENDING:
        return _changed(rule, state, State.INACTIVE, cell)
    return replace(state, since=None), None


def restarted(rule: Rule, state: AlertState) -> AlertState:
    """Where an alert begins again because its rule has changed."""
    return AlertState(rule.name, state.segment, rule.fingerprint, generation=state.generation + 1)


def withdrawn(state: AlertState, reason: Reason) -> tuple[AlertState, Change | None]:
    """Ends an alert because its rule was changed or removed; the change tells of it if the alert was firing."""
    fired = state.fired
    change = fired and replace(
        fired,
        id=_identity(state, [fired.definition, fired.grain, fired.index, fired.cohort, reason]),
        state=State.INACTIVE,
        at=fired.at if state.at is None else rfc3339(state.at),
        reason=reason,
        began=fired.id,
    )
    ended = replace(state, state=State.INACTIVE, fingerprint="", fired=None, since=None, streak=0, reason=reason)
    return ended, change


def _while_firing(rule: Rule, state: AlertState, cell: Cell, value: float) -> tuple[AlertState, Change | None]:
    if value >= rule.resolve:
        return _changed(rule, replace(state, reason=Reason.RECOVERED, streak=0), State.RESOLVED, cell)
    if value < rule.below:
        return replace(state, reason=Reason.STILL_BELOW, streak=state.streak + 1), None
    return replace(state, reason=Reason.NOT_YET_RECOVERED, streak=0), None


def _breach(rule: Rule, state: AlertState, cell: Cell) -> tuple[AlertState, Change | None]:
    since = state.since if state.streak else cell.start
    state = replace(state, streak=state.streak + 1, since=since, reason=Reason.BELOW)
    if state.streak >= rule.steps:
        return _changed(rule, state, State.FIRING, cell)
    state = replace(state, reason=Reason.NOT_LONG_ENOUGH)
    if state.state is State.PENDING:
        return state, None
    return _changed(rule, state, State.PENDING, cell)


def _changed(rule: Rule, state: AlertState, new: State, cell: Cell) -> tuple[AlertState, Change]:
    change = Change(
        id=_identity(state, [rule.definition, rule.grain, rule.index, cell.start, new]),
        rule=rule.name,
        segment=dict(state.segment),
        state=new,
        at=rfc3339(cell.closed_at),
        definition=rule.definition,
        grain=rule.grain.value,
        index=rule.index,
        cohort=cell.start,
        value=cell.retained / cell.size,
        threshold=rule.resolve if new is State.RESOLVED else rule.below,
        group=cell.size,
        retained=cell.retained,
        reason=state.reason,
        since=state.since or cell.start,
        began=state.fired.id if state.fired is not None else None,
        to=rule.to if new in (State.FIRING, State.RESOLVED) else (),
    )
    fired = change if new is State.FIRING else None
    since = state.since if new in (State.PENDING, State.FIRING) else None
    return replace(state, state=new, fired=fired, since=since), change


def _identity(state: AlertState, what: list[str | int]) -> str:
    """A change's id: 128 bits over the alert, its generation, the figure, the cohort and what it changed to."""
    parts = [state.rule, sorted(state.segment.items()), state.generation, *what]
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:32]
