"""The step of an alert: pure, one closed cell at a time.

    inactive --breach--> pending --`for` breaches in a row--> firing --recovered--> resolved --breach--> pending

A cell is judged once, in the order of cohorts. A group smaller than `min_group`, and a cell of a period in which the
event stream was not whole, move nothing. Whether an alert can be judged at all, its health, is apart from its state.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import AlertState, Change, Health, Reason, State
from stream_app.domain.alerts.rule import Test
from stream_app.domain.alerts.telling import TOLD, identity, missing_users, moved, of_health
from stream_app.domain.alerts.verdict import judge
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from dataclasses import replace as altered  # whose arguments are checked

    from stream_app.domain.alerts.observation import Observation
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.alerts.verdict import Verdict
else:
    from stream_app.domain.alerts.altering import altered


def step(
    rule: Rule,
    state: AlertState | None,
    observation: Observation,
    past: Sequence[Observation] = (),
    *,
    segment: Mapping[str, str],
    streams: int = 1,
    alike: Sequence[Observation] = (),
    outage: bool = False,
) -> tuple[AlertState, Change | None]:
    """Judges one closed cell.

    Args:
        rule: the rule.
        state: what is remembered; None, or the state of another version of the rule, starts at inactive.
        observation: the closed cell; a cohort at or before the latest judged one is not judged again. A group of 0 says
            that there is nobody in it.
        past: the segment's earlier closed cells of groups large enough, oldest first, without those of outages.
        segment: dimension -> value, empty for all users.
        streams: over how many streams the rule's budget of false alarms is split.
        alike: cells of the segment that is compared with, up to the same cohort.
        outage: the event stream was not whole in the judged period.

    Returns:
        The new state, and the change if there is one.
    """
    if state is None:
        state = AlertState(rule.name, dict(segment), rule.fingerprint)
    elif state.fingerprint != rule.fingerprint:
        state = restarted(rule, state)
    cell = observation
    if state.judged is not None and cell.cohort <= state.judged:
        return state, None
    state = altered(
        state, judged=cell.cohort, cohort=cell.start, at=cell.closed_at, group=cell.group, value=None, threshold=None
    )
    if outage:
        return altered(state, reason=Reason.STREAM_OUTAGE), None
    if cell.group < max(rule.min_group, 1):
        return _missed(rule, state, cell)

    missing, health = state.missing, state.health
    back = health is Health.NO_DATA
    state = altered(state, value=cell.value, missing=0, health=Health.OK if back else health)
    # While a flapping alert that is good again is held, the test looks for the next drop.
    firing = state.state is State.FIRING and not (rule.test is Test.SEQUENTIAL and state.good)
    verdict = judge(rule, cell, past, evidence=state.evidence, streams=streams, firing=firing, alike=alike)
    state = altered(state, threshold=verdict.threshold, evidence=verdict.evidence, reason=verdict.reason)
    if verdict.breach is None and verdict.reason is Reason.GROUP_TOO_SMALL:  # of what it is compared with
        return _missed(rule, altered(state, missing=missing, health=health), cell)
    state, change = (state, None) if verdict.breach is None else _judged(rule, state, cell, past, verdict)
    if not back:
        return state, change
    if change is None or change.state not in TOLD:  # a firing or a resolution says by itself that there is data
        told = of_health(rule, state, Reason.DATA_BACK, at=cell.closed_at, cell=cell)
        change = told if change is None else altered(change, reason=told.reason, to=told.to)
    return altered(state, trouble=None), change


def restarted(rule: Rule, state: AlertState) -> AlertState:
    """Where an alert begins again because its rule has changed."""
    return AlertState(rule.name, state.segment, rule.fingerprint, generation=state.generation + 1)


def withdrawn(state: AlertState, reason: Reason) -> tuple[AlertState, Change | None]:
    """Ends an alert because its rule was changed or removed; the change tells of it if a message is about it."""
    said = state.fired or state.trouble
    change = said and altered(
        said,
        id=identity(state, [said.definition, said.grain, said.index, said.cohort, reason.value]),
        state=State.INACTIVE,
        health=Health.OK,
        at=said.at if state.at is None else max(said.at, rfc3339(state.at)),
        reason=reason,
        ends=None if state.fired is None else said.id,
    )
    ended = AlertState(
        state.rule, state.segment, "", judged=state.judged, cohort=state.cohort, at=state.at, reason=reason,
        value=state.value, group=state.group, threshold=state.threshold, generation=state.generation,
    )  # fmt: skip
    return ended, change


def _missed(rule: Rule, state: AlertState, cell: Observation) -> tuple[AlertState, Change | None]:
    """There was no group large enough; after `no_data` of them in a row that is told, and the state stays."""
    state = altered(state, reason=Reason.GROUP_TOO_SMALL, missing=state.missing + 1)
    if state.health is not Health.OK or not 0 < rule.no_data <= state.missing:
        return state, None
    state = altered(state, health=Health.NO_DATA)
    change = of_health(rule, state, Reason.NO_DATA, at=cell.closed_at, cell=cell)
    return altered(state, trouble=change), change


def _judged(
    rule: Rule, state: AlertState, cell: Observation, past: Sequence[Observation], verdict: Verdict
) -> tuple[AlertState, Change | None]:
    """One more judged cell: a breach or not."""
    state = altered(state, flips=tuple(ago + 1 for ago in state.flips if ago + 1 < rule.flapping[1]))
    if state.state is State.FIRING:
        return _while_firing(rule, state, cell, verdict)
    if verdict.breach:
        return _breach(rule, state, cell, past, verdict)
    state = altered(state, streak=0)
    if state.state is State.PENDING:
        return _changed(rule, state, State.INACTIVE, cell, verdict)
    return altered(state, since=None, shortfall=0.0, cohorts=0), None


def _breach(
    rule: Rule, state: AlertState, cell: Observation, past: Sequence[Observation], verdict: Verdict
) -> tuple[AlertState, Change | None]:
    run = [cell]
    if rule.test is Test.SEQUENTIAL and verdict.began is not None:
        run = [*(one for one in past if one.cohort >= verdict.began), cell]
    going_on = bool(state.streak)
    state = altered(
        state,
        streak=state.streak + 1,
        since=state.since if going_on else run[0].start,
        shortfall=(state.shortfall if going_on else 0.0)
        + sum(missing_users(rule, one, verdict.threshold) for one in run),
        cohorts=(state.cohorts if going_on else 0) + len(run),
        reason=Reason.BELOW,
    )
    if state.streak >= rule.steps:
        return _changed(rule, state, State.FIRING, cell, verdict)
    state = altered(state, reason=Reason.NOT_LONG_ENOUGH)
    if state.state is State.PENDING:
        return state, None
    return _changed(rule, state, State.PENDING, cell, verdict)


def _while_firing(
    rule: Rule, state: AlertState, cell: Observation, verdict: Verdict
) -> tuple[AlertState, Change | None]:
    good = verdict.recovered or (rule.test is Test.SEQUENTIAL and state.good > 0 and not verdict.breach)
    if not good:
        return altered(
            state,
            reason=Reason.STILL_BELOW if verdict.breach else Reason.NOT_YET_RECOVERED,
            streak=state.streak + 1 if verdict.breach else 0,
            good=0,
            shortfall=state.shortfall + missing_users(rule, cell, verdict.threshold),
            cohorts=state.cohorts + 1,
        ), None
    state = altered(state, streak=0, good=state.good + 1)
    if state.fired is not None and state.fired.flapping and state.good < calm_after(rule):
        return altered(state, reason=Reason.FLAPPING), None
    return _changed(rule, altered(state, reason=Reason.RECOVERED), State.RESOLVED, cell, verdict)


def calm_after(rule: Rule) -> int:
    """Good cells in a row after which a flapping alert is calm: a quarter of the span it flapped in."""
    return math.ceil(rule.flapping[1] / 4)


def _changed(
    rule: Rule, state: AlertState, new: State, cell: Observation, verdict: Verdict
) -> tuple[AlertState, Change]:
    flips = (0, *state.flips) if new is State.FIRING else state.flips
    flapping = new is State.FIRING and 0 < rule.flapping[0] <= len(flips)
    change = moved(rule, state, new, cell, verdict, flapping=flapping)
    state = altered(state, state=new, flips=flips, fired=change if new is State.FIRING else None, good=0)
    if new in (State.PENDING, State.FIRING):
        return state, change
    return altered(state, since=None, shortfall=0.0, cohorts=0), change
