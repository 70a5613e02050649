"""What rules are given to judge, by small answers and counters made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.alerts import FIRST, rule, snapshot
from support.answers import answer
from support.figures import FIRST_DAY, product

from stream_app.domain.alerts import Baseline, Rule, counted_by, from_answer, from_snapshot, frontier, query_of
from stream_app.domain.alerts.closings import Closings
from stream_app.domain.alerts.measures import MEASURES
from stream_app.domain.alerts.rule import EVERYBODY
from stream_app.domain.errors import QueryError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition, rfc3339
from stream_app.domain.metrics.query import Query
from stream_app.domain.periods import Calendar, Grain

UTC = Calendar()
APRIL = UTC.start(Grain.MONTH, 27 * 12 + 3)  # 1997-04-01
JANUARY, FEBRUARY = 27 * 12, 27 * 12 + 1
WON = Definition("won", "visit", "purchase")


def of(figure: str, measure: str, index: int = 0, **changes: Any) -> Rule:
    grain = Grain.DAY if figure in ("churn", "stickiness") else Grain.MONTH
    given = {"figure": figure, "measure": measure, "index": index, "grain": grain, "definition": "repurchase"}
    return rule(**(given | changes))


#: By figure and measure: the index, and of the latest row of the answers in `support.answers` that can be judged its
#: start, group, numerator and value.
EXPECTED: dict[tuple[str, str], tuple[int, str, int, int | None, float]] = {
    ("retention", "rate"): (1, "1997-02-01", 9, 9, 1.0),
    ("churn", "rate"): (0, "1997-01-02", 1200, 300, 0.25),
    ("lifecycle", "returning_rate"): (0, "1997-02-01", 5, 3, 0.6),
    ("lifecycle", "dormant_rate"): (0, "1997-02-01", 5, 2, 0.4),
    ("lifecycle", "new_share"): (0, "1997-02-01", 4, 1, 0.25),
    ("lifecycle", "resurrected_share"): (0, "1997-02-01", 4, 0, 0.0),
    ("lifecycle", "quick_ratio"): (0, "1997-02-01", 2, None, 0.5),
    ("lifecycle", "active"): (0, "1997-02-01", 5, None, 4.0),
    ("lifecycle", "new"): (0, "1997-02-01", 5, None, 1.0),
    ("crr", "kept_rate"): (0, "1997-02-01", 200, 140, 0.7),
    ("crr", "churn_rate"): (0, "1997-02-01", 200, 60, 0.3),
    ("crr", "crr"): (0, "1997-02-01", 200, None, 0.75),
    ("stickiness", "stickiness"): (0, "1997-01-02", 4, 1, 0.25),
    ("value", "aov"): (0, "1997-02-01", 2, None, 16728.0),
    ("value", "frequency"): (0, "1997-02-01", 2, None, 1.0),
    ("value", "grr"): (0, "1997-02-01", 3, None, -500 / 90000),
    ("value", "nrr"): (0, "1997-02-01", 3, None, -500 / 90000),
    ("value", "revenue"): (0, "1997-02-01", 3, None, 33456.0),
    ("value", "orders"): (0, "1997-02-01", 3, None, 2.0),
    ("value", "customers"): (0, "1997-02-01", 3, None, 2.0),
    ("value", "ltv"): (1, "1997-01-01", 3, None, 31152.0),
    ("concentration", "activity_share"): (0, "1997-01-01", 11, None, 0.5),
    ("concentration", "revenue_share"): (0, "1997-01-01", 3, None, 0.6),
}


def test_every_measure_has_an_example():
    assert list(EXPECTED) == [(figure, name) for figure, measures in MEASURES.items() for name in measures]


@pytest.mark.parametrize(("figure", "measure"), EXPECTED)
def test_what_is_judged_of_a_row(figure: str, measure: str):
    index, start, group, count, value = EXPECTED[figure, measure]
    course = from_answer(of(figure, measure, index), answer(figure), UTC, APRIL)
    last = course.streams[()][-1]
    assert (last.start, last.group, last.count, last.value) == (start, group, count, pytest.approx(value))


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        (1, [("1997-01-01", 200, 50), ("1997-02-01", 9, 9)]),
        (2, [("1997-01-01", 200, 0)]),  # nobody came back: 0, where it is observed
        (3, []),
        (9, []),
    ],
)
def test_unobserved_cells_and_empty_cohorts_are_not_judged(index: int, expected: list[tuple[str, int, int]]):
    course = from_answer(of("retention", "rate", index), answer("retention"), UTC, APRIL)
    assert [(one.start, one.group, one.count) for one in course.streams[()]] == expected
    assert course.last_closed == JANUARY + 2 - index


def test_a_cell_says_when_what_it_judges_began_and_closed():
    course = from_answer(of("retention", "rate", 1), answer("retention"), UTC, APRIL)
    (january, february) = course.streams[()]
    assert (january.cohort, february.cohort) == (JANUARY, FEBRUARY)
    assert rfc3339(january.since) == "1997-02-01T00:00:00Z"
    assert rfc3339(january.closed_at) == "1997-03-01T00:00:00Z"
    assert course.closed_at == february.closed_at == APRIL
    assert {n: one.start for n, one in course.closings.items()} == {JANUARY: "1997-01-01", FEBRUARY: "1997-02-01"}


def test_before_any_event_there_is_nothing_to_judge():
    course = from_answer(of("retention", "rate", 1), answer("retention") | {"segments": []}, UTC, None)
    assert (course.streams, course.last_closed, course.closed_at, course.closings) == ({(): []}, None, None, {})


@pytest.mark.parametrize(
    ("segment", "baseline", "streams", "baselines"),
    [
        (None, None, [()], []),
        (("plan", "pro"), None, [("plan", "pro")], []),
        (("plan", "gone"), None, [("plan", "gone")], []),
        (("plan", "*"), None, [("plan", "free"), ("plan", "pro"), ("plan", "(other)")], []),
        (("plan", "*"), "free", [("plan", "pro"), ("plan", "(other)")], [("plan", "free")]),
        (("plan", "pro"), "gone", [("plan", "pro")], [("plan", "gone")]),
    ],
)
def test_which_segments_are_judged_and_which_compared_with(segment, baseline, streams, baselines):
    named = () if segment is None else ({"plan": "free"}, {"plan": "pro"}, {"plan": "(other)"})
    judged = of("retention", "rate", 1, segment=segment)
    if baseline is not None:
        judged = replace(judged, drop=0.1, baseline=Baseline(("plan", baseline)))
    course = from_answer(judged, answer("retention", *named), UTC, APRIL)
    assert list(course.streams) == streams
    assert list(course.baselines) == baselines
    for series, observations in {**course.streams, **course.baselines}.items():
        assert len(observations) == (0 if series and series[1] == "gone" else 2)


def test_all_users_can_be_what_is_compared_with():
    judged = of("retention", "rate", 1, segment=("plan", "*"))
    judged = replace(judged, drop=0.1, baseline=Baseline(EVERYBODY))
    course = from_answer(judged, answer("retention", {"plan": "free"}, {"plan": "pro"}), UTC, APRIL)
    assert list(course.streams) == [("plan", "free"), ("plan", "pro")]
    assert list(course.baselines) == [EVERYBODY]
    everybody, (free, _) = course.baselines[EVERYBODY], course.streams.values()
    assert [(all_.cohort, all_.group, all_.count, all_.value) for all_ in everybody] == [
        (cell.cohort, 2 * cell.group, 2 * (cell.count or 0), cell.value) for cell in free
    ]
    snap = snapshot({(): [(100, 30), (50, 20)], ("plan", "pro"): [(10, 3), (0, 0)]})
    course = from_snapshot(rule(segment=("plan", "*"), drop=0.1, baseline=Baseline(EVERYBODY)), snap)
    assert [(cell.group, cell.count) for cell in course.baselines[EVERYBODY]] == [(100, 30), (50, 20)]
    assert list(course.streams) == [("plan", "pro")]


def test_counters_give_the_cells_of_classic_retention():
    snap = snapshot({(): [(100, 30), (50, 20)], ("plan", "pro"): [(10, 3), (0, 0)], ("plan", "new"): [(0, 0), (0, 0)]})
    course = from_snapshot(rule(), snap)
    assert [(one.cohort, one.group, one.count) for one in course.streams[()]] == [(FIRST, 100, 30), (FIRST + 1, 50, 20)]
    course = from_snapshot(rule(segment=("plan", "*")), snap)
    assert {series: [one.count for one in seen] for series, seen in course.streams.items()} == {("plan", "pro"): [3]}
    assert from_snapshot(rule(segment=("plan", "new")), snap).streams == {("plan", "new"): []}
    open_still = from_snapshot(rule(), replace(snap, watermark=None))
    assert (open_still.streams, open_still.last_closed) == ({(): []}, None)


def test_counters_give_churn_by_day():
    snap = product()
    judged = rule(figure="churn", measure="rate", index=0, definition="engagement")
    course = from_snapshot(judged, snap)
    last = course.streams[()][-1]
    assert last.cohort == course.last_closed == FIRST_DAY + 38
    assert 0 < last.value == last.count / last.group < 1
    assert last.closed_at - last.since == 30 * 86_400_000  # who is churned is told by the days of the window


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        ({}, True),
        ({"grain": Grain.MONTH, "index": 1}, True),
        ({"segment": ("plan", "*")}, True),
        ({"grain": Grain.QUARTER, "index": 1}, False),
        ({"parameters": (("cohorts", "recurring"),)}, False),
        ({"parameters": (("windows", "24h"),)}, False),
        ({"parameters": (("brackets", "1,3"), ("kind", "bracket")), "index": 2}, False),
        ({"definition": "won"}, False),
        ({"figure": "churn", "index": 0}, True),
        ({"figure": "churn", "index": 0, "parameters": (("window", "7"),)}, False),
        ({"figure": "churn", "index": 0, "grain": Grain.WEEK}, False),
        ({"figure": "crr", "measure": "kept_rate", "index": 0, "grain": Grain.MONTH}, False),
    ],
)
def test_what_the_counters_have_and_what_takes_a_census(changes: dict[str, Any], counted: bool):
    snap = replace(product(), definitions=(ENGAGEMENT, REPURCHASE, WON))
    assert counted_by(rule(**changes), snap) is counted


def test_a_definition_or_dimension_that_is_gone_is_said():
    snap = product()
    for changes in ({"definition": "won"}, {"segment": ("channel", "web")}):
        with pytest.raises(QueryError, match="is not known"):
            counted_by(rule(**changes), snap)


def test_the_question_of_a_rule_has_its_parameters_and_as_many_values_as_there_can_be():
    judged = rule(segment=("plan", "pro"), parameters=(("brackets", "1,3"), ("kind", "bracket")), index=1)
    query = query_of(judged, definitions=(ENGAGEMENT,), dimensions=("plan",), calendar=UTC)
    assert query == Query(
        "retention", ENGAGEMENT, Grain.DAY, "bracket", brackets=(1, 3), dimension="plan", top=1000, window=30
    )
    every = replace(judged, segment=("plan", "*"), index=2)
    of_other = query_of(every, definitions=(ENGAGEMENT,), dimensions=("plan",), calendar=UTC)
    assert of_other == query, "rules that ask the same share an answer"


@pytest.mark.parametrize(
    ("parameters", "index", "since", "closed_at"),
    [
        ((), 1, "2024-10-05", "2024-10-06"),
        ((("brackets", "1,3,7"), ("kind", "bracket")), 2, "2024-10-06", "2024-10-09"),
        ((("brackets", "1,3,7"), ("kind", "bracket")), 3, "2024-10-09", "2024-10-16"),
    ],
)
def test_a_cell_closes_with_its_last_period(parameters, index: int, since: str, closed_at: str):
    closings = Closings.of(rule(parameters=parameters, index=index), UTC)
    cell = closings.when(FIRST)
    assert (rfc3339(cell.since), rfc3339(cell.closed_at)) == (f"{since}T00:00:00Z", f"{closed_at}T00:00:00Z")
    assert closings.latest(cell.closed_at) == FIRST
    assert closings.latest(cell.closed_at - 1) == FIRST - 1


def test_24_hour_windows_close_when_that_of_the_cohorts_last_user_does():
    closings = Closings.of(rule(parameters=(("windows", "24h"),), index=1), UTC)
    cell = closings.when(FIRST)
    # Somebody who came at 23:59 on the 4th has window 1 from 23:00 on the 5th to 23:00 on the 6th.
    assert (rfc3339(cell.since), rfc3339(cell.closed_at)) == ("2024-10-05T00:00:00Z", "2024-10-06T23:00:00Z")
    assert closings.latest(cell.closed_at) == FIRST
    assert closings.latest(cell.closed_at - 1) == FIRST - 1


def test_24_hour_windows_that_are_open_for_some_are_not_judged():
    rows = [
        {"start": "2024-10-04", "size": 9, "retained": [9, 3], "reached": [9, 9]},
        {"start": "2024-10-05", "size": 9, "retained": [9, 1], "reached": [9, 4]},
    ]
    given = {"segments": [{"segment": {}, "cohorts": rows}]}
    watermark = UTC.start(Grain.DAY, FIRST + 3)
    course = from_answer(rule(parameters=(("windows", "24h"),), index=1), given, UTC, watermark)
    assert [(one.start, one.group, one.count) for one in course.streams[()]] == [("2024-10-04", 9, 3)]


@pytest.mark.parametrize(
    ("figure", "measure", "index", "answered", "since"),
    [
        ("churn", "rate", 0, {"inactivity_days": 7}, "1996-12-27"),
        ("crr", "kept_rate", 0, {"inactivity_days": 7}, "1997-02-22"),
        ("crr", "kept_rate", 0, {"inactivity_days": 30}, "1997-01-30"),
        ("stickiness", "stickiness", 0, {"window": 30}, "1997-01-02"),
        ("lifecycle", "active", 0, {}, "1997-02-01"),
        ("value", "ltv", 1, {}, "1997-01-01"),
    ],
)
def test_what_a_row_tells_of(figure: str, measure: str, index: int, answered: dict[str, int], since: str):
    course = from_answer(of(figure, measure, index), answer(figure) | answered, UTC, APRIL)
    assert rfc3339(course.streams[()][-1].since) == f"{since}T00:00:00Z"


def test_a_row_whose_former_period_is_not_there_has_no_group():
    given = answer("value")
    del given["segments"][0]["periods"][0]
    assert from_answer(of("value", "revenue"), given, UTC, APRIL).streams == {(): []}


def test_the_frontier_moves_when_a_rule_has_something_new_to_judge():
    snap = snapshot({(): [(100, 30)]})
    hours = rule(parameters=(("windows", "24h"),), index=1)
    both = [rule(), rule(grain=Grain.WEEK), hours]
    assert frontier(both, replace(snap, watermark=None)) == (None, None, None)
    assert frontier([rule()], snap) == (FIRST + 7,)
    late = replace(snap, watermark=UTC.start(Grain.DAY, FIRST + 3) - 3_600_000)
    assert frontier([hours], late) != frontier([hours], replace(late, watermark=late.watermark - 1))
    assert frontier([rule()], late) == frontier([rule()], replace(late, watermark=late.watermark - 1))
