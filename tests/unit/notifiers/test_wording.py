from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.notify import change, resolved

from stream_app.domain.alerts import Reason, State
from stream_app.notifiers import wording


def test_examples_in_the_docs_hold():
    assert doctest.testmod(wording).failed == 0


def test_a_firing_alert_says_what_fell_where_and_how_far():
    assert wording.title(change()) == "Retention fell: pro-day-7"
    assert wording.sentence(change()) == (
        "Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %"
    )
    assert wording.facts(change()) == [
        ("Cohort", "engagement, of 2026-03-01"),
        ("Users who came back", "260 of 1,240"),
        ("Below since", "the cohort of 2026-02-27"),
    ]


def test_a_resolved_one_says_that_it_is_back_and_how_long_it_was_away():
    done = resolved(2, change())
    assert wording.title(done) == "Retention recovered: pro-day-7"
    assert wording.sentence(done) == (
        "Day-7 retention of plan = pro is back at 34.2 %, 1.2 points above the threshold of 33.0 %"
    )
    assert wording.facts(done)[-1] == ("Was below since", "the cohort of 2026-02-27")


def test_a_withdrawn_one_says_why():
    gone = change(state=State.INACTIVE, reason=Reason.RULE_REMOVED)
    assert wording.title(gone) == "Alert withdrawn: pro-day-7"
    assert "no longer watched as it was: its rule was removed" in wording.sentence(gone)
    assert "its rule was changed" in wording.sentence(change(state=State.INACTIVE, reason=Reason.RULE_CHANGED))


def test_all_users_and_months_read_naturally():
    monthly = change(segment={}, grain="month", index=1, cohort="1997-03-01", since="1997-02-01")
    assert wording.sentence(monthly).startswith("Month-1 retention of all users fell to")
    assert wording.facts(monthly)[0] == ("Cohort", "engagement, of the month of 1997-03")


@pytest.mark.parametrize(
    ("value", "threshold", "said"),
    [
        (0.29996, 0.3, "29.996 %, 0.004 points below the threshold of 30.000 %"),
        (0.33, 0.33, "33.0 %, exactly at the threshold of 33.0 %"),
        (0.0, 0.3, "0.0 %, 30.0 points below the threshold of 30.0 %"),
        (0.29999999999, 0.3, "30.000000 %, 0.000000 points below the threshold of 30.000000 %"),
    ],
)
def test_a_near_miss_is_not_rounded_into_the_threshold(value: float, threshold: float, said: str):
    assert wording.verdict(change(value=value, threshold=threshold)) == said


@given(st.text(max_size=300))
def test_text_of_others_is_one_line_without_control_characters(text: str):
    shown = wording.clean(text)
    assert shown == "" or shown.isprintable()
    assert len(shown) <= wording.MAX_VALUE


def test_a_terminal_is_not_driven_by_a_segment_value():
    assert wording.who(change(segment={"plan": "\x1b[31mred\r\n\u202egnp"})) == "plan = [31mred gnp"


def test_the_link_names_what_to_show():
    assert wording.link(change(), None) is None
    assert wording.link(change(segment={}), "https://x.example/") == (
        "https://x.example/?definition=engagement&grain=day"
    )
    assert str(wording.link(change(), "https://x.example/app")).endswith(
        "/app/?definition=engagement&grain=day&segment=plan"
    )
