import json
from pathlib import Path

import numpy as np
import pytest
from support.days import at, date, events_of, paid, some_events
from support.population import figure

from stream_app.domain.events import ENGAGEMENT, Definition
from stream_app.domain.metrics.census import joint
from stream_app.domain.metrics.query import instant
from stream_app.domain.periods import HORIZON, Calendar, Grain

EXAMPLES = {
    example["id"]: example
    for example in json.loads((Path(__file__).parents[4] / "data" / "worked_examples.json").read_text())
}
UTC = Calendar()


def time(text, calendar=UTC):
    return instant("from", f"{text}:00Z" if calendar is UTC else text, calendar)


def visits(user, *times):
    return [{"user": user, "time": t, "kind": "visit"} for t in times]


def entry(given, events, **more):
    return figure(given, events, **more)["segments"][0]


def rows(given, events, **more):
    return [row["retained"] for row in entry(given, events, **more)["cohorts"]]


# -- published examples


@pytest.mark.parametrize("partitions", [1, 3])
def test_classic_and_rolling_of_a_published_example(partitions):
    example = EXAMPLES["classic_vs_unbounded"]
    events = events_of({user: [0, *days] for user, days in example["returns_on_day"].items()})
    more = {"watermark": at(example["columns"], 0), "partitions": partitions}

    assert rows({"kind": "classic"}, events, **more) == [example["classic_counts"]]
    assert rows({"kind": "rolling"}, events, **more) == [example["unbounded_counts"]]


@pytest.mark.parametrize("name", ["24h_hour_rounding", "calendar_day_10h_later", "near_midnight"])
def test_calendar_days_and_24_hour_windows_of_published_examples(name):
    example = EXAMPLES[name]
    calendar = Calendar()
    first, second = (time(example[part]) for part in ("first", "second"))
    events = visits("ann", first, second)
    watermark = second + 10 * 86_400_000
    on_calendar = rows({}, events, calendar=calendar, watermark=watermark)[0]
    by_hours = rows({"windows": "24h"}, events, calendar=calendar, watermark=watermark)[0]

    assert [index for index, users in enumerate(on_calendar) if users] == [0, example["day_index_calendar"]]
    rounded = example.get("day_index_hour_rounded", example["day_index_exact_24h"])
    assert [index for index, users in enumerate(by_hours) if users] == sorted({0, rounded})


# -- calendar periods


def test_what_has_not_closed_is_null():
    assert rows({}, events_of({"ann": [0, 2]}), watermark=at(2, 23)) == [[1, 0, None]]
    assert rows({}, events_of({"ann": [0, 2]}), watermark=at(0, 23)) == [[None, None, None]]


def test_before_any_event_there_is_no_cohort():
    assert entry({}, []) == {
        "segment": {}, "cohorts": [], "mean": {"rate": [], "low": [], "high": [], "users": [], "cohorts": []},
    }  # fmt: skip
    assert entry({"kind": "bracket", "brackets": "1,2"}, [])["mean"]["rate"] == []


def test_rolling_knows_of_returns_in_the_open_period():
    assert rows({"kind": "rolling"}, events_of({"ann": [0, 3], "bob": [0]}), watermark=at(3, 13)) == [[2, 1, 1, None]]


@pytest.mark.parametrize("grain", list(Grain))
def test_a_row_ends_with_the_horizon_whose_last_index_of_rolling_retention_stands_for_all_later_ones(grain):
    first = int(UTC.at(grain, np.array(at(0))))
    events = visits("ann", at(0), UTC.start(grain, first + HORIZON[grain] + 5))
    watermark = UTC.end(grain, first + HORIZON[grain] + 8)

    assert rows({"grain": grain}, events, watermark=watermark)[0] == [1] + [0] * (HORIZON[grain] - 1)
    assert rows({"grain": grain, "kind": "rolling"}, events, watermark=watermark)[0] == [1] * HORIZON[grain]


def test_index_0_is_the_size_by_the_start_event_alone():
    events = [paid("ann", 0, 100), *events_of({"bob": [0], "cid": [1]}), paid("cid", 1, 50), *events_of({"cid": [2]})]
    given = {"start": "purchase", "return": "visit"}

    assert rows(given, events, watermark=at(4, 0)) == [[1, 0, 0, 0], [1, 1, 0]]


def test_a_return_before_the_start_is_none():
    events = [*events_of({"ann": [0, 1, 4]}), paid("ann", 2, 100)]

    assert rows({"start": "purchase", "return": "visit"}, events, watermark=at(6, 0)) == [[1, 0, 1, 0]]


def test_a_refund_neither_starts_nor_returns():
    events = [paid("ann", 0, -5), *events_of({"ann": [1]}), paid("ann", 2, -5)]

    assert rows({}, events, watermark=at(3, 0)) == [[1, 0]]


@pytest.mark.parametrize(
    ("grain", "first", "second", "index"),
    [
        ("hour", "2024-03-31T00:30", "2024-03-31T01:30", 1),  # 01:30 and 03:30 in Berlin: the clock skips an hour
        ("hour", "2024-10-27T00:30", "2024-10-27T01:30", 1),  # 02:30 twice
        ("day", "2024-10-26T22:30", "2024-10-27T22:30", 0),  # 00:30 and 23:30 of a day of 25 hours
        ("week", "2024-12-31T12:00", "2025-01-05T23:30", 1),
        ("month", "2024-02-29T12:00", "2024-03-31T22:30", 2),
        ("quarter", "2024-03-31T21:30", "2024-03-31T22:30", 1),
        ("half-year", "2024-01-01T12:00", "2025-06-30T12:00", 2),
    ],
)
def test_periods_are_local_ones(grain, first, second, index):
    calendar, watermark = Calendar("Europe/Berlin"), time("2027-01-01T00:00")
    events = visits("ann", time(first), time(second))

    found = rows({"grain": grain}, events, calendar=calendar, watermark=watermark)[0]
    assert [k for k, users in enumerate(found) if users] == sorted({0, index})


def test_a_bracket_counts_who_returned_in_any_of_its_periods():
    events = events_of({"ann": [0, 1, 2, 3], "bob": [0, 4], "cid": [0], "dan": [0, 5]})
    given = {"kind": "bracket", "brackets": "1,3,2"}
    answer = figure(given, events, watermark=at(6, 0))

    assert answer["brackets"] == [{"from": 1, "to": 1}, {"from": 2, "to": 4}, {"from": 5, "to": 6}]
    assert answer["segments"][0]["cohorts"] == [{"start": date(0), "size": 4, "retained": [4, 1, 2, None]}]
    assert rows(given, events, watermark=at(7, 0)) == [[4, 1, 2, 1]]


def test_returns_count_from_so_many_sub_periods_on():
    often = Definition("often", "any", "any", min_active=2)
    more = {"definitions": (ENGAGEMENT, often), "watermark": at(40, 0)}
    # In week 1 on two days, in week 2 twice on one day; on day 9 within one hour, on day 30 in two.
    events = visits("ann", at(0), at(8), at(9), at(9, 12.5), at(15, 1), at(15, 5), at(30, 1), at(30, 5))

    assert rows({"definition": "often", "grain": "week"}, events, **more) == [[1, 1, 0, 0, 0, None]]
    days = rows({"definition": "often"}, events, **more)[0]
    assert [k for k, users in enumerate(days) if users] == [0, 15, 30]


def test_hours_of_which_days_consist_are_local_ones():
    often = Definition("often", "any", "any", min_active=2)
    calendar = Calendar("Asia/Kolkata")
    # 23:40 and 00:10 are of two days; 12:10 and 12:40 of one local hour, 12:50 and 13:10 of two (and of one in UTC).
    events = visits(
        "ann", time("2024-01-01T12:00"), *map(time, ("2024-01-02T18:10", "2024-01-02T18:40")),
        *map(time, ("2024-01-04T06:40", "2024-01-04T07:10", "2024-01-05T07:20", "2024-01-05T07:40")),
    )  # fmt: skip
    more = {"definitions": (ENGAGEMENT, often), "calendar": calendar, "watermark": time("2024-01-06T00:00")}

    assert rows({"definition": "often"}, events, **more)[0] == [1, 0, 0, 0, 1, None]


# -- recurring cohorts


def test_a_user_is_in_the_recurring_cohort_of_every_period_with_a_start():
    events = events_of({"ann": [0, 1, 3], "bob": [1, 3]})

    assert rows({"cohorts": "recurring"}, events, watermark=at(4, 0)) == [[1, 1, 0, 1], [2, 0, 2], [2]]
    assert rows({"cohorts": "recurring", "kind": "rolling"}, events, watermark=at(4, 0)) == [
        [1, 1, 1, 1],
        [2, 2, 2],
        [2],
    ]
    given = {"cohorts": "recurring", "kind": "bracket", "brackets": "2"}
    assert rows(given, events, watermark=at(4, 0)) == [[1, 1], [2, 2], [2, None]]


@pytest.mark.parametrize("seed", range(3))
def test_recurring_cells_are_the_same_by_a_product_and_by_a_list(seed, monkeypatch):
    events = some_events(seed, users=60, days=12)
    given = {"cohorts": "recurring", "segment": "plan", "start": "purchase", "return": "any"}
    answers, products = [], []
    monkeypatch.setattr(joint, "_cells", lambda *of, counted=joint._cells: products.append(of) or counted(*of))
    monkeypatch.setattr(joint, "_MOST", 200)  # some 16 users at a time
    monkeypatch.setattr("stream_app.domain.metrics.census.members._TOGETHER", 3)
    for cost in (1 << 40, 0):
        monkeypatch.setattr(joint, "_LISTED", cost)
        answers.append(figure(given, events, dimensions=["plan"], per_slice=50))

    assert answers[0] == answers[1]
    assert len(products) >= 6
    assert sum(sum(filter(None, row["retained"][1:])) for row in answers[0]["segments"][0]["cohorts"]) > 20


# -- 24-hour windows


def test_a_window_counts_who_has_reached_its_end():
    events = visits("ann", at(0, 6), at(1, 7)) + visits("bob", at(0, 20), at(1, 19))
    found = entry({"windows": "24h"}, events, watermark=at(2, 6))

    assert found["cohorts"] == [{"start": date(0), "size": 2, "retained": [2, 1, None], "reached": [2, 1, 0]}]
    assert found["mean"]["rate"] == [1.0, 1.0, None]
    assert found["mean"]["users"] == [2, 1, 0]


def test_nobody_has_reached_anything_yet():
    events = visits("ann", at(0, 6))

    assert rows({"windows": "24h"}, events, watermark=at(0, 23)) == [[None]]
    assert rows({"windows": "24h", "kind": "rolling"}, events, watermark=at(0, 23)) == [[None]]


def test_rolling_windows_count_any_later_return_of_those_who_reached_them():
    events = visits("ann", at(0, 6), at(3, 7)) + visits("bob", at(0, 20), at(1, 19))

    assert rows({"windows": "24h", "kind": "rolling"}, events, watermark=at(3, 8)) == [[2, 1, 1, None]]


def test_a_return_in_a_window_that_has_not_closed_counts_up_to_the_last_one_that_has():
    events = visits("ann", at(0, 20), at(2, 21)) + visits("bob", at(0, 0))
    found = entry({"windows": "24h", "kind": "rolling"}, events, watermark=at(3, 10))

    assert (found["cohorts"][0]["reached"], found["cohorts"][0]["retained"]) == ([2, 2, 1, 0], [2, 1, 0, None])


def test_who_has_reached_no_window_counts_nowhere():
    # Ann's window of 30 days is open when Bob's second has closed, though January is the cohort of both.
    events = visits("bob", at(0, 0)) + visits("ann", at(30, 23), at(62))
    found = entry({"windows": "24h", "grain": "month", "kind": "rolling"}, events, watermark=at(60, 1))

    assert (found["cohorts"][0]["reached"], found["cohorts"][0]["retained"]) == ([1, 1, 0], [1, 0, None])


def test_brackets_of_windows_are_reached_with_their_last_one():
    events = visits("ann", at(0, 6), at(3, 6)) + visits("bob", at(0, 20), at(2, 20))
    found = entry({"windows": "24h", "kind": "bracket", "brackets": "1,2"}, events, watermark=at(4, 6))

    assert found["cohorts"] == [{"start": date(0), "size": 2, "retained": [2, 0, 1], "reached": [2, 2, 1]}]


@pytest.mark.parametrize(("grain", "hours"), [("week", 7 * 24), ("month", 30 * 24)])
def test_windows_of_weeks_and_months_are_7_and_30_times_24_hours(grain, hours):
    first = at(0, 6.75)
    events = visits("ann", first, at(0, 6 + hours), at(0, 6 + 3 * hours - 0.01))
    found = rows({"windows": "24h", "grain": grain}, events, watermark=at(0, 6 + 3 * hours))

    assert found[0][:3] == [1, 1, 1]
    assert set(found[0][3:]) <= {None}


# -- what is shown


def test_from_leaves_out_cohorts_that_begin_before_it_and_last_shows_the_latest():
    events = events_of({"ann": [0], "bob": [1], "cid": [2], "dan": [3]})
    starts = lambda given: [row["start"] for row in entry(given, events, watermark=at(5))["cohorts"]]  # noqa: E731

    assert starts({"from": date(1)}) == [date(1), date(2), date(3)]
    assert starts({"from": f"{date(1)}T00:00:01Z"}) == [date(2), date(3)]
    assert starts({"last": "2"}) == [date(2), date(3)]


def test_the_mean_is_of_the_cohorts_that_are_shown():
    events = events_of({"ann": [0, 1], "bob": [1], "cid": [2, 3]})

    assert entry({"last": "2"}, events, watermark=at(4, 0))["mean"]["rate"] == [1.0, 0.5, 0.0]
    assert entry({}, events, watermark=at(4, 0))["mean"]["rate"] == pytest.approx([1, 2 / 3, 0, 0])


def test_until_ends_the_data_within_a_period():
    events = visits("ann", at(0), at(2, 8), at(2, 10), at(3))
    given = {"until": f"{date(2)}T09:00:00Z"}

    assert rows(given, events) == [[1, 0, None]]
    assert rows(given | {"kind": "rolling"}, events) == [[1, 1, None]]
    assert rows(given | {"until": f"{date(2)}T08:00:00Z", "kind": "rolling"}, events) == [[1, 0, None]]


@pytest.mark.parametrize("windows", ["calendar", "24h"])
def test_until_is_the_same_where_later_events_are_left_out_by_the_census(windows):
    events = some_events(3)
    given = {"until": date(40), "windows": windows}

    live = entry(given, events, whole=False, hours=1 << 20)
    assert live == entry(given, events)


def test_segments_are_the_largest_and_the_others():
    events = [event for n in range(6) for event in events_of({f"u{n}": [0, 1]}, segment={"plan": "abbccc"[n]})]
    found = figure({"segment": "plan", "top": "1"}, events, dimensions=["plan"], watermark=at(2, 0))["segments"]

    assert [(one["segment"], one["cohorts"][0]["retained"]) for one in found] == [
        ({"plan": "c"}, [3, 3]),
        ({"plan": "(other)"}, [3, 3]),
    ]


@pytest.mark.parametrize("windows", ["calendar", "24h"])
@pytest.mark.parametrize("kind", ["classic", "rolling", "bracket"])
def test_slices_and_partitions_add_up(kind, windows):
    given = {"kind": kind, "windows": windows, "segment": "plan"} | ({"brackets": "1,5"} if kind == "bracket" else {})
    once = figure(given, some_events(5), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(5), dimensions=["plan"], partitions=3, per_slice=1) == once
