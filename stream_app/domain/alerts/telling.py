"""A change, filled in from what is known of an alert: what is told of one judged cell, and under which id."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.alerts.change import Change, Health, Reason, State, id_of
from stream_app.domain.alerts.rule import EVERY, Side
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.wilson import wilson

if TYPE_CHECKING:
    from stream_app.domain.alerts.change import AlertState
    from stream_app.domain.alerts.observation import Observation
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.alerts.verdict import Verdict

#: The states that a rule's targets hear of; the others are for the topic alone.
TOLD = (State.FIRING, State.RESOLVED)


def identity(state: AlertState, what: list[str | int]) -> str:
    """A change's id, of the alert, its generation, and what was said of which cell."""
    return id_of(state.rule, sorted(state.segment.items()), state.generation, *what)


def figure_of(rule: Rule) -> list[str | int]:
    """The judged figure, as part of ids: those of a rule on the retention rate are the ids that it always had."""
    plain: list[str | int] = [rule.definition, rule.grain.value, rule.index]
    if (rule.figure, rule.measure, rule.parameters) == ("retention", "rate", ()):
        return plain
    return [*plain, rule.figure, rule.measure, *(part for pair in rule.parameters for part in pair)]


def moved(rule: Rule, state: AlertState, new: State, cell: Observation, verdict: Verdict, *, flapping: bool) -> Change:
    """The change of an alert to the state `new` by a judged cell; `state` has the reason and the run that led to it."""
    threshold = verdict.threshold
    if new is State.RESOLVED and not math.isnan(rule.resolve):
        threshold = rule.resolve
    low, high = interval(cell)
    return Change(
        id=identity(state, [*figure_of(rule), cell.start, new.value]),
        rule=rule.name,
        segment=dict(state.segment),
        state=new,
        at=rfc3339(cell.closed_at),
        definition=rule.definition,
        grain=rule.grain.value,
        index=rule.index,
        cohort=cell.start,
        value=cell.value,
        threshold=threshold,
        group=cell.group,
        count=cell.count,
        reason=state.reason,
        began=state.since or cell.start,
        ends=None if state.fired is None else state.fired.id,
        to=rule.to if new in TOLD else (),
        figure=rule.figure,
        measure=rule.measure,
        side=rule.side.value,
        test=rule.test.value,
        baseline=verdict.baseline,
        evidence=verdict.log10_e,
        promise=rule.promise,
        low=low,
        high=high,
        users_at_risk=None if cell.count is None else max(round(state.shortfall), 0),
        flapping=flapping,
        cohorts=max(state.cohorts, 1),
    )


def of_health(rule: Rule, state: AlertState, reason: Reason, *, at: int, cell: Observation | None = None) -> Change:
    """The change that tells whether an alert can be judged; `state` has the health already.

    Args:
        rule: the rule.
        state: the alert, with its new health.
        reason: `NO_DATA`, `DATA_BACK` or `ERROR`.
        at: the instant (ms) from which on it is so.
        cell: the closed cell that showed it; None: it was no cell.
    """
    cohort = state.cohort or "" if cell is None else cell.start
    what = [*figure_of(rule), cohort, reason.value]
    known = reason is Reason.DATA_BACK and cell is not None
    low, high = interval(cell) if known and cell is not None else (None, None)
    former = () if state.trouble is None else state.trouble.to  # who was told is told what follows
    return Change(
        # Errors come and go without a cell in between, so the instant tells them apart.
        id=identity(state, what if cell is not None else [*what, at]),
        rule=rule.name,
        segment=dict(state.segment),
        state=state.state,
        at=rfc3339(at),
        definition=rule.definition,
        grain=rule.grain.value,
        index=rule.index,
        cohort=cohort,
        value=cell.value if known and cell is not None else None,
        threshold=state.threshold,
        group=0 if cell is None else cell.group,
        count=cell.count if known and cell is not None else None,
        reason=reason,
        began=state.since,
        to=(rule.to if watched_by_name(rule) else ()) or former,
        figure=rule.figure,
        measure=rule.measure,
        side=rule.side.value,
        health=state.health,
        test=rule.test.value,
        promise=rule.promise,
        low=low,
        high=high,
        flapping=state.fired is not None and state.fired.flapping,
        note=state.note,
        cohorts=state.missing if state.health is Health.NO_DATA else max(state.cohorts, 1),
    )


def watched_by_name(rule: Rule) -> bool:
    """Whether somebody named the segment, so that its silence is news; of `*`, values come and go."""
    return rule.segment is None or rule.segment[1] != EVERY


def missing_users(rule: Rule, cell: Observation, threshold: float | None) -> float:
    """How many users of a cell are missing to the threshold (with side above: are too many); 0 of a value figure."""
    if cell.count is None or threshold is None:
        return 0.0
    return (threshold - cell.value if rule.side is Side.BELOW else cell.value - threshold) * cell.group


def interval(cell: Observation) -> tuple[float | None, float | None]:
    """The 95 % interval (Wilson) of a cell's share; None of a value figure."""
    if cell.count is None:
        return None, None
    low, high = wilson(np.array([cell.count]), np.array([cell.group]))
    return float(low[0]), float(high[0])
