from support.days import at, date, events_of, some_events
from support.population import figure


def test_daily_over_monthly_users_for_each_closed_day():
    events = events_of({"ann": [0, 1, 2], "bob": [0]})
    answer = figure({"figure": "stickiness", "window": "2"}, events, watermark=at(4, 0))

    assert answer["window"] == 2
    assert answer["segments"][0]["days"] == [
        {"date": date(0), "dau": 2, "mau": 2, "stickiness": 1.0},
        {"date": date(1), "dau": 1, "mau": 2, "stickiness": 0.5},
        {"date": date(2), "dau": 1, "mau": 1, "stickiness": 1.0},
        {"date": date(3), "dau": 0, "mau": 1, "stickiness": 0.0},
    ]


def test_the_usual_window_is_a_month_of_30_days_whatever_the_inactivity_window():
    days = figure({"figure": "stickiness"}, events_of({"ann": [0]}), watermark=at(31, 0))["segments"][0]["days"]

    assert [row["mau"] for row in days] == [1] * 30 + [0]
    assert days[-1]["stickiness"] is None


def test_the_histogram_has_the_active_days_of_each_user_in_the_last_window():
    events = events_of({"ann": [0, 2, 3, 4], "bob": [4], "cid": [0], "dan": [3, 5]})
    entry = figure({"figure": "stickiness", "window": "3"}, events, watermark=at(5, 0))["segments"][0]

    assert entry["histogram"] == [{"days": 1, "users": 2}, {"days": 2, "users": 0}, {"days": 3, "users": 1}]
    assert sum(one["users"] for one in entry["histogram"]) == entry["days"][-1]["mau"]


def test_several_events_of_one_day_are_one_active_day():
    events = events_of({"ann": [0, 0, 0]})
    entry = figure({"figure": "stickiness", "window": "2"}, events, watermark=at(1, 0))["segments"][0]

    assert entry["histogram"] == [{"days": 1, "users": 1}, {"days": 2, "users": 0}]


def test_there_is_no_histogram_without_a_day_shown():
    entry = figure({"figure": "stickiness", "from": date(9)}, events_of({"ann": [0]}), watermark=at(5))["segments"][0]

    assert entry == {"segment": {}, "days": [], "histogram": []}


def test_slices_and_partitions_add_up():
    given = {"figure": "stickiness", "segment": "plan"}
    once = figure(given, some_events(5), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(5), dimensions=["plan"], partitions=3, per_slice=1) == once


def test_live_rows_leave_out_days_whose_window_they_no_longer_hold():
    events = events_of({"ann": [0, 100, 600]})
    wide = figure({"figure": "stickiness", "window": "129"}, events, watermark=at(601, 0), whole=False)["segments"][0]
    usual = figure({"figure": "stickiness"}, events, watermark=at(601, 0), whole=False)["segments"][0]

    assert [wide["days"][-1]["date"], wide["histogram"]] == [date(383), []]
    assert [row["date"] for row in usual["days"]] == [date(day) for day in (*range(384), *range(473 + 29, 601))]
    assert usual["histogram"][0] == {"days": 1, "users": 1}
