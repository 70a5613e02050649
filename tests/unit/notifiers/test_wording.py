from __future__ import annotations

import doctest
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.notices import back, fell

from stream_app.domain.alerts import Health, Reason, State
from stream_app.domain.alerts.measures import MEASURES
from stream_app.notifiers import terms, wording

WITHOUT = {"value": None, "low": None, "high": None, "count": None, "group": 0, "users_at_risk": None}


def of(figure: str, measure: str, **fields):
    index = 7 if (figure, measure) in {("retention", "rate"), ("value", "ltv")} else 0
    return fell(figure=figure, measure=measure, **{"index": index} | fields)


def stream(rule: str, measure: str, **fields):
    usual = {
        "definition": "", "grain": "", "index": 0, "segment": {}, "group": 0, "count": None, "low": None, "high": None,
        "users_at_risk": None, "revenue_at_risk": None, "evidence": None, "test": "threshold",
    }  # fmt: skip
    return fell(rule=rule, figure="stream", measure=measure, **usual | fields)


@pytest.mark.parametrize("module", [wording, terms])
def test_examples_in_the_docs_hold(module):
    assert doctest.testmod(module).failed == 0


def test_a_firing_alert_says_what_fell_where_and_how_far():
    assert wording.title(fell()) == "Retention fell: pro-day-7"
    assert wording.sentence(fell()) == (
        "Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %"
    )
    assert wording.facts(fell()) == [
        ("Judged", "engagement, the cohort of 2026-03-01"),
        ("Users who came back", "260 of 1,240"),
        ("95 % interval", "18.8 % to 23.4 %"),
        ("At risk", "112 users, 3,400.00 USD"),
        ("Below since", "the cohort of 2026-02-27 (3 judged)"),
        ("Evidence against chance", "7,943 to 1"),
    ]


def test_a_resolved_one_says_that_it_is_back_and_how_long_it_was_away():
    done = back(2, fell())
    assert wording.title(done) == "Retention recovered: pro-day-7"
    assert wording.sentence(done) == (
        "Day-7 retention of plan = pro is back at 34.2 %, 1.2 points above the threshold of 33.0 %"
    )
    assert wording.facts(done)[-1] == ("Was below since", "the cohort of 2026-02-27")


def test_a_withdrawn_one_says_why():
    gone = fell(state=State.INACTIVE, reason=Reason.RULE_REMOVED)
    assert wording.title(gone) == "Alert withdrawn: pro-day-7"
    assert "no longer watched as it was: its rule was removed" in wording.sentence(gone)
    assert "its rule was changed" in wording.sentence(fell(state=State.INACTIVE, reason=Reason.RULE_CHANGED))


def test_what_is_bad_above_rises():
    rose = of("churn", "rate", side="above", value=0.12, threshold=0.1, grain="week", began="2026-02-16")
    assert wording.title(rose) == "Churn rose: pro-day-7"
    assert wording.sentence(rose) == (
        "Churned share of customers of plan = pro rose to 12.0 %, 2.0 points above the threshold of 10.0 %"
    )
    assert ("Above since", "the week of 2026-02-16 (3 judged)") in wording.facts(rose)


def test_a_relative_one_says_what_its_baseline_allows():
    assert wording.distance(fell(baseline=0.353)) == ("9.0 points below the 30.0 % that its baseline of 35.3 % allows")
    assert wording.distance(fell(baseline=0.353), short=True) == "9.0 points below 30.0 % (baseline 35.3 %)"


@pytest.mark.parametrize(
    ("figure", "measure", "fields", "said"),
    [
        ("value", "aov", {"value": 3900, "threshold": 5000}, "39.00 USD, 11.00 USD below the threshold of 50.00 USD"),
        (
            "value",
            "ltv",
            {"value": 9, "threshold": 10, "currency": "JPY"},
            "9 JPY, 1 JPY below the threshold of 10 JPY",
        ),
        ("lifecycle", "quick_ratio", {"value": 0.8, "threshold": 1.0}, "0.80, 0.20 below the threshold of 1.00"),
        ("lifecycle", "active", {"value": 12000, "threshold": 15000}, "12,000, 3,000 below the threshold of 15,000"),
        ("crr", "crr", {"value": 1.02, "threshold": 1.1}, "102.0 %, 8.0 points below the threshold of 110.0 %"),
        ("novelty", "new_rate", {}, "21.0 %, 9.0 points below the threshold of 30.0 %"),
    ],
)
def test_values_are_written_as_what_they_are(figure, measure, fields, said):
    assert wording.verdict(of(figure, measure, **fields)) == said


def test_money_without_a_currency_is_not_told_as_another():
    assert wording.value(of("value", "aov", value=3900, threshold=None, currency=None)) == "3,900 in minor units"


@pytest.mark.parametrize(("figure", "measure"), [(f, m) for f, measures in MEASURES.items() for m in measures])
def test_every_measure_that_rules_can_judge_has_words(figure, measure):
    change = of(figure, measure, count=260 if MEASURES[figure][measure].share else None)
    term = terms.term(change)
    assert (figure, measure) in terms._TERMS
    assert "{" not in wording.figure(change)
    assert (term.counted != "") == MEASURES[figure][measure].share, "a share counts something"
    assert wording.sentence(change)


@pytest.mark.parametrize(
    ("health", "reason", "said"),
    [
        (Health.NO_DATA, Reason.NO_DATA, "has had no group large enough to judge for 3 closed periods"),
        (Health.ERROR, Reason.ERROR, "cannot be judged: plan is no dimension"),
        (Health.OK, Reason.DATA_BACK, "is judged again, from the cohort of 2026-03-01 on"),
    ],
)
def test_what_cannot_be_judged_has_no_value(health, reason, said):
    told = fell(health=health, reason=reason, state=State.INACTIVE, note="plan is no dimension.", **WITHOUT)
    assert said in wording.sentence(told)
    assert "%" not in wording.sentence(told)
    assert wording.about_health(told)


def test_one_that_fires_and_lost_its_data_says_both():
    assert wording.sentence(fell(health=Health.NO_DATA)).endswith("threshold of 30.0 %; by now it has no data")


class TestTheStream:
    def test_a_thin_day(self):
        thin = stream("stream-volume", "volume", value=0.243, threshold=0.5, group=2100, count=511, baseline=2100.0,
                      grain="day")  # fmt: skip
        assert wording.title(thin) == "The event stream has too few users: stream-volume"
        assert wording.sentence(thin) == (
            "2026-03-01 had 511 active users, 24 % of the usual 2,100 (alert below 50 %); retention rules skip that"
            " day. Check the producers and the dead letters"
        )
        over = stream("stream-volume", "volume", value=0.98, threshold=0.5, group=2100, count=2058,
                      state=State.RESOLVED, reason=Reason.RECOVERED, grain="day")  # fmt: skip
        assert wording.title(over) == "The event stream is whole again: stream-volume"
        assert wording.sentence(over) == "2026-03-01 had 2,058 active users again, 98 % of the usual 2,100"

    def test_a_thin_day_of_one_kind_of_event(self):
        of = {
            "segment": {"definition": "repurchase"},
            "threshold": 0.5,
            "group": 412,
            "baseline": 412.0,
            "grain": "day",
        }
        thin = stream("stream-volume", "volume", value=0.0, count=0, **of)
        assert wording.title(thin) == "The event stream of repurchase has too few users: stream-volume"
        assert wording.sentence(thin) == (
            "2026-03-01 had 0 active users of repurchase, 0 % of the usual 412 (alert below 50 %); rules on these"
            " events skip that day. Check the producers and the dead letters"
        )
        over = stream("stream-volume", "volume", value=1.0, count=412, state=State.RESOLVED,
                      reason=Reason.RECOVERED, **of)  # fmt: skip
        assert wording.title(over) == "The event stream of repurchase is whole again: stream-volume"
        assert wording.sentence(over) == "2026-03-01 had 412 active users of repurchase again, 100 % of the usual 412"
        gone = stream("stream-volume", "volume", state=State.INACTIVE, reason=Reason.RULE_REMOVED, **of)
        assert "of repurchase is no longer watched for this: no rule is about it" in wording.sentence(gone)

    def test_a_standstill(self):
        stalled = stream("stream-stalled", "watermark", value=9000.0, threshold=7200.0, cohort="2026-03-08T22:00:00Z",
                         began="2026-03-08T22:10:00Z")  # fmt: skip
        assert wording.sentence(stalled) == (
            "The watermark has not moved for 2 h 30 min: no period closes, and no rule is judged. Check the producers"
        )
        assert wording.facts(stalled) == [("Watermark", "2026-03-08T22:00:00Z"), ("Since", "2026-03-08T22:10:00Z")]
        over = stream("stream-stalled", "watermark", state=State.RESOLVED, reason=Reason.RECOVERED, cohort="")
        assert wording.sentence(over).startswith("The watermark moves again")
        assert wording.facts(over) == []

    def test_a_lag(self):
        behind = stream("stream-behind", "lag", value=10_800.0, threshold=7200.0, cohort="2026-03-08T21:00:00Z")
        assert wording.sentence(behind) == "The watermark is 3 h behind the clock (alert from 2 h on)"

    def test_one_that_was_turned_off(self):
        off = stream("stream-behind", "lag", state=State.INACTIVE, reason=Reason.RULE_REMOVED)
        assert "turned off in the rules" in wording.sentence(off)


def test_all_users_and_months_read_naturally():
    monthly = fell(segment={}, grain="month", index=1, cohort="1997-03-01", began="1997-02-01")
    assert wording.sentence(monthly).startswith("Month-1 retention of all users fell to")
    assert wording.facts(monthly)[0] == ("Judged", "engagement, the cohort of 1997-03")
    assert wording.cohort(fell(grain="quarter"), "1997-04-01") == "the cohort of 1997 Q2"
    assert wording.cohort(fell(grain="week"), "1997-04-07") == "the cohort of the week of 1997-04-07"
    assert wording.cohort(of("churn", "rate", grain="week"), "1997-04-07") == "the week of 1997-04-07"


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
    assert wording.verdict(fell(value=value, threshold=threshold)) == said


@given(st.text(max_size=300))
def test_text_of_others_is_one_line_without_control_characters(text: str):
    shown = wording.clean(text)
    assert shown == "" or shown.isprintable()
    assert len(shown) <= wording.MAX_VALUE


def test_a_terminal_is_not_driven_by_a_segment_value():
    assert wording.who(fell(segment={"plan": "\x1b[31mred\r\n\u202egnp"})) == "plan = [31mred gnp"


class TestTheLink:
    """The page reads what to show from the fragment of its address."""

    def shown(self, change) -> dict[str, list[str]]:
        return parse_qs(urlsplit(str(wording.link(change, "https://x.example/app/"))).fragment)

    def test_shows_the_cell_that_was_judged(self):
        assert self.shown(fell(segment={"plan": "a&b c"})) == {
            "definition": ["engagement"], "grain": ["day"], "segment": ["plan"], "value": ["a&b c"],
            "cohort": ["2026-03-01"], "index": ["7"],
        }  # fmt: skip

    def test_shows_other_figures(self):
        assert self.shown(of("churn", "rate", segment={})) == {
            "figure": ["churn"], "definition": ["engagement"], "grain": ["day"],
        }  # fmt: skip

    def test_is_none_without_an_address_and_the_page_itself_for_the_stream(self):
        assert wording.link(fell(), None) is None
        assert wording.link(stream("stream-behind", "lag"), "https://x.example") == "https://x.example/"

    def test_stays_short(self):
        assert len(str(wording.link(fell(segment={"plan": "ä" * 5000}), "https://x.example"))) < 200
