"""Which alerts there are to judge, and what becomes of each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stream_app.domain.alerts.change import AlertState, Change, Health, Reason, alert_key
from stream_app.domain.alerts.machine import restarted, step, withdrawn
from stream_app.domain.alerts.past import Known
from stream_app.domain.alerts.rule import STREAM_ALERTS
from stream_app.domain.alerts.telling import of_health, watched_by_name
from stream_app.domain.counters import ALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stream_app.domain.alerts.observation import Course, Observation, Outage
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.counters import Series


class Step(NamedTuple):
    """What to store under `key`, and the change to publish with it, if any."""

    key: str
    state: AlertState
    change: Change | None


#: Steps with the instant (ms) that they are of.
_Timed = tuple[int, Step]


def evaluate(
    rules: Sequence[Rule],
    courses: Mapping[str, Course | str],
    states: Mapping[str, AlertState],
    *,
    outages: Sequence[Outage] = (),
    own_outages: Mapping[str, Sequence[Outage]] | None = None,
    quiet_until: Mapping[str, int] | None = None,
    now: int | None = None,
) -> list[Step]:
    """Judges every closed cell that has not been judged, in order.

    A rule that has changed starts again at inactive and judges its history anew, but quietly: of the cells that its
    former version has judged, only what it comes to is told, and a firing alert goes on if it still fires and is
    withdrawn if it does not. So is a firing alert whose rule, or whose segment in the rule, was removed; once that is
    put back, what closed meanwhile is history.

    Args:
        rules: the rules, with unique names.
        courses: by rule its figure's course, or why it could not be had. A rule that is not there is not judged.
        states: what is remembered, by `alert_key`.
        outages: of the event stream.
        own_outages: rule name -> outages of the kind of event that it is about, see `flows`.
        quiet_until: rule name -> instant (ms). Where nothing is remembered of an alert, cells that closed at or before
            it are history: again only what it comes to is told. For a rule new to a service that has counted for long.
        now: the watermark (ms): from when on it is so that a figure cannot be had, or can be again.

    Returns:
        Steps in the order in which the judged cells closed. For each alert the last one holds its latest state;
        storing each state together with publishing its change makes a repetition harmless (ids are deterministic).
    """
    ordered: list[_Timed] = []
    spoilt = {rule.name: [*outages, *(own_outages or {}).get(rule.name, ())] for rule in rules}
    for alert in _alerts(rules, courses, states, spoilt, quiet_until or {}, now):
        latest = -1
        for at, one in alert:
            # An alert's own steps keep their order, also where a changed rule goes back to an earlier cell.
            latest = max(latest, at)
            ordered.append((latest, one))
    ordered.sort(key=lambda pair: pair[0])
    return [one for _, one in ordered]


def _alerts(
    rules: Sequence[Rule],
    courses: Mapping[str, Course | str],
    states: Mapping[str, AlertState],
    outages: Mapping[str, Sequence[Outage]],
    quiet_until: Mapping[str, int],
    now: int | None,
) -> Iterator[Iterator[_Timed]]:
    """The steps of each alert that has any to make."""
    yield _removed(rules, states)
    remembered: dict[str, list[AlertState]] = {}
    for state in states.values():
        remembered.setdefault(state.rule, []).append(state)
    for rule in rules:
        course = courses.get(rule.name)
        if course is None:
            continue
        watched = [one for one in remembered.get(rule.name, ()) if rule.watches(one.segment)]
        if isinstance(course, str):
            for series in _series(rule, (), watched):
                yield _failed(rule, _state_of(rule, series, states), course, now)
            continue
        known = Known(rule, course, outages[rule.name])
        for series in _series(rule, course.streams, watched):
            yield _Alert(rule, known, series, now).steps(_state_of(rule, series, states), quiet_until.get(rule.name))


def _series(rule: Rule, found: Mapping[Series, object] | tuple[()], watched: Sequence[AlertState]) -> list[Series]:
    """The segments to judge: of a rule on every value those that have users, and those that once had."""
    if watched_by_name(rule):
        return [rule.segment or ALL]
    former = [next(iter(state.segment.items()), ALL) for state in watched if state.fingerprint]
    return list(dict.fromkeys([*found, *former]))


def _state_of(rule: Rule, series: Series, states: Mapping[str, AlertState]) -> AlertState:
    segment = dict([series]) if series else {}
    return states.get(alert_key(rule.name, segment)) or AlertState(rule.name, segment, rule.fingerprint)


class _Alert:
    """The judgement of one alert."""

    def __init__(self, rule: Rule, known: Known, series: Series, now: int | None) -> None:
        self._rule, self._known, self._series, self._now = rule, known, series, now

    def steps(self, before: AlertState, quiet: int | None) -> Iterator[_Timed]:
        """One for each change, and one for the state it ends in."""
        rule, changed = self._rule, before.fingerprint != self._rule.fingerprint
        stored, said = before, before.trouble
        state = restarted(rule, before) if changed else _without_error(rule, before)
        if changed and before.at is not None:
            quiet = before.at
            if not before.fingerprint:  # it was removed: what came while nobody watched is history, too
                quiet = max(quiet, self._now or 0)
        elif before.judged is not None:
            quiet = None
        cells = list(self._known.cells(self._series, state.judged, named=watched_by_name(rule)))
        history = [cell for cell in cells if quiet is not None and cell.closed_at <= quiet]
        for cell in history:
            state, _ = self._step(state, cell)
        if changed and before.fired is not None:
            if state.fired is not None and _figure(state.fired) == _figure(before.fired):
                # It was told of already, and what will end it belongs to that message.
                state = replace(state, fired=before.fired)
            else:
                stored, change = withdrawn(before, Reason.RULE_CHANGED)
                said = None
                yield _timed(stored, change)
        if changed and said is not None and (state.health is Health.OK or state.health is said.health):
            state = replace(state, trouble=said)
        if state.fired is not None and state.fired is not before.fired:
            if state.health is Health.OK:  # which the firing says by itself
                state, said = replace(state, trouble=None), None
            yield _timed(state, state.fired)
            stored = state
        if state.trouble is not None and state.trouble is not said:
            yield _timed(state, state.trouble)
            stored = state
        for cell in cells[len(history) :]:
            state, change = self._step(state, cell)
            if change is not None:
                yield _timed(state, change)
                stored = state
        if said is not None and state.trouble is said and state.health is not said.health:
            state, change = _recovered(rule, state, self._now)
            yield max(_at(state), self._now or 0), Step(state.key, state, change)
        elif state != stored:
            yield _timed(state, None)

    def _step(self, state: AlertState, cell: Observation) -> tuple[AlertState, Change | None]:
        known = self._known
        return step(
            self._rule,
            state,
            cell,
            known.past(self._series, cell) if cell.group else (),
            segment=state.segment,
            streams=known.streams(cell),
            alike=known.alike(cell),
            outage=known.spoilt(cell),
        )


def _at(state: AlertState) -> int:
    return -1 if state.at is None else state.at


def _timed(state: AlertState, change: Change | None) -> _Timed:
    return _at(state), Step(state.key, state, change)


def _figure(change: Change) -> tuple[str | int, ...]:
    return change.definition, change.grain, change.index, change.figure, change.measure, change.side


def _without_error(rule: Rule, state: AlertState) -> AlertState:
    """The state, now that the figure is there: by its cells it has data or not."""
    if state.health is not Health.ERROR:
        return state
    without = 0 < rule.no_data <= state.missing
    return replace(state, health=Health.NO_DATA if without else Health.OK, note=None)


def _recovered(rule: Rule, state: AlertState, now: int | None) -> tuple[AlertState, Change]:
    """Tells that an error is over, or what was wrong by a former version of the rule."""
    reason = Reason.NO_DATA if state.health is Health.NO_DATA else Reason.DATA_BACK
    change = of_health(rule, state, reason, at=max(_at(state), now or 0))
    return replace(state, trouble=change if state.health is Health.NO_DATA else None), change


def _failed(rule: Rule, state: AlertState, why: str, now: int | None) -> Iterator[_Timed]:
    """The figure cannot be had: told once, and the state stays what it was."""
    at = max(_at(state), now or 0)
    if state.health is Health.ERROR:
        if state.note != why:
            yield at, Step(state.key, replace(state, note=why), None)
        return
    state = replace(state, health=Health.ERROR, note=why, reason=Reason.ERROR)
    change = of_health(rule, state, Reason.ERROR, at=at)
    yield at, Step(state.key, replace(state, trouble=change), change)


def _removed(rules: Sequence[Rule], states: Mapping[str, AlertState]) -> Iterator[_Timed]:
    """Withdraws the alerts that no rule watches any more. They stay remembered, so that a rule put back is not new."""
    by_name = {rule.name: rule for rule in rules}
    for state in states.values():
        rule = by_name.get(state.rule)
        if state.rule in STREAM_ALERTS or state.reason is Reason.RULE_REMOVED:
            continue
        if rule is None or not rule.watches(state.segment):
            yield _timed(*withdrawn(state, Reason.RULE_REMOVED))
