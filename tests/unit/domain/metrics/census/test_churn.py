import pytest
from support.days import at, date, events_of, some_events
from support.population import figure

from stream_app.domain.periods import Calendar


def days(answer):
    return [(row["date"], row["customers"], row["active"], row["churned"]) for row in answer["segments"][0]["days"]]


def test_a_customer_is_active_for_as_many_days_as_the_window_has_and_then_churned():
    answer = figure({"figure": "churn", "window": "3"}, events_of({"ann": [0]}), watermark=at(5, 0))

    assert answer["inactivity_days"] == 3
    assert days(answer) == [(date(0), 1, 1, 0), (date(1), 1, 1, 0), (date(2), 1, 1, 0), (date(3), 1, 0, 1),
                            (date(4), 1, 0, 1)]  # fmt: skip


def test_a_gap_of_exactly_the_window_is_a_churned_day_less_than_a_day_of_churn_is_none():
    gap_of_window = figure({"figure": "churn", "window": "3"}, events_of({"ann": [0, 3]}), watermark=at(4, 0))
    gap_past_it = figure({"figure": "churn", "window": "3"}, events_of({"ann": [0, 4]}), watermark=at(5, 0))

    assert [row[2] for row in days(gap_of_window)] == [1, 1, 1, 1]
    assert [row[2] for row in days(gap_past_it)] == [1, 1, 1, 0, 1]


def test_an_open_day_has_no_row_and_its_new_customers_are_not_told():
    answer = figure({"figure": "churn"}, events_of({"ann": [0], "bob": [2]}), watermark=at(2, 23))

    assert days(answer) == [(date(0), 1, 1, 0), (date(1), 1, 1, 0)]


def test_rows_of_months_are_those_of_their_last_days():
    events = some_events(1)
    daily = figure({"figure": "churn", "window": "7"}, events, watermark=at(120))
    monthly = figure({"figure": "churn", "window": "7", "grain": "month"}, events, watermark=at(120))

    assert [row["date"] for row in monthly["segments"][0]["days"]] == ["2024-01-31", "2024-02-29", "2024-03-31"]
    assert set(days(monthly)) <= set(days(daily))


def test_a_week_ends_by_the_week_start():
    answer = figure({"figure": "churn", "grain": "week"}, events_of({"ann": [0]}), calendar=Calendar("UTC", "sunday"),
                    watermark=at(14))  # fmt: skip

    assert [row[0] for row in days(answer)] == ["2024-01-06", "2024-01-13"]


def test_only_what_the_definition_counts_as_a_return_makes_a_customer():
    events = [*events_of({"ann": [0]}), *events_of({"bob": [1]}, "purchase")]
    answer = figure({"figure": "churn", "start": "any", "return": "purchase"}, events, watermark=at(3, 0))

    assert days(answer) == [(date(1), 1, 1, 0), (date(2), 1, 1, 0)]


def test_from_leaves_out_rows_but_not_customers_and_last_keeps_the_latest():
    events = events_of({"ann": [0], "bob": [2]})
    begun = figure({"figure": "churn", "from": date(2)}, events, watermark=at(5, 0))
    latest = figure({"figure": "churn", "last": "1"}, events, watermark=at(5, 0))

    assert days(begun) == [(date(2), 2, 2, 0), (date(3), 2, 2, 0), (date(4), 2, 2, 0)]
    assert days(latest) == [(date(4), 2, 2, 0)]


def test_until_is_the_watermark_and_what_comes_later_is_not_counted():
    events = events_of({"ann": [0], "bob": [2]})
    answer = figure({"figure": "churn", "until": date(2)}, events, watermark=at(9))

    assert days(answer) == [(date(0), 1, 1, 0), (date(1), 1, 1, 0)]
    assert answer["as_of"] == f"{date(2)}T00:00:00Z"


@pytest.mark.parametrize("watermark", [None, at(0, 13)])
def test_without_events_or_a_closed_day_there_is_no_row(watermark):
    events = events_of({"ann": [0]}) if watermark else []

    assert figure({"figure": "churn"}, events, watermark=watermark)["segments"] == [{"segment": {}, "days": []}]


def test_segments_are_counted_apart_and_begin_at_their_own_first_customers():
    events = [*events_of({"ann": [0]}, segment={"plan": "pro"}), *events_of({"bob": [1]}, segment={"plan": "free"})]
    answer = figure({"figure": "churn", "segment": "plan"}, events, dimensions=["plan"], watermark=at(2, 0))

    assert [(one["segment"]["plan"], [row["date"] for row in one["days"]]) for one in answer["segments"]] == [
        ("free", [date(1)]),
        ("pro", [date(0), date(1)]),
    ]


def test_slices_and_partitions_add_up():
    events = some_events(2)
    given = {"figure": "churn", "segment": "plan", "window": "5"}
    once = figure(given, events, dimensions=["plan"], per_slice=100, watermark=at(110))

    assert figure(given, events, dimensions=["plan"], partitions=3, per_slice=1, watermark=at(110)) == once


def test_live_rows_leave_out_days_whose_window_they_no_longer_hold():
    events = events_of({"ann": [0, 100, 700]})
    whole = days(figure({"figure": "churn"}, events, watermark=at(701, 0)))
    live = days(figure({"figure": "churn"}, events, watermark=at(701, 0), whole=False))

    # Bitmaps hold 384 days from day 0 on, rings the 128 that end with day 700.
    assert [row[0] for row in live] == [date(day) for day in (*range(384), *range(573 + 29, 701))]
    assert set(live) <= set(whole)
