from __future__ import annotations

import math
from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import FIRST, cell, cells, rule

from stream_app.domain.alerts import (
    AlertState,
    Baseline,
    Change,
    FalseAlarms,
    Health,
    Observation,
    Reason,
    Rule,
    Side,
    State,
    Test,
    step,
    withdrawn,
)

SEGMENT = {"plan": "pro"}


def run(rule_: Rule, some: list[Observation], state: AlertState | None = None) -> tuple[AlertState, list[Change]]:
    changes, past = [], []
    for one in some:
        state, change = step(rule_, state, one, past, segment=SEGMENT)
        if one.group >= rule_.min_group:
            past.append(one)
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
    assert (fired.value, fired.threshold, fired.group, fired.count) == (0.29, 0.30, 100, 29)
    assert (fired.cohort, fired.at, fired.began) == ("2024-10-05", "2024-10-13T00:00:00Z", "2024-10-05")
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
    assert (more[0].threshold, more[0].ends, more[0].began) == (0.33, changes[0].id, "2024-10-04")
    assert state.state is State.RESOLVED
    assert state.fired is None


def test_a_resolved_alert_stays_resolved_until_the_next_breach():
    state, changes = run(rule(), cells(29, 40, 40, 40, 10))
    assert states(changes) == ["firing", "resolved", "firing"]
    assert len({c.id for c in changes}) == 3
    assert state.since == "2024-10-08"
    _, changes = run(rule(), cells(29, 40, 10))
    assert (changes[-1].began, changes[-1].users_at_risk, changes[-1].cohorts) == ("2024-10-06", 20, 1)


def test_above_fires_past_the_bound_and_counts_those_who_are_too_many():
    above = rule(side=Side.ABOVE, below=0.10, resolve=0.08)
    state, changes = run(above, cells(10, 15, 9))
    assert [(c.state.value, c.side, c.users_at_risk) for c in changes] == [("firing", "above", 5)]
    assert states(run(above, [cell(3, 8)], state)[1]) == ["resolved"]


def test_a_group_that_is_too_small_moves_nothing():
    some = [cell(0, 0, size=99), cell(1, 29), cell(2, 99, size=99), cell(3, 0, size=0)]
    state, changes = run(rule(), some)
    assert states(changes) == ["firing"]
    assert (state.state, state.reason, state.value, state.group) == (State.FIRING, Reason.GROUP_TOO_SMALL, None, 0)


def test_an_empty_group_is_skipped_whatever_the_minimum():
    state, changes = run(rule(min_group=0), [cell(0, 0, size=0)])
    assert changes == []
    assert state.reason is Reason.GROUP_TOO_SMALL


def test_a_cell_of_an_outage_moves_nothing():
    state, _ = run(rule(steps=2), cells(29))
    skipped, change = step(rule(steps=2), state, cell(1, 50), segment=SEGMENT, outage=True)
    assert change is None
    assert (skipped.reason, skipped.streak, skipped.state) == (Reason.STREAM_OUTAGE, 1, State.PENDING)
    assert states(run(rule(steps=2), [cell(2, 29)], skipped)[1]) == ["firing"]


def test_for_three_steps_is_pending_first_and_only_the_topic_hears_of_it():
    _, changes = run(rule(steps=3), cells(29, 29, 29))
    assert states(changes) == ["pending", "firing"]
    assert [c.to for c in changes] == [(), ("console",)]
    assert [c.began for c in changes] == ["2024-10-04", "2024-10-04"]
    assert changes[1].cohort == "2024-10-06"


def test_a_row_that_has_fired_counts_no_more_once_it_has_recovered():
    assert states(run(rule(steps=2), cells(29, 29, 40, 29))[1]) == ["pending", "firing", "resolved", "pending"]


def test_a_good_cell_breaks_the_row_and_a_small_group_does_not():
    small = cell(1, 0, size=5)
    assert states(run(rule(steps=2), [cell(0, 29), small, cell(2, 29)])[1]) == ["pending", "firing"]
    assert states(run(rule(steps=2), cells(29, 30, 29))[1]) == ["pending", "inactive", "pending"]


def test_a_cell_is_judged_once_and_in_order():
    state, changes = run(rule(), [cell(5, 29)])
    for late in (cell(5, 90), cell(4, 90), cell(0, 90)):
        assert step(rule(), state, late, segment=SEGMENT) == (state, None)
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
    "other",
    [
        {"name": "x"}, {"index": 6}, {"definition": "repurchase"}, {"measure": "churn_rate"}, {"figure": "churn"},
        {"parameters": (("windows", "24h"),)},
    ],
    ids=lambda o: next(iter(o)),
)  # fmt: skip
def test_ids_are_deterministic_and_differ_by_what_is_told(other: dict):
    first = run(rule(), cells(29))[1][0]
    assert first.id == run(rule(), cells(29))[1][0].id
    assert first.id == run(rule(), cells(10))[1][0].id, "a corrected figure is the same alert"
    assert first.id != run(rule(**other), cells(29))[1][0].id
    _, there = step(rule(), None, cell(0, 29), segment={"plan": "free"})
    assert there is not None
    assert there.id != first.id


def test_ids_of_a_plain_rule_are_those_of_version_0_5():
    _, changes = run(rule(), cells(29, 33))
    assert [c.id for c in changes] == ["1c368f88b684a5d735770c9a14e27ed5", "f6dbd577b4ddc55d5e1b3eedeac6d1d3"]
    _, changes = run(rule(steps=2), cells(29, 40))
    assert [c.id for c in changes] == ["fe5173850f663c7f4a30f700d613a7ab", "33c3bcee080c1851c3377b542e28066a"]


def test_a_line_of_the_topic_has_the_agreed_keys():
    line = run(rule(), cells(29))[1][0].to_json()
    agreed = {"id", "rule", "segment", "state", "at", "definition", "grain", "index", "cohort"}
    agreed |= {"value", "threshold", "group", "reason", "to", "began"}
    assert agreed <= set(line)
    assert (line["state"], line["grain"], line["to"], line["segment"]) == ("firing", "day", ["console"], SEGMENT)
    assert Change.from_json(orjson.loads(orjson.dumps(line | {"added_later": 1}))) == run(rule(), cells(29))[1][0]


class TestWhatAChangeTells:
    def test_the_users_that_are_missing_since_the_drop_began_and_for_how_many_cohorts(self):
        _, changes = run(rule(steps=3), cells(40, 20, 25, 10))
        fired = changes[-1]
        assert (fired.state, fired.began) == (State.FIRING, "2024-10-05")
        assert (fired.users_at_risk, fired.cohorts) == (10 + 5 + 20, 3)

    def test_at_the_end_the_users_that_were_missing_in_all(self):
        _, changes = run(rule(), cells(20, 25, 40))
        assert [(c.users_at_risk, c.cohorts) for c in changes] == [(10, 1), (15, 2)]
        _, changes = run(rule(), cells(29, 32, 32, 40))
        assert [(c.users_at_risk, c.cohorts) for c in changes] == [(1, 1), (0, 3)], "none on balance"

    def test_the_interval_by_wilson(self):
        fired = run(rule(), cells(29))[1][0]
        assert (fired.low, fired.high) == (pytest.approx(0.21015, abs=1e-5), pytest.approx(0.38539, abs=1e-5))

    def test_a_value_has_neither_interval_nor_users_at_risk(self):
        aov = replace(cell(0, 0), count=None, value=12.5)
        fired = run(rule(figure="value", measure="aov", below=20.0, resolve=20.0), [aov])[1][0]
        assert (fired.value, fired.low, fired.high, fired.count, fired.users_at_risk) == (12.5, None, None, None, None)

    def test_what_a_relative_rule_compared_with(self):
        relative = rule(below=math.nan, resolve=math.nan, drop=0.2, baseline=Baseline(last=2))
        state, changes = run(relative, cells(40, 40, 31))
        assert states(changes) == ["firing"]
        assert (changes[0].baseline, changes[0].threshold) == (pytest.approx(0.4), pytest.approx(0.32))
        _, resolved = step(relative, state, cell(3, 33), cells(40, 40, 31), segment=SEGMENT)
        assert resolved is not None
        assert (resolved.state, resolved.threshold) == (State.RESOLVED, pytest.approx(0.32))


class TestNoData:
    def test_is_told_after_so_many_closed_periods_and_leaves_the_state_as_it_is(self):
        some = [cell(0, 29), *(cell(i, 0, size=0) for i in (1, 2, 3, 4))]
        state, changes = run(rule(no_data=3), some)
        assert states(changes) == ["firing", "firing"]
        lost = changes[1]
        assert (lost.reason, lost.health, lost.cohort, lost.cohorts) == (
            Reason.NO_DATA,
            Health.NO_DATA,
            "2024-10-07",
            3,
        )
        assert (lost.value, lost.to, lost.began) == (None, ("console",), "2024-10-04")
        assert (state.state, state.health, state.missing) == (State.FIRING, Health.NO_DATA, 4)

    def test_is_not_told_if_it_is_shorter(self):
        assert run(rule(no_data=3), [cell(0, 0, size=5), cell(1, 0, size=5), cell(2, 40)])[1] == []

    def test_can_be_turned_off(self):
        assert run(rule(no_data=0), [cell(i, 0, size=5) for i in range(30)])[1] == []

    def test_of_every_value_is_for_the_topic_alone(self):
        some = [cell(i, 0, size=5) for i in range(3)]
        (lost,) = run(rule(segment=("plan", "*")), some)[1]
        assert (lost.reason, lost.to) == (Reason.NO_DATA, ())

    def test_is_over_with_the_next_group_that_is_large_enough(self):
        state, _ = run(rule(), [cell(i, 0, size=5) for i in range(3)])
        state, (back,) = run(rule(), [cell(3, 40)], state)
        assert (back.reason, back.health, back.state, back.value) == (
            Reason.DATA_BACK, Health.OK, State.INACTIVE, 0.4,
        )  # fmt: skip
        assert back.to == ("console",)
        assert (state.health, state.missing, state.trouble) == (Health.OK, 0, None)

    def test_a_firing_says_by_itself_that_there_is_data_again(self):
        state, _ = run(rule(), [cell(i, 0, size=5) for i in range(3)])
        state, changes = run(rule(), [cell(3, 20)], state)
        assert [(c.state, c.reason, c.health) for c in changes] == [(State.FIRING, Reason.BELOW, Health.OK)]
        assert state.health is Health.OK

    def test_a_pending_one_is_told_since_there_is_data_again(self):
        state, _ = run(rule(steps=2), [cell(i, 0, size=5) for i in range(3)])
        _, (change,) = run(rule(steps=2), [cell(3, 20)], state)
        assert (change.state, change.reason, change.to) == (State.PENDING, Reason.DATA_BACK, ("console",))

    def test_is_withdrawn_with_its_rule(self):
        state, (lost,) = run(rule(), [cell(i, 0, size=5) for i in range(3)])
        ended, change = withdrawn(state, Reason.RULE_REMOVED)
        assert change is not None
        assert (change.state, change.health, change.reason, change.to) == (
            State.INACTIVE, Health.OK, Reason.RULE_REMOVED, lost.to,
        )  # fmt: skip
        assert change.id != lost.id
        assert (ended.health, ended.trouble) == (Health.OK, None)

    def test_comes_where_what_is_compared_with_has_none(self):
        relative = rule(below=math.nan, resolve=math.nan, drop=0.2, baseline=Baseline(segment=("plan", "free")))
        state, changes = run(relative, cells(40, 40, 40))
        assert [c.reason for c in changes] == [Reason.NO_DATA]
        assert state.reason is Reason.GROUP_TOO_SMALL


class TestFlapping:
    FLAPS = cells(29, 40, 29, 40, 29)

    def test_from_the_third_firing_on_it_stays_firing(self):
        state, changes = run(rule(flapping=(3, 20)), self.FLAPS)
        assert [(c.state.value, c.flapping) for c in changes] == [
            ("firing", False), ("resolved", False), ("firing", False), ("resolved", False), ("firing", True),
        ]  # fmt: skip
        state, changes = run(rule(flapping=(3, 20)), [cell(i, 40) for i in range(5, 9)], state)
        assert changes == []
        assert (state.state, state.reason, state.good) == (State.FIRING, Reason.FLAPPING, 4)

    def test_until_a_quarter_of_the_span_is_good_in_a_row(self):
        state, _ = run(rule(flapping=(3, 20)), self.FLAPS)
        some = [*(cell(i, 40) for i in range(5, 9)), cell(9, 32), *(cell(i, 40) for i in range(10, 15))]
        state, (resolved,) = run(rule(flapping=(3, 20)), some, state)
        assert (resolved.state, resolved.cohort) == (State.RESOLVED, some[-1].start)

    def test_is_counted_in_judged_cells(self):
        apart = [cell(0, 29), cell(1, 40), cell(2, 29), *(cell(i, 40) for i in range(3, 10)), cell(10, 29)]
        assert [c.flapping for c in run(rule(flapping=(3, 10)), apart)[1]][-1] is False, "more than ten cells"
        skipped = [replace(one, group=5) if 4 <= one.cohort - FIRST < 9 else one for one in apart]
        assert [c.flapping for c in run(rule(flapping=(3, 10), no_data=0), skipped)[1]][-1] is True


class TestASequentialRule:
    RULE = rule(
        resolve=math.nan, test=Test.SEQUENTIAL, false_alarms=FalseAlarms(1.0, 365.25, "1 per year"), overdispersion=0.0
    )

    def test_fires_on_evidence_and_tells_when_the_drop_began(self):
        state, changes = run(self.RULE, cells(31, 30, 32, *[200 // 10] * 12, size=100))
        assert states(changes) == ["firing"]
        fired = changes[0]
        assert (fired.test, fired.promise, fired.threshold) == ("sequential", "1 per year", 0.30)
        assert fired.evidence is not None
        assert fired.evidence >= math.log10(365)
        assert fired.began == cell(3, 0).start
        judged = (FIRST + 15) - (FIRST + 3)
        assert fired.cohorts <= judged
        assert fired.users_at_risk == 10 * fired.cohorts
        assert state.shortfall == pytest.approx(10 * judged)

    def test_recovers_on_evidence_and_then_begins_anew(self):
        state, _ = run(self.RULE, cells(*[20] * 15, size=100))
        assert state.state is State.FIRING
        state, changes = run(self.RULE, [cell(15 + i, 30) for i in range(20)], state)
        assert states(changes) == ["resolved"]
        assert (changes[0].began, changes[0].threshold) == (cell(0, 0).start, 0.30)
        assert state.state is State.RESOLVED

    def test_that_flaps_is_calm_after_good_cells_and_not_after_evidence_for_each(self):
        flaps = [one for _ in range(3) for one in (*[10] * 6, *[45] * 3)]
        state, changes = run(replace(self.RULE, flapping=(3, 40)), cells(*flaps))
        assert states(changes) == ["firing", "resolved", "firing", "resolved", "firing"]
        assert state.reason is Reason.FLAPPING
        held = state.good
        # A single cell below the bound is chance, not a drop.
        some = [cell(27 + i, 31 if i else 22) for i in range(10 - held)]
        state, changes = run(replace(self.RULE, flapping=(3, 40)), some, state)
        assert states(changes) == ["resolved"]


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
            state, change = step(r, stored, one, segment=SEGMENT)
            changes += [change] if change is not None else []
    if some:
        assert (state, changes) == run(r, some)
    assert len({c.id for c in changes}) == len(changes)
    told = [c.state for c in changes if c.to and c.reason not in (Reason.NO_DATA, Reason.DATA_BACK)]
    assert told == [State.FIRING, State.RESOLVED] * (len(told) // 2) + [State.FIRING] * (len(told) % 2)
