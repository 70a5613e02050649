"""The text tables of answers: what people read in a terminal."""

from __future__ import annotations

import doctest

import pytest
from support.answers import ENTRIES, NAMES, answer, empty

from stream_app.reports import words
from stream_app.reports.tables import table

RETENTION = "share in % of a cohort with a return event in month k; mean weighted by size, with its 95 % interval"


def body(found: dict, *, width: int | None = None) -> list[str]:
    """The lines below the heading."""
    text = table(found, width=width)
    return text[text.index("\n\n") + 2 :].splitlines()


def test_zero_not_observed_and_an_empty_cohort_are_told_apart():
    assert body(answer("retention", {"plan": "pro"})) == [
        "plan = pro",
        "cohort      size      1    2  3",
        "1997-01-01   200   25.0  0.0  -",
        "1997-02-01     9  100.0    -",
        "1997-03-01     0",
        "mean               28.2  0.0  -",
        "95 % from          22.6  0.0  -",
        "95 % to            34.7  1.9  -",
    ]


def test_the_heading_says_what_the_figures_are():
    assert table(answer("retention", late_share=0.0125)).splitlines()[:3] == [
        "repurchase: retention, by month, classic, calendar periods, first-time cohorts",
        f"({RETENTION}; - is not yet observed)",
        "time zone UTC, as of 1997-04-01T00:00:00Z, 1.2 % of events late",
    ]
    rolling = table(answer("retention", kind="rolling", as_of=None, segments=[]))
    assert "in month k or later, as far as observed" in rolling
    assert "as of never: there are no events\n\nno events" in rolling


def test_the_simple_mean_has_no_interval():
    found = answer("retention", mean="simple")
    found["segments"][0]["mean"] |= {"low": [None] * 4, "high": [None] * 4}
    lines = body(found)
    assert lines[-1].startswith("mean ")
    assert not any("95 %" in line for line in lines)


def test_brackets_are_named_by_their_periods():
    brackets = [{"from": 1, "to": 1}, {"from": 2, "to": 4}]
    found = answer("retention", kind="bracket", brackets=brackets)
    found["segments"][0]["cohorts"] = [{"start": "1997-01-01", "size": 10, "retained": [10, 4, None]}]
    assert body(found)[1:3] == ["cohort      size     1  2-4", "1997-01-01    10  40.0    -"]


def test_shares_of_24_hour_windows_are_of_those_who_have_reached_them():
    found = answer("retention", windows="24h")
    found["segments"][0]["cohorts"] = [
        {"start": "1997-01-01", "size": 10, "retained": [10, 4, 1, None], "reached": [10, 8, 2, 0]}
    ]
    assert body(found)[2] == "1997-01-01    10  50.0  50.0  -"


@pytest.mark.parametrize(("width", "shown"), [(130, 10), (66, 8), (24, 1)])
def test_a_wide_table_is_cut_at_whole_columns_and_says_so(width, shown):
    found = answer("retention")
    found["segments"][0]["cohorts"] = [{"start": "1997-01-01", "size": 7, "retained": [7, *[2] * 10]}]
    found["segments"][0]["mean"] = {name: [] for name in ("rate", "low", "high", "users", "cohorts")}
    lines = body(found, width=width)
    assert max(map(len, lines)) <= width
    assert lines[2].count("28.6") == shown
    hidden = {10: "", 8: "9 and 10", 1: "2 to 10"}[shown]
    assert " ".join(lines[3:]) == (hidden and f"(no room for {hidden}: a wider terminal or --json has all)")


def test_churn_has_its_share_of_all_customers():
    assert body(answer("churn"))[1:] == [
        "end of      customers  active  churned  churned %",
        "1997-01-01          0       0        0          -",
        "1997-01-02      1,200     900      300       25.0",
    ]


def test_lifecycle_tells_a_ratio_of_nothing():
    assert body(answer("lifecycle"))[1:] == [
        "period of   active  new  returning  resurrected  dormant  quick ratio",
        "1997-01-01       5    5          0            0        0            -",
        "1997-02-01       4    1          3            0        2         0.50",
    ]


def test_crr_shows_the_whole_span_where_one_was_asked_for():
    found = answer("crr")
    entry = found["segments"][0]
    row = "1997-02-01  1997-02-28  200  250  100       100   140    60           10   75.0    70.0     30.0"
    assert body(found)[-1] == row
    entry["whole"] = entry["periods"][1] | {"start": "1997-01-01"}
    assert body(found)[-2:] == [row.replace("1997-02-01", "1997-01-01"), "(the last row: the whole span asked for)"]


def test_stickiness_has_a_histogram_up_to_the_last_used_bar():
    assert body(answer("stickiness"))[1:] == [
        "day         DAU  MAU  DAU/MAU %",
        "1997-01-01    3    3      100.0",
        "1997-01-02    1    4       25.0",
        "1997-01-03    0    0          -",
        "",
        "active days of a user in the 30 days to 1997-01-03",
        "days  users  users %",
        "1         3     75.0",
        "2         1     25.0",
    ]


def test_money_is_shown_in_major_units():
    lines = body(answer("value"))
    assert "  revenue            1,234.56" in lines
    assert "  repeat rate %          25.0" in lines
    assert "1997-01-01     3  300.00  311.52" in lines
    assert "1997-02-01     1       -" in lines
    assert body(answer("value", minor_units=0, currency="JPY"))[3].endswith("123,456")


def test_revenue_that_was_paid_back_is_negative():
    assert any("  -5.00  " in line and "-0.6" in line for line in body(answer("value")))


def test_survival_is_unknown_past_the_last_event():
    assert body(answer("survival"))[1:] == [
        "cohort      size  events  censored  median  day 1  day 3  day 7  day 14  day 30",
        "all            5       3         2      30  100.0  100.0  100.0    80.0    30.0",
        "95 % from                                   100.0  100.0  100.0    20.0     1.0",
        "95 % to                                     100.0  100.0  100.0    97.0    72.0",
        "1997-01-01     5       3         2       -  100.0  100.0  100.0    80.0    30.0",
        "1997-02-01     0       0         0       -      -      -      -       -       -",
    ]


def test_concentration_has_both_shares():
    assert body(answer("concentration"))[2].split() == (
        ["1997-01-01", "11", "2", "40", "20", "50.0", "3", "1", "100.00", "60.00", "60.0"]
    )


@pytest.mark.parametrize("figure", NAMES)
def test_every_segment_has_its_table(figure):
    lines = table(answer(figure, {"plan": "pro"}, {"plan": "free"})).splitlines()
    assert [line for line in lines if line.startswith("plan = ")] == ["plan = pro", "plan = free"]


@pytest.mark.parametrize("figure", NAMES)
def test_an_answer_of_nothing_says_so(figure):
    text = table(empty(figure))
    assert "there are no events" in text
    assert any(text.endswith(end) for end in ("no cohorts", "no closed period", "no customers"))


@pytest.mark.parametrize("figure", NAMES)
@pytest.mark.parametrize("width", [1, 40, 80])
def test_no_line_is_wider_than_the_terminal(figure, width):
    lines = table(answer(figure, {"plan": "p" * 100}), width=width).splitlines()
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("figure", NAMES)
def test_what_stands_for_null_is_explained(figure):
    assert "- is not " in table(answer(figure))


def test_values_cannot_command_the_terminal():
    text = table(answer("lifecycle", {"plan": "\x1b[2Jx\u202e"}, definition="a\x1b[31m"))
    assert "plan = \ufffd[2Jx\ufffd" in text
    assert "\x1b" not in text


def test_tables_do_not_change_the_answer():
    found = answer("value")
    table(found)
    assert found["segments"][0] == {"segment": {}, **ENTRIES["value"]}


def test_the_examples_of_words_hold():
    assert doctest.testmod(words).failed == 0
