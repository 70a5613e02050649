"""Which alerts a snapshot gives, and what becomes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stream_app.domain.alerts.change import AlertState, Change, Reason, alert_key
from stream_app.domain.alerts.machine import restarted, step, withdrawn
from stream_app.domain.alerts.rule import EVERY, Rule
from stream_app.domain.counters import ALL, Series, measure
from stream_app.domain.metrics import closed_cells

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stream_app.domain.metrics import Cell, Snapshot


class Step(NamedTuple):
    """What to store under `key`, and the change to publish with it, if any."""

    key: str
    state: AlertState
    change: Change | None


def selected(rule: Rule, snapshot: Snapshot) -> list[Series]:
    """The series a rule judges: all users, one value, or every value that has users."""
    if rule.segment is None:
        return [ALL]
    dimension, value = rule.segment
    if value != EVERY:
        return [(dimension, value)]
    return [(dimension, v) for v in snapshot.values(rule.definition, measure(rule.grain, "size"), dimension)]


def frontier(rules: Sequence[Rule], snapshot: Snapshot) -> tuple[int | None, ...]:
    """The latest closed period of each rule's grain. While it stands still no rule has a new cell to judge."""
    return tuple(snapshot.last_closed(rule.grain) for rule in rules)


def evaluate(
    rules: Sequence[Rule],
    snapshot: Snapshot,
    states: Mapping[str, AlertState],
    *,
    quiet_until: Mapping[str, int] | None = None,
) -> list[Step]:
    """Judges every closed cell that has not been judged, in order.

    A rule that has changed starts again at inactive and judges its history anew, but quietly: of the cells that its
    former version has judged, only what it comes to is told, and a firing alert goes on if it still fires and is
    withdrawn if it does not. So is a firing alert whose rule, or whose segment in the rule, was removed.

    Args:
        rules: the rules, with unique names.
        snapshot: the counters.
        states: what is remembered, by `alert_key`.
        quiet_until: rule name -> instant (ms). Where nothing is remembered of an alert, cells that closed at or before
            it are history: again only what it comes to is told. For a rule new to a service that has counted for long.

    Returns:
        Steps in the order in which the judged cells closed. For each alert the last one holds its latest state;
        storing each state together with publishing its change makes a repetition harmless (ids are deterministic).
    """
    ordered: list[tuple[int, Step]] = []
    for alert in _alerts(rules, snapshot, states, quiet_until or {}):
        latest = -1
        for one in alert:
            # An alert's own steps keep their order, also where a changed rule goes back to an earlier cell.
            latest = max(latest, -1 if one.state.at is None else one.state.at)
            ordered.append((latest, one))
    ordered.sort(key=lambda pair: pair[0])
    return [one for _, one in ordered]


def _alerts(
    rules: Sequence[Rule], snapshot: Snapshot, states: Mapping[str, AlertState], quiet_until: Mapping[str, int]
) -> Iterator[Iterator[Step]]:
    """The steps of each alert that has any to make."""
    yield _removed(rules, states)
    for rule in rules:
        last_closed = snapshot.last_closed(rule.grain)
        for series in selected(rule, snapshot) if last_closed is not None else ():
            segment = dict([series]) if series else {}
            state = states.get(alert_key(rule.name, segment))
            judged = state.judged if state is not None and state.fingerprint == rule.fingerprint else None
            if judged is not None and last_closed is not None and judged + rule.index >= last_closed:
                continue  # nothing closed since
            state = state or AlertState(rule.name, segment, rule.fingerprint)
            cells = closed_cells(
                snapshot, definition=rule.definition, grain=rule.grain, index=rule.index, series=series
            )
            yield _judged(rule, state, cells, quiet_until.get(rule.name))


def _judged(rule: Rule, before: AlertState, cells: list[Cell], quiet: int | None) -> Iterator[Step]:
    """The steps of one alert: one for each change, and one for the state it ends in."""
    state = before
    if before.fingerprint != rule.fingerprint:
        state, quiet = restarted(rule, before), before.at
    elif before.judged is not None:
        quiet = None
    history = [cell for cell in cells if quiet is not None and cell.closed_at <= quiet]
    for cell in history:
        state, _ = step(rule, state, cell, state.segment)
    stored = before
    if before.fired is not None and before.fingerprint != rule.fingerprint:
        if state.fired is not None and _figure(state.fired) == _figure(before.fired):
            # It was told of already, and what will end it belongs to that message.
            state = replace(state, fired=before.fired)
        else:
            stored, change = withdrawn(before, Reason.RULE_CHANGED)
            yield Step(stored.key, stored, change)
    if state.fired is not None and state.fired is not before.fired:
        yield Step(state.key, state, state.fired)
        stored = state
    for cell in cells[len(history) :]:
        state, change = step(rule, state, cell, state.segment)
        if change is not None:
            yield Step(state.key, state, change)
            stored = state
    if state != stored:
        yield Step(state.key, state, None)


def _figure(change: Change) -> tuple[str, str, int]:
    return change.definition, change.grain, change.index


def _removed(rules: Sequence[Rule], states: Mapping[str, AlertState]) -> Iterator[Step]:
    """Withdraws the alerts that no rule watches any more. They stay remembered, so that a rule put back is not new."""
    by_name = {rule.name: rule for rule in rules}
    for key, state in states.items():
        rule = by_name.get(state.rule)
        if (rule is None or not rule.watches(state.segment)) and state.reason is not Reason.RULE_REMOVED:
            yield Step(key, *withdrawn(state, Reason.RULE_REMOVED))
