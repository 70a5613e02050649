import datetime as dt
import random
from zoneinfo import ZoneInfo

import pytest
from support.days import FIRST, at, date, events_of, some_events
from support.population import figure

from stream_app.domain.periods import DAY_MS, EPOCH, Calendar, Grain

NAMES = ("start_active", "end_active", "new", "new_active", "kept", "lost", "resurrected")


def plain(days: dict[str, set[int]], first: int, last: int, window: int) -> dict[str, int]:
    """The row of the days `first` to `last`, from sets."""

    def active(day):
        return {u for u, of in days.items() if any(d in of for d in range(day - window + 1, day + 1))}

    start, end = active(first - 1), active(last)
    new = {u for u, of in days.items() if first <= min(of) <= last}
    return {
        "start_active": len(start),
        "end_active": len(end),
        "new": len(new),
        "new_active": len(new & end),
        "kept": len(start & end),
        "lost": len(start - end),
        "resurrected": len(end - start - new),
    }


def rows(answer):
    return answer["segments"][0]["periods"]


def test_the_textbook_rate_takes_the_new_ones_off_and_the_kept_rate_does_not_count_the_resurrected():
    # 200 at the start, 100 new, 250 at the end: 75 %. Of the 150 others at the end 20 were resurrected.
    days: dict[str, list[int]] = {f"kept{n}": [25, 55] for n in range(130)}
    days |= {f"lost{n}": [25] for n in range(70)}
    days |= {f"back{n}": [0, 55] for n in range(20)}
    days |= {f"new{n}": [40] for n in range(100)}
    row = rows(figure({"figure": "crr", "window": "20"}, events_of(days), watermark=at(60, 0)))[1]

    assert [row[name] for name in NAMES] == [200, 250, 100, 100, 130, 70, 20]
    assert (row["crr"], row["kept_rate"], row["churn_rate"]) == (0.75, 0.65, 0.35)
    assert (row["start"], row["end"]) == ("2024-02-01", "2024-02-29")


def test_the_textbook_rate_can_pass_1():
    row = rows(figure({"figure": "crr", "window": "20"}, events_of({"ann": [0, 55], "bob": [25, 55]}),
                      watermark=at(60, 0)))[1]  # fmt: skip

    assert (row["start_active"], row["resurrected"], row["crr"], row["kept_rate"]) == (1, 1, 2.0, 1.0)


def test_rates_of_nobody_are_null():
    row = rows(figure({"figure": "crr"}, events_of({"ann": [3]}), watermark=at(31, 0)))[0]

    assert (row["start_active"], row["crr"], row["kept_rate"], row["churn_rate"]) == (0, None, None, None)


@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "half-year"])
@pytest.mark.parametrize("window", [1, 2, 7, 30, 100])
def test_every_row_is_what_sets_of_users_give(grain, window):
    seed = random.Random(f"{grain}{window}").randrange(1000)
    zone, calendar = ZoneInfo("America/New_York"), Calendar("America/New_York", "sunday")
    events = some_events(seed, users=20, days=250)
    days: dict[str, set[int]] = {}
    for event in events:
        if event["kind"] != "refund":
            day = (dt.datetime.fromtimestamp(event["time"] / 1000, zone).date() - EPOCH).days
            days.setdefault(event["user"], set()).add(day)
    given = {"figure": "crr", "grain": grain, "window": str(window)}
    found = rows(figure(given, events, calendar=calendar, watermark=at(400), partitions=2, per_slice=3))

    period = calendar.period(Grain(grain), min(map(min, days.values())))
    for row in found:
        first, last = (calendar.first_day(Grain(grain), one) for one in (period, period + 1))
        assert row["start"] == calendar.start_date(Grain.DAY, first)
        assert row["end"] == calendar.start_date(Grain.DAY, last - 1)
        assert {name: row[name] for name in NAMES} == plain(days, first, last - 1, window)
        period += 1
    assert period == calendar.last_closed(Grain(grain), at(400)) + 1


@pytest.mark.parametrize("seed", range(8))
def test_the_whole_is_the_row_of_all_the_time_asked_for(seed):
    events = some_events(seed, users=20)
    days: dict[str, set[int]] = {}
    for event in events:
        if event["kind"] != "refund":
            days.setdefault(event["user"], set()).add(event["time"] // DAY_MS - FIRST)
    given = {"figure": "crr", "window": "10", "from": date(20), "until": date(60)}
    whole = figure(given, events, watermark=at(101))["segments"][0]["whole"]

    known = {user: early for user, of in days.items() if (early := {day for day in of if day < 60})}
    assert {name: whole[name] for name in NAMES} == plain(known, 20, 59, 10)
    assert (whole["start"], whole["end"]) == (date(20), date(59))


@pytest.mark.parametrize("more", [{}, {"from": date(20)}, {"until": date(60)}, {"from": date(20), "until": date(102)}])
def test_there_is_no_whole_without_both_ends_or_before_its_end_has_passed(more):
    answer = figure({"figure": "crr", **more}, some_events(1), watermark=at(101))

    assert answer["segments"][0]["whole"] is None


def test_from_leaves_out_rows_but_not_who_was_active_before():
    events = events_of({"ann": [20, 40]})
    given = {"figure": "crr", "from": "2024-01-15"}

    assert [(row["start"], row["kept"]) for row in rows(figure(given, events, watermark=at(60, 0)))] == [
        ("2024-02-01", 1)
    ]


def test_slices_and_partitions_add_up():
    given = {"figure": "crr", "segment": "plan", "grain": "week", "from": date(7), "until": date(70)}
    once = figure(given, some_events(4), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(4), dimensions=["plan"], partitions=3, per_slice=1) == once


def test_live_rows_leave_out_periods_whose_windows_they_no_longer_hold():
    events = events_of({"ann": [0, 100, 700], "bob": [30]})
    given = {"figure": "crr", "grain": "day", "from": date(450), "until": date(500)}
    live = figure({"figure": "crr", "grain": "day"}, events, watermark=at(701, 0), whole=False)
    whole = figure({"figure": "crr", "grain": "day"}, events, watermark=at(701, 0))

    # The window of a day's start is a day earlier than that of its end.
    assert [row["start"] for row in rows(live)] == [date(day) for day in (*range(384), *range(573 + 30, 701))]
    assert all(row in rows(whole) for row in rows(live))
    assert figure(given, events, watermark=at(701, 0), whole=False)["segments"][0]["whole"] is None
    assert figure(given, events, watermark=at(701, 0))["segments"][0]["whole"]["start_active"] == 0
