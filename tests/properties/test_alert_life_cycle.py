"""What becomes of alerts does not depend on when they are judged, how often, or what is stored in between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import orjson
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import CALENDAR, FIRST, apply, closing, course, rule

from stream_app.domain.alerts import (
    AlertState,
    Baseline,
    FalseAlarms,
    Flow,
    Flows,
    Health,
    Outage,
    Quality,
    Reason,
    Side,
    State,
    Test,
    evaluate,
    outages,
    stream_steps,
)
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Change, Rule

ALL: tuple[str, ...] = ()
PRO, FREE = ("plan", "pro"), ("plan", "free")
NAN = math.nan
BUDGET = FalseAlarms(4.0, 30.0, "4 per 30d")
RULES = (
    rule(name="plain"),
    rule(name="for-two", steps=2, flapping=(2, 8), no_data=2),
    rule(name="above", side=Side.ABOVE, below=0.4, resolve=0.35, segment=PRO),
    rule(name="each", segment=("plan", "*"), no_data=1),
    rule(name="relative", below=NAN, resolve=NAN, drop=0.2, baseline=Baseline(last=4), segment=("plan", "*")),
    rule(name="beside", below=NAN, resolve=NAN, drop=0.2, baseline=Baseline(segment=FREE), segment=PRO),
    rule(name="known-rho", resolve=NAN, test=Test.SEQUENTIAL, false_alarms=BUDGET, overdispersion=0.001),
    rule(
        name="own-rho", resolve=NAN, test=Test.SEQUENTIAL, false_alarms=BUDGET, segment=("plan", "*"), flapping=(2, 30)
    ),
)
#: Group and counts that take turns.
KINDS: dict[str, list[tuple[int, int] | None]] = {
    "good": [(200, 74), (200, 69), (220, 80)],
    "edge": [(200, 60), (200, 61), (200, 59), (200, 66)],
    "bad": [(200, 44), (180, 30), (200, 41)],
    "small": [(40, 0), (99, 60)],
    "none": [None],
}
SOME = st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 12)), min_size=1, max_size=9)


def curve(runs: list[tuple[str, int]]) -> list[tuple[int, int] | None]:
    return [KINDS[kind][i % len(KINDS[kind])] for kind, length in runs for i in range(length)]


def known(outages_: Sequence[Outage], closed: int) -> list[Outage]:
    """Those that the first so many closings tell of."""
    return [one for one in outages_ if closed and one.ends <= closing(closed - 1).closed_at]


def through_json(states: dict[str, AlertState]) -> dict[str, AlertState]:
    return {key: AlertState.from_json(orjson.loads(orjson.dumps(s.to_json()))) for key, s in states.items()}


@given(everybody=SOME, pro=SOME, free=SOME, data=st.data())
def test_however_the_periods_close_the_changes_are_the_same(everybody: Any, pro: Any, free: Any, data: Any) -> None:
    curves = {ALL: curve(everybody), PRO: curve(pro), FREE: curve(free)}
    length = max(len(one) for one in curves.values())
    low = data.draw(st.sets(st.integers(0, length), max_size=4))
    of_stream = [Outage(closing(i).since, closing(i).closed_at, 0.2, 1000.0, 200) for i in sorted(low)]
    rules = data.draw(st.lists(st.sampled_from(RULES), min_size=1, max_size=4, unique_by=lambda one: one.name))

    def seen(one: Rule, closed: int) -> Any:
        streams = curves if one.segment == ("plan", "*") else {one.segment or ALL: curves[one.segment or ALL]}
        streams = {series: values for series, values in streams.items() if bool(series) is bool(one.segment)}
        return course(streams, closed=closed, baselines={FREE: curves[FREE]} if one.name == "beside" else None)

    whole = apply(rules, {one.name: seen(one, length) for one in rules}, {}, outages=known(of_stream, length))
    states: dict[str, AlertState] = {}
    parts: list[Change] = []
    for closed in sorted(data.draw(st.sets(st.integers(0, length), max_size=20)) | {length}):
        courses = {one.name: seen(one, closed) for one in rules}
        states = through_json(states)
        parts += apply(rules, courses, states, outages=known(of_stream, closed))
        assert evaluate(rules, courses, states, outages=known(of_stream, closed)) == [], "judged once"
    assert parts == whole
    assert [c.at for c in whole] == sorted(c.at for c in whole)
    assert len({c.id for c in whole}) == len(whole)
    assert_sound(whole, {one.name: one for one in rules})


def assert_sound(changes: list[Change], rules: dict[str, Rule]) -> None:
    """Each alert's changes follow each other as they may."""
    state: dict[tuple[str, str], State] = {}
    health: dict[tuple[str, str], Health] = {}
    fired: dict[tuple[str, str], str] = {}
    for change in changes:
        key = change.rule, str(change.segment)
        before = state.get(key, State.INACTIVE)
        if change.reason is Reason.NO_DATA:
            assert (change.state, health.get(key, Health.OK)) == (before, Health.OK)
        elif change.reason is Reason.DATA_BACK:
            assert health[key] is Health.NO_DATA
            assert change.state is before or not (
                before is State.FIRING or change.state in (State.FIRING, State.RESOLVED)
            )
        else:
            allowed = {
                State.PENDING: (State.INACTIVE, State.RESOLVED),
                State.FIRING: (State.INACTIVE, State.RESOLVED, State.PENDING),
                State.RESOLVED: (State.FIRING,),
                State.INACTIVE: (State.PENDING,),
            }
            assert before in allowed[change.state]
            assert change.ends == (fired.pop(key) if change.state is State.RESOLVED else None)
            if change.state is State.FIRING:
                fired[key] = change.id
        if change.reason in (Reason.BELOW, Reason.RECOVERED):
            assert change.to == rules[change.rule].to
            assert change.began is not None
            assert change.began <= change.cohort
            assert change.users_at_risk is None or change.users_at_risk >= 0
        state[key], health[key] = change.state, change.health


@given(st.lists(st.sampled_from([1000, 990, 1040, 300, 10, 0]), max_size=90), st.sets(st.integers(0, 90), max_size=12))
def test_outages_of_days_are_told_the_same_whenever_they_are_looked_at(users: list[int], looks: set[int]) -> None:
    volumes = [(FIRST + i, seen) for i, seen in enumerate(users)]
    whole = outages(volumes, CALENDAR, 0.5)
    states: dict[str, AlertState] = {}
    changes = []
    for closed in sorted({look for look in looks if look <= len(users)} | {len(users)}):
        found = outages(volumes[:closed], CALENDAR, 0.5)
        end = CALENDAR.start(Grain.DAY, FIRST + closed)
        assert found == [one for one in whole if one.ends <= end]
        states = through_json(states)
        for key, state, change in steps(volumes[:closed], found, states):
            states[key] = state
            changes += [change] if change is not None else []
        assert steps(volumes[:closed], found, states) == []
    assert changes == [one.change for one in steps(volumes, whole, {}) if one.change is not None]
    assert [c.state for c in changes] == [State.FIRING, State.RESOLVED] * (len(changes) // 2) + [State.FIRING] * (
        len(changes) % 2
    )


def steps(volumes: Any, found: Any, states: Any) -> Any:
    return stream_steps(
        Quality(), ("console",), calendar=CALENDAR, flows=Flows(Flow(volumes, found)), watermark=None, moved_at=None,
        now=None, states=states,
    )  # fmt: skip


DAYS = st.lists(st.tuples(*[st.sampled_from([1000, 1000, 990, 300, 10])] * 2), min_size=30, max_size=90)


@given(DAYS, st.sets(st.integers(0, 90), max_size=12))
def test_outages_of_a_kind_are_told_the_same_whenever_they_are_looked_at(users: Any, looks: set[int]) -> None:
    def changes(closings: Sequence[int]) -> list[Change]:
        states: dict[str, AlertState] = {}
        found = []
        for closed in closings:
            every, kind = (
                Flow.of([(FIRST + i, seen[of]) for i, seen in enumerate(users[:closed])], CALENDAR, 0.5)
                for of in (0, 1)
            )
            for key, state, change in stream_steps(
                Quality(), ("console",), calendar=CALENDAR, flows=Flows(every, {"repurchase": kind}), watermark=None,
                moved_at=None, now=None, states=through_json(states),
            ):  # fmt: skip
                states[key] = state
                found += [change] if change is not None and change.segment else []
        return found

    whole = changes([len(users)])
    assert changes([*sorted(look for look in looks if look < len(users)), len(users)]) == whole
    overall = {one.begins for one in outages([(FIRST + i, seen[0]) for i, seen in enumerate(users)], CALENDAR, 0.5)}
    firings = {change.cohort for change in whole if change.state is State.FIRING}
    assert not firings & {CALENDAR.start_date(Grain.DAY, CALENDAR.day(begins)) for begins in overall}
