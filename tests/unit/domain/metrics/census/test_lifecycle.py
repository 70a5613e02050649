import pytest
from support.days import at, date, events_of, some_events
from support.population import figure

from stream_app.domain.periods import Calendar


def rows(answer):
    return answer["segments"][0]["periods"]


def told(answer):
    names = ("active", "new", "returning", "resurrected", "dormant", "quick_ratio")
    return [(row["start"], *(row[name] for name in names)) for row in rows(answer)]


def test_a_user_is_new_once_then_returning_or_resurrected_and_dormant_after_a_period_without_activity():
    answer = figure({"figure": "lifecycle"}, events_of({"ann": [0, 1, 3]}), watermark=at(5, 0))

    assert told(answer) == [
        (date(0), 1, 1, 0, 0, 0, None),
        (date(1), 1, 0, 1, 0, 0, None),
        (date(2), 0, 0, 0, 0, 1, 0.0),
        (date(3), 1, 0, 0, 1, 0, None),
        (date(4), 0, 0, 0, 0, 1, 0.0),
    ]


def test_quick_ratio_is_those_who_came_over_those_who_went():
    events = events_of({"ann": [0], "bob": [0, 1], "cid": [1], "dan": [1]})

    assert told(figure({"figure": "lifecycle"}, events, watermark=at(2, 0)))[1] == (date(1), 3, 2, 1, 0, 1, 2.0)


@pytest.mark.parametrize("grain", ["hour", "day", "week", "month", "quarter", "half-year"])
@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_active_is_always_active_before_and_new_and_resurrected_less_dormant(grain, timezone):
    found = rows(figure({"figure": "lifecycle", "grain": grain}, some_events(3), calendar=Calendar(timezone),
                        watermark=at(400)))  # fmt: skip

    before = 0
    for row in found:
        assert row["active"] == before + row["new"] + row["resurrected"] - row["dormant"]
        assert row["returning"] == row["active"] - row["new"] - row["resurrected"]
        before = row["active"]
    assert sum(row["new"] for row in found) == 12


def test_hours_of_a_clock_change_are_told_apart():
    # 2024-10-27: 2 o'clock comes twice in Berlin, at 0:00 and at 1:00 UTC.
    events = [{"user": "ann", "time": at(300, hour), "kind": "visit"} for hour in (0.5, 1.5)]
    answer = figure({"figure": "lifecycle", "grain": "hour"}, events, calendar=Calendar("Europe/Berlin"),
                    watermark=at(300, 2))  # fmt: skip

    assert told(answer) == [
        ("2024-10-27T02:00+02:00", 1, 1, 0, 0, 0, None),
        ("2024-10-27T02:00+01:00", 1, 0, 1, 0, 0, None),
    ]


def test_an_open_period_has_no_row():
    answer = figure({"figure": "lifecycle", "grain": "month"}, events_of({"ann": [0, 40]}), watermark=at(59, 23))

    assert [row["start"] for row in rows(answer)] == ["2024-01-01"]


def test_from_leaves_out_rows_but_what_was_before_still_counts():
    answer = figure({"figure": "lifecycle", "from": date(1)}, events_of({"ann": [0, 1]}), watermark=at(2, 0))

    assert told(answer) == [(date(1), 1, 0, 1, 0, 0, None)]


def test_slices_and_partitions_add_up():
    given = {"figure": "lifecycle", "segment": "plan", "grain": "week"}
    once = figure(given, some_events(4), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(4), dimensions=["plan"], partitions=3, per_slice=1) == once


def test_live_rows_leave_out_periods_of_which_they_do_not_hold_the_one_before():
    events = events_of({"ann": [0, 100, 700]})
    live = rows(figure({"figure": "lifecycle"}, events, watermark=at(701, 0), whole=False))

    assert [row["start"] for row in live] == [date(day) for day in (*range(384), *range(574, 701))]


def test_nothing_is_told_without_events():
    assert figure({"figure": "lifecycle"}, [])["segments"] == [{"segment": {}, "periods": []}]
