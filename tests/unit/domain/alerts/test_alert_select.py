from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import FIRST, rule, snapshot

from stream_app.domain.alerts import AlertState, Change, Reason, State, alert_key, evaluate, frontier, selected
from stream_app.domain.periods import DAY_MS

GOOD, BAD = (100, 40), (100, 20)
ALL: tuple[str, ...] = ()
PRO, FREE = ("plan", "pro"), ("plan", "free")


def apply(rules, snap, states, **options) -> list[Change]:
    changes = []
    for key, state, change in evaluate(rules, snap, states, **options):
        states[key] = state
        changes += [change] if change is not None else []
    return changes


def told(changes: list[Change]) -> list[str]:
    return [f"{c.segment.get('plan', 'all')} {c.state.value} {c.cohort[-2:]}" for c in changes]


def test_segments_absent_one_value_and_every_value():
    snap = snapshot({ALL: [GOOD], PRO: [GOOD], FREE: [GOOD], ("plan", "(none)"): [GOOD]})
    assert selected(rule(), snap) == [()]
    assert selected(rule(segment=("plan", "pro")), snap) == [PRO]
    assert set(selected(rule(segment=("plan", "*")), snap)) == {PRO, FREE, ("plan", "(none)")}
    assert selected(rule(segment=("plan", "gone")), snap) == [("plan", "gone")]


def test_every_value_has_a_state_of_its_own():
    states: dict[str, AlertState] = {}
    snap = snapshot({PRO: [GOOD, BAD], FREE: [BAD, GOOD]})
    changes = apply([rule(segment=("plan", "*"))], snap, states)
    assert told(changes) == ["free firing 04", "free resolved 05", "pro firing 05"]
    assert states[alert_key("pro-day-7", {"plan": "pro"})].state is State.FIRING


def test_open_cells_are_not_judged():
    assert evaluate([rule()], snapshot({ALL: [BAD]}, closed=0), {}) == []


def test_nothing_read_yet_gives_no_step():
    snap = snapshot({ALL: [BAD]})
    assert evaluate([rule()], replace(snap, watermark=None, last_event=None), {}) == []
    assert frontier([rule()], replace(snap, watermark=None)) == (None,)
    assert frontier([rule()], snap) == (FIRST + 7,)


def test_a_segment_without_data_gives_no_step():
    assert evaluate([rule(segment=("plan", "gone"))], snapshot({ALL: [BAD]}), {}) == []


@given(st.lists(st.sampled_from([GOOD, BAD, (5, 0), (0, 0)]), min_size=1, max_size=12), st.data())
def test_however_the_periods_close_the_changes_are_the_same(curve, data):
    rules = [rule(steps=2), rule(name="b", segment=("plan", "*"))]
    curves = {ALL: curve, PRO: list(reversed(curve))}
    whole = apply(rules, snapshot(curves), {})
    states: dict[str, AlertState] = {}
    parts = []
    for closed in sorted(data.draw(st.sets(st.integers(0, len(curve)))) | {len(curve)}):
        parts += apply(rules, snapshot(curves, closed=closed), states)
        assert evaluate(rules, snapshot(curves, closed=closed), states) == [], "judged once"
    assert sorted(c.id for c in parts) == sorted(c.id for c in whole)
    assert [c.at for c in whole] == sorted(c.at for c in whole)


def test_a_crash_before_storing_gives_the_same_changes_again():
    snap = snapshot({ALL: [GOOD, BAD, GOOD]})
    first = evaluate([rule()], snap, {})
    assert evaluate([rule()], snap, {}) == first
    partly = {first[0].key: first[0].state}
    assert evaluate([rule()], snap, partly) == first[1:]


class TestARuleThatChanged:
    def test_goes_on_firing_without_a_word(self):
        states: dict[str, AlertState] = {}
        (fired,) = apply([rule()], snapshot({ALL: [GOOD, BAD, BAD]}), states)
        stricter = rule(below=0.25, resolve=0.25)
        assert apply([stricter], snapshot({ALL: [GOOD, BAD, BAD]}), states) == []
        (resolved,) = apply([stricter], snapshot({ALL: [GOOD, BAD, BAD, GOOD]}), states)
        assert (resolved.state, resolved.began) == (State.RESOLVED, fired.id)

    def test_is_withdrawn_where_it_fires_no_more(self):
        states: dict[str, AlertState] = {}
        (fired,) = apply([rule(to=("slack:#a",))], snapshot({ALL: [BAD]}), states)
        (change,) = apply([rule(below=0.1, resolve=0.1)], snapshot({ALL: [BAD]}), states)
        assert (change.state, change.reason) == (State.INACTIVE, Reason.RULE_CHANGED)
        assert (change.began, change.to) == (fired.id, ("slack:#a",)), "those who were told are told"
        assert change.id != fired.id
        assert next(iter(states.values())).state is State.INACTIVE

    def test_tells_of_its_history_only_what_it_comes_to(self):
        states: dict[str, AlertState] = {}
        curve = [GOOD, (100, 31), GOOD, (100, 31)]
        assert apply([rule()], snapshot({ALL: curve}), states) == []
        (change,) = apply([rule(below=0.35, resolve=0.35)], snapshot({ALL: curve}), states)
        assert (change.state, change.cohort) == (State.FIRING, "2024-10-07")

    def test_of_another_figure_ends_the_old_alert_and_begins_a_new_one(self):
        states: dict[str, AlertState] = {}
        snap = snapshot({ALL: [BAD, BAD]})
        (old,) = apply([rule()], snap, states)
        steps = evaluate([rule(index=6)], snap, states)
        assert [s.change.state for s in steps if s.change] == [State.INACTIVE, State.FIRING]
        interrupted = states | {steps[0].key: steps[0].state}
        assert evaluate([rule(index=6)], snap, interrupted)[0].change == steps[1].change, (
            "a crash between loses nothing"
        )
        assert old.id not in {s.change.id for s in steps if s.change}


class TestARuleThatWasRemoved:
    def test_is_withdrawn_once(self):
        states: dict[str, AlertState] = {}
        snap = snapshot({ALL: [BAD], PRO: [BAD]})
        apply([rule(), rule(name="quiet", below=0.1, resolve=0.1)], snap, states)
        (change,) = apply([], snap, states)
        assert (change.rule, change.reason) == ("pro-day-7", Reason.RULE_REMOVED)
        assert apply([], snap, states) == []

    def test_is_told_again_when_it_is_put_back(self):
        states: dict[str, AlertState] = {}
        snap = snapshot({ALL: [BAD, GOOD, BAD]})
        before = apply([rule()], snap, states)
        apply([], snap, states)
        (again,) = apply([rule()], snap, states)
        assert again.state is State.FIRING
        assert again.id not in {c.id for c in before}, "else it would be taken for what was sent already"

    def test_so_is_a_segment_it_no_longer_watches(self):
        states: dict[str, AlertState] = {}
        snap = snapshot({PRO: [BAD], FREE: [BAD]})
        apply([rule(segment=("plan", "*"))], snap, states)
        (change,) = apply([rule(segment=("plan", "pro"))], snap, states)
        assert (change.segment, change.state) == ({"plan": "free"}, State.INACTIVE)


class TestARuleNewToAnOldService:
    @pytest.mark.parametrize(("curve", "expected"), [([BAD, GOOD, BAD], ["all firing 06"]), ([BAD, GOOD], [])])
    def test_tells_only_what_is_so_now(self, curve, expected):
        snap = snapshot({ALL: curve})
        assert told(apply([rule()], snap, {}, quiet_until={"pro-day-7": snap.watermark})) == expected

    def test_judges_what_closes_from_then_on(self):
        states: dict[str, AlertState] = {}
        curve = [BAD, GOOD, BAD, GOOD]
        quiet = {"pro-day-7": (FIRST + 7 + 2) * DAY_MS}
        assert told(apply([rule()], snapshot({ALL: curve}, closed=2), states, quiet_until=quiet)) == []
        changes = apply([rule()], snapshot({ALL: curve}), states, quiet_until=quiet)
        assert told(changes) == ["all firing 06", "all resolved 07"]
