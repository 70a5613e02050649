from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import cell, cells, rule

from stream_app.domain.alerts import AlertState, Change, Reason, Rule, State, step

SEGMENT = {"plan": "pro"}


def run(rule_: Rule, some: list, state: AlertState | None = None) -> tuple[AlertState, list[Change]]:
    changes = []
    for one in some:
        state, change = step(rule_, state, one, SEGMENT)
        if change is not None:
            changes.append(change)
    assert state is not None
    return state, changes


def states(changes: list[Change]) -> list[str]:
    return [c.state.value for c in changes]


def test_a_cell_below_the_threshold_fires_at_once():
    state, changes = run(rule(), cells(35, 29))
    assert states(changes) == ["firing"]
    fired = changes[0]
    assert (fired.value, fired.threshold, fired.group, fired.retained) == (0.29, 0.30, 100, 29)
    assert (fired.cohort, fired.at, fired.since) == ("2024-10-05", "2024-10-13T00:00:00Z", "2024-10-05")
    assert (fired.reason, fired.segment, fired.to) == (Reason.BELOW, SEGMENT, ("console",))
    assert state.state is State.FIRING


def test_a_value_equal_to_the_threshold_does_not_fire():
    assert run(rule(), cells(30))[1] == []


def test_a_firing_alert_is_told_once():
    state, changes = run(rule(), cells(29, 20, 10))
    assert states(changes) == ["firing"]
    assert state.reason is Reason.STILL_BELOW


def test_it_resolves_only_at_the_resolve_threshold():
    state, changes = run(rule(), cells(29, 31, 32))
    assert states(changes) == ["firing"]
    assert state.reason is Reason.NOT_YET_RECOVERED
    state, more = run(rule(), [cell(3, 33)], state)
    assert states(more) == ["resolved"]
    assert (more[0].threshold, more[0].began, more[0].since) == (0.33, changes[0].id, "2024-10-04")
    assert state.state is State.RESOLVED
    assert state.fired is None


def test_a_resolved_alert_stays_resolved_until_the_next_breach():
    state, changes = run(rule(), cells(29, 40, 40, 40, 10))
    assert states(changes) == ["firing", "resolved", "firing"]
    assert len({c.id for c in changes}) == 3
    assert state.since == "2024-10-08"


def test_a_group_that_is_too_small_moves_nothing():
    some = [cell(0, 0, size=99), cell(1, 29), cell(2, 99, size=99), cell(3, 0, size=0)]
    state, changes = run(rule(), some)
    assert states(changes) == ["firing"]
    assert (state.state, state.reason, state.value, state.group) == (State.FIRING, Reason.GROUP_TOO_SMALL, None, 0)


def test_an_empty_group_is_skipped_whatever_the_minimum():
    state, changes = run(rule(min_group=0), [cell(0, 0, size=0)])
    assert changes == []
    assert state.reason is Reason.GROUP_TOO_SMALL


def test_for_three_steps_is_pending_first_and_only_the_topic_hears_of_it():
    _, changes = run(rule(steps=3), cells(29, 29, 29))
    assert states(changes) == ["pending", "firing"]
    assert [c.to for c in changes] == [(), ("console",)]
    assert [c.since for c in changes] == ["2024-10-04", "2024-10-04"]
    assert changes[1].cohort == "2024-10-06"


def test_a_good_cell_breaks_the_row_and_a_small_group_does_not():
    small = cell(1, 0, size=5)
    assert states(run(rule(steps=2), [cell(0, 29), small, cell(2, 29)])[1]) == ["pending", "firing"]
    assert states(run(rule(steps=2), cells(29, 30, 29))[1]) == ["pending", "inactive", "pending"]


def test_a_cell_is_judged_once_and_in_order():
    state, changes = run(rule(), [cell(5, 29)])
    for late in (cell(5, 90), cell(4, 90), cell(0, 90)):
        assert step(rule(), state, late, SEGMENT) == (state, None)
    assert len(changes) == 1


def test_another_version_of_the_rule_starts_at_inactive():
    state, _ = run(rule(), cells(29))
    again, changes = run(rule(below=0.2, resolve=0.2), cells(29), state)
    assert again.state is State.INACTIVE
    assert changes == []


def test_who_is_told_is_no_part_of_the_fingerprint():
    assert rule().fingerprint == rule(to=("slack:#x",)).fingerprint
    assert rule().fingerprint != rule(min_group=5).fingerprint


@pytest.mark.parametrize(
    "other", [{"name": "x"}, {"index": 6}, {"definition": "repurchase"}, {"grain": "week"}], ids=lambda o: next(iter(o))
)
def test_ids_are_deterministic_and_differ_by_what_is_told(other: dict):
    first = run(rule(), cells(29))[1][0]
    assert first.id == run(rule(), cells(29))[1][0].id
    assert first.id == run(rule(), cells(10))[1][0].id, "a corrected figure is the same alert"
    if other != {"grain": "week"}:
        assert first.id != run(rule(**other), cells(29))[1][0].id
    _, there = step(rule(), None, cell(0, 29), {"plan": "free"})
    assert there is not None
    assert there.id != first.id


def test_a_line_of_the_topic_has_the_agreed_keys():
    line = run(rule(), cells(29))[1][0].to_json()
    agreed = {"id", "rule", "segment", "state", "at", "definition", "grain", "index", "cohort"}
    agreed |= {"value", "threshold", "group", "reason", "to"}
    assert agreed <= set(line)
    assert (line["state"], line["grain"], line["to"], line["segment"]) == ("firing", "day", ["console"], SEGMENT)
    assert Change.from_json(orjson.loads(orjson.dumps(line | {"added_later": 1}))) == run(rule(), cells(29))[1][0]


@given(
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from([99, 100, 100])), max_size=30), st.integers(1, 3), st.data()
)
def test_storing_the_state_between_any_two_steps_changes_nothing(values, steps, data):
    some = [cell(i, min(r, s), s) for i, (r, s) in enumerate(values)]
    r = rule(steps=steps)
    state, changes = None, []
    for one in some:
        repeats = data.draw(st.integers(1, 2))
        for _ in range(repeats):
            stored = None if state is None else AlertState.from_json(orjson.loads(orjson.dumps(state.to_json())))
            state, change = step(r, stored, one, SEGMENT)
            changes += [change] if change is not None else []
    if some:
        assert (state, changes) == run(r, some)
    assert len({c.id for c in changes}) == len(changes)
    told = [c.state for c in changes if c.to]
    assert told == [State.FIRING, State.RESOLVED] * (len(told) // 2) + [State.FIRING] * (len(told) % 2)
