from collections import Counter, defaultdict

import pytest
from support.days import at, date, events_of, paid, some_events
from support.population import figure

from stream_app.domain.periods import DAY_MS, Calendar, Grain


def rows(answer):
    return answer["segments"][0]["periods"]


def test_the_top_tenth_is_rounded_up_and_ranked_by_active_days():
    days = {"often": range(9), **{f"u{n}": [n, n] for n in range(10)}}
    row = rows(figure({"figure": "concentration"}, events_of(days), watermark=at(31, 0)))[0]

    assert row == {
        "start": date(0),
        "users": 11,
        "top_users": 2,
        "activity": 19,
        "top_activity": 10,
        "activity_share": 10 / 19,
        "customers": 0,
        "top_customers": 0,
        "revenue": 0,
        "top_revenue": 0,
        "revenue_share": None,
    }


def test_revenue_is_net_of_refunds_and_a_user_with_only_a_refund_is_a_customer():
    events = [paid("ann", 0, 1000), paid("ann", 1, -400), paid("bob", 2, 900), paid("cid", 3, -100)]
    row = rows(figure({"figure": "concentration"}, events, watermark=at(31, 0)))[0]

    assert (row["users"], row["activity"]) == (2, 2)
    assert [row[name] for name in ("customers", "top_customers", "revenue", "top_revenue")] == [3, 1, 1400, 900]
    assert row["revenue_share"] == 900 / 1400


def test_a_share_of_no_revenue_or_of_more_refunds_than_orders_is_null():
    events = [paid("ann", 0, 0), paid("ann", 31, 100), paid("bob", 31, -300)]
    found = rows(figure({"figure": "concentration"}, events, watermark=at(60, 0)))

    assert [(row["revenue"], row["top_revenue"], row["revenue_share"]) for row in found] == [
        (0, 0, None),
        (-200, 100, None),
    ]


def test_periods_follow_without_gaps_from_the_first_with_activity_or_money():
    events = [paid("ann", 0, 500), *events_of({"ann": [70]})]
    found = rows(figure({"figure": "concentration", "start": "visit", "return": "visit"}, events, watermark=at(91, 0)))

    assert [(row["start"], row["users"], row["activity_share"], row["revenue_share"]) for row in found] == [
        ("2024-01-01", 0, None, 1.0),
        ("2024-02-01", 0, None, None),
        ("2024-03-01", 1, 1.0, None),
    ]


@pytest.mark.parametrize("grain", ["week", "month", "quarter", "half-year"])
def test_every_row_is_what_plain_counting_gives(grain):
    events = some_events(7, users=35)
    calendar, activity, revenue = Calendar(), defaultdict(set), defaultdict(Counter)
    for event in events:
        day = event["time"] // DAY_MS
        period = calendar.period(Grain(grain), day)
        if event["kind"] != "refund":
            activity[period].add((event["user"], day))
        if event["kind"] != "visit":
            revenue[period][event["user"]] += event["amount"]
    found = rows(figure({"figure": "concentration", "grain": grain}, events, watermark=at(400), partitions=2))

    first = calendar.period(Grain(grain), min(event["time"] for event in events) // DAY_MS)
    assert found[0]["start"] == calendar.start_date(Grain(grain), first)
    for period, row in enumerate(found, first):
        by_user = sorted(Counter(user for user, _ in activity[period]).values(), reverse=True)
        paid_by = sorted(revenue[period].values(), reverse=True)
        top, top_paid = -(-len(by_user) // 10), -(-len(paid_by) // 10)
        assert (row["users"], row["top_users"], row["activity"], row["top_activity"]) == (
            len(by_user), top, sum(by_user), sum(by_user[:top]),
        )  # fmt: skip
        assert (row["customers"], row["top_customers"], row["revenue"], row["top_revenue"]) == (
            len(paid_by), top_paid, sum(paid_by), sum(paid_by[:top_paid]),
        )  # fmt: skip


def test_an_open_period_has_no_row_and_neither_has_one_that_begins_before_from():
    events = events_of({"ann": [0, 40, 70]})

    assert [row["start"] for row in rows(figure({"figure": "concentration"}, events, watermark=at(80)))] == [
        "2024-01-01", "2024-02-01",
    ]  # fmt: skip
    given = {"figure": "concentration", "from": date(1)}
    assert [row["start"] for row in rows(figure(given, events, watermark=at(80)))] == ["2024-02-01"]


def test_slices_and_partitions_add_up():
    given = {"figure": "concentration", "segment": "plan", "grain": "week"}
    once = figure(given, some_events(8), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(8), dimensions=["plan"], partitions=3, per_slice=1) == once


def test_live_rows_leave_out_periods_whose_days_they_no_longer_hold():
    events = events_of({"ann": [0, 100, 700]})
    found = rows(figure({"figure": "concentration"}, events, watermark=at(1000), whole=False))

    # Days 0 to 383 are held, and 573 to 700 and what follows.
    assert [row["start"] for row in found][:13][-2:] == ["2024-12-01", "2025-08-01"]
    assert len(found) == 12 + 13  # until 2026-08
