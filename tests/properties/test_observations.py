"""What rules are given to judge: final once it closes, and the same from counters as from a census."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from oracle import answer as expected_answer
from properties.histories import DEFINITIONS, Past, cases, pasts
from properties.sides import DIMENSIONS, Tables, answered, listed, shared_out
from properties.streams import arrivals
from support.counting import merge

from stream_app.domain.alerts import counted_by, from_answer, from_snapshot, load_rules, query_of
from stream_app.domain.alerts.measures import MEASURES
from stream_app.domain.alerts.readings import ordinal
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.churn import first_known
from stream_app.domain.metrics.query import GRAINS
from stream_app.domain.periods import KEPT, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Course, Rule

HOUR = 3_600_000
#: Each figure, and what retention can be besides.
FORMS: list[tuple[str, dict[str, Any]]] = [
    *((figure, {}) for figure in MEASURES),
    ("retention", {"cohorts": "recurring"}),
    ("retention", {"kind": "bracket", "brackets": [1, 2, 1, 3]}),
    ("retention", {"windows": "24h"}),
    ("retention", {"windows": "24h", "kind": "bracket", "brackets": [2, 1, 1, 3]}),
]
SEGMENTS = ({}, {"segment": {"plan": "*"}}, {"segment": {"plan": "a"}}, {"segment": {"plan": "(other)"}})


@st.composite
def rules(draw: st.DrawFn, past: Past, figure: str, form: dict[str, Any], *, counted: bool = False) -> Rule:
    """A rule on any measure of a figure, read from its file; `counted`: by what the counters hold."""
    measure = draw(st.sampled_from(list(MEASURES[figure])))
    definitions = [one for one in DEFINITIONS if one.counted or not counted]
    grains = list(GRAINS[figure])
    if counted:
        grains = [Grain.DAY] if figure == "churn" else list(KEPT)
    if "windows" in form:
        grains, definitions = list(KEPT), [one for one in definitions if one.min_active == 1]
    definition, grain = draw(st.sampled_from(definitions)), draw(st.sampled_from(grains))
    if definition.min_active > 1 and grain is Grain.HOUR:
        grain = Grain.DAY
    given = {"name": "r", "figure": figure, "measure": measure, "definition": definition.name, "grain": grain.value}
    given |= form
    if MEASURES[figure][measure].rows == "cohorts":
        given["index"] = draw(st.integers(1, 4))
    if figure in ("churn", "crr", "stickiness") and not counted:
        given["window"] = draw(st.sampled_from((1, 2, 3, 7, 30)))
    given |= draw(st.sampled_from(SEGMENTS))
    if "segment" in given and draw(st.booleans()):
        given |= {"drop": "10%", "baseline": {"plan": "b"}}
    else:
        given["below"] = 0.5
    note(str(given))
    (rule,) = load_rules(
        json.dumps({"rules": [given]}), source="made", definitions=DEFINITIONS, dimensions=DIMENSIONS,
        calendar=past.calendar,
    ).rules  # fmt: skip
    return rule


def asked_of(past: Past, rule: Rule, watermark: int | None, last_event: int | None) -> Asked:
    query = query_of(rule, definitions=DEFINITIONS, dimensions=DIMENSIONS, calendar=past.calendar)
    return Asked(query, past.calendar, watermark, last_event)


def of_file(past: Past, rule: Rule, watermark: int, events: Sequence[dict[str, Any]]) -> Course:
    last = max((event["time"] for event in events), default=None)
    answer = listed(asked_of(past, rule, watermark, last), events, 1, 4)
    return from_answer(rule, answer, past.calendar, watermark)


def each_with_its_own_order(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without later forms of an order: they change periods that have closed, which is what they are for."""
    return [{name: value for name, value in event.items() if name != "order_id"} for event in events]


@pytest.mark.parametrize(("figure", "form"), FORMS, ids=lambda v: v if isinstance(v, str) else "".join(v))
@given(data=st.data())
def test_what_has_closed_is_final_and_all_of_it_is_there(data: Any, figure: str, form: dict[str, Any]) -> None:
    past = data.draw(pasts(reaches=(2, 10, 40, 100)))
    rule = data.draw(rules(past, figure, form))
    events = each_with_its_own_order(past.events)
    later = past.near[0] + 300 * 24 * HOUR
    after = of_file(past, rule, later, events)
    assert_well_made(after, rule, later)
    for earlier in data.draw(st.lists(st.sampled_from(edges(after) or past.near), min_size=1, max_size=4, unique=True)):
        before = of_file(past, rule, earlier, [event for event in events if event["time"] < earlier])
        assert_well_made(before, rule, earlier)
        for streams, grown in ((before.streams, after.streams), (before.baselines, after.baselines)):
            assert streams.keys() <= grown.keys()
            for series, observations in grown.items():
                assert list(streams.get(series, ())) == [one for one in observations if one.closed_at <= earlier]
        assert before.closings == {n: one for n, one in after.closings.items() if one.closed_at <= earlier}


def edges(course: Course) -> list[int]:
    """The instants at which cells closed, and those just before."""
    closed = {one.closed_at for seen in (*course.streams.values(), *course.baselines.values()) for one in seen}
    return sorted(at - off for at in closed for off in (0, 1))


def assert_well_made(course: Course, rule: Rule, watermark: int) -> None:
    assert course.last_closed is not None
    assert course.closed_at is not None
    assert course.closed_at <= watermark
    for observations in (*course.streams.values(), *course.baselines.values()):
        for one in observations:
            assert one.group > 0
            assert one.since < one.closed_at <= course.closed_at
            assert one.cohort <= course.last_closed
            assert (one.count is not None) is MEASURES[rule.figure][rule.measure].share
            if one.count is not None:
                assert 0 <= one.count <= one.group
                assert one.value == one.count / one.group
        assert [one.cohort for one in observations] == sorted({one.cohort for one in observations})
        assert [one.closed_at for one in observations] == sorted(one.closed_at for one in observations)


@given(data=st.data(), partitions=st.integers(1, 3))
def test_counters_give_the_course_that_a_census_gives(data: Any, partitions: int) -> None:
    past = data.draw(pasts(reaches=(2, 10, 40, 100, 420)))
    rule = data.draw(rules(past, data.draw(st.sampled_from(("retention", "churn"))), {}, counted=True))
    parts = [Tables(past, 0) for _ in range(partitions)]
    for number, part in enumerate(parts):
        part.number = number
        part.crash()  # begins again, with its number
    moments = [*past.near, *edges(of_file(past, rule, past.near[0] + 40 * 24 * HOUR, past.events))]
    seen: list[dict[str, Any]] = []
    for batch in data.draw(arrivals(past.events)):
        seen += batch
        for part, own in zip(parts, shared_out(batch, partitions), strict=True):
            part.take(own)
            part.commit()
        last = max((event["time"] for event in seen), default=None)
        watermark = data.draw(st.sampled_from(moments)) if seen else None
        snapshot = merge(parts, watermark=watermark, last_event=last)
        assert counted_by(rule, snapshot)
        found = from_snapshot(rule, snapshot)
        answer = answered(asked_of(past, rule, watermark, last), [part.population() for part in parts])
        expected = from_answer(rule, answer, past.calendar, watermark)
        if rule.figure == "churn" and last is not None:
            window = snapshot.definition(rule.definition).inactivity_days
            expected = known_from(expected, first_known(snapshot, window))
            found = known_from(found, first_known(snapshot, window))
        assert found == expected


def known_from(course: Course, first: int) -> Course:
    """The course from a day on."""
    kept = {s: [one for one in observations if one.cohort >= first] for s, observations in course.streams.items()}
    based = {s: [one for one in observations if one.cohort >= first] for s, observations in course.baselines.items()}
    closings = {n: one for n, one in course.closings.items() if n >= first}
    return type(course)(kept, course.last_closed, course.closed_at, based, closings)


@given(data=st.data())
def test_the_start_of_a_row_gives_its_period_back(data: Any) -> None:
    past = data.draw(pasts())
    case = data.draw(cases(past, ("retention",)))
    calendar, grain = past.calendar, Grain(case.given["grain"])
    answer = expected_answer(past.events, past.clock, case.question)
    for segment in answer["segments"]:
        for row in segment["cohorts"]:
            period = ordinal(calendar, grain, row["start"])
            assert calendar.start_date(grain, period) == row["start"]
