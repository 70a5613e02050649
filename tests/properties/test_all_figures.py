"""Every figure with every combination of parameters: what is counted in columns is what the oracle counts by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from oracle import answer as expected_answer
from oracle.retention import mean_of
from properties.differences import difference, wrong
from properties.histories import Case, Past, cases, pasts
from properties.sides import Tables, analyzed, answered, asked_of, gathered, listed, shared_out
from properties.streams import arrivals

from stream_app.domain.metrics.kept import Kept
from stream_app.domain.metrics.query import FIGURES


@pytest.mark.parametrize("figure", FIGURES)
@given(data=st.data())
def test_what_is_counted_of_everything_is_the_oracles_answer(data: Any, figure: str) -> None:
    past = data.draw(pasts())
    case = data.draw(cases(past, (figure,)))
    asked = asked_of(past, case)
    expected = expected_answer(past.events, past.clock, case.question)
    note(f"{case.given}\n{past}")
    got = listed(asked, past.events, data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4)))
    assert difference(got, expected) is None


@pytest.mark.parametrize("figure", FIGURES)
@given(data=st.data())
def test_what_analyze_gathers_in_any_order_gives_the_oracles_answer(data: Any, figure: str) -> None:
    past = data.draw(pasts())
    case = data.draw(cases(past, (figure,)))
    asked = asked_of(past, case)
    expected = expected_answer(past.events, past.clock, case.question)
    note(f"{case.given}\n{past}")
    got = gathered(asked, data.draw(arrivals(past.events)), in_memory=data.draw(st.sampled_from((1, 100, 1 << 20))))
    assert difference(got, expected) is None


@given(data=st.data())
def test_analyze_says_of_a_file_what_the_oracle_says(data: Any, tmp_path_factory: Any) -> None:
    past = data.draw(pasts())
    case = data.draw(cases(past))
    events = [event for batch in data.draw(arrivals(past.events)) for event in batch]
    until = case.question.until
    counted = [event for event in events if until is None or event["time"] < until]
    watermark = max((event["time"] for event in counted), default=None)
    question = replace(
        case.question,
        watermark=watermark if until is None else until if events else None,
        late_share=0.0 if counted else None,
    )
    expected = expected_answer(past.events, past.clock, question)
    # A file of rows without one cannot be told from one with the wrong columns.
    form = data.draw(st.sampled_from(("jsonl", "csv", "parquet"))) if events else "jsonl"
    note(f"{case.given} {form}\n{past}")
    assert difference(analyzed(past, case, events, tmp_path_factory.getbasetemp(), form), expected) is None


def live(data: Any, past: Past, case: Case, hour_days: int) -> dict[str, Any]:
    """What the tables of some source partitions answer, after any arrival order and some recoveries."""
    asked = asked_of(past, case)
    parts = [Tables(past, hour_days) for _ in range(data.draw(st.integers(1, 3)))]
    Kept(hour_days, filters=parts[0].table.filters).check(asked.query, asked.calendar)
    for batch in data.draw(arrivals(past.events)):
        for part, own in zip(parts, shared_out(batch, len(parts)), strict=True):
            part.take(own)
            step = data.draw(st.sampled_from(("go on", "go on", "commit", "recover")))
            if step != "go on":
                part.commit()
            if step == "recover":
                part.crash()
    return answered(asked, [part.population() for part in parts], sent=data.draw(st.booleans()))


@pytest.mark.parametrize("figure", FIGURES)
@given(data=st.data())
def test_the_services_tables_give_the_oracles_answer_of_what_they_hold_in_full(data: Any, figure: str) -> None:
    past = data.draw(pasts(reaches=(2, 10, 19)))
    case = data.draw(cases(past, (figure,), live=True, later=7))
    expected = expected_answer(past.events, past.clock, case.question)
    note(f"{case.given}\n{past}")
    assert difference(live(data, past, case, 32), expected) is None


@pytest.mark.parametrize("figure", FIGURES)
@given(data=st.data())
def test_the_services_tables_never_answer_what_they_do_not_hold(data: Any, figure: str) -> None:
    past = data.draw(pasts(reaches=(2, 40, 130, 420, 2200)))
    case = data.draw(cases(past, (figure,), live=True))
    # Of `last` rows it shows the latest ones that it can tell.
    expected = expected_answer(past.events, past.clock, replace(case.question, last=None))
    note(f"{case.given}\n{past}")
    got = live(data, past, case, data.draw(st.sampled_from((1, 1, 2, 8))))
    assert [entry["segment"] for entry in got["segments"]] == [entry["segment"] for entry in expected["segments"]]
    for entry, whole in zip(got["segments"], expected["segments"], strict=True):
        if figure == "retention":
            assert entry["mean"]["rate"] == pytest.approx(mean_of(entry["cohorts"], case.question.mean)["rate"])
            entry["mean"] = whole["mean"] = None
        assert wrong(entry, whole) is None
