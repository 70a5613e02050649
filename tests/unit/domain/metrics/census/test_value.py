import pytest
from support.days import at, date, events_of, paid, some_events
from support.population import figure

from stream_app.domain.periods import Calendar

#: By weeks, which begin with day 0, 7 and so on.
WEEKS = {"figure": "value", "grain": "week"}


def entry(given, events, **more):
    return figure(WEEKS | given, events, **more)["segments"][0]


def money(row):
    names = ("revenue", "revenue_before", "kept_revenue", "returning_revenue", "new_revenue", "resurrected_revenue")
    return {name: row[name] for name in names if row[name]}


def test_totals_count_orders_and_net_the_refunds():
    events = [paid("ann", 0, 1000), paid("ann", 1, 500), paid("bob", 2, 0), paid("ann", 3, -200), paid("cid", 4, -50)]
    answer = figure(WEEKS, events_of({"dan": [0]}) + events)

    assert (answer["currency"], answer["minor_units"]) == ("USD", 2)
    assert answer["segments"][0]["totals"] == {
        "customers": 2,
        "orders": 3,
        "revenue": 1250,
        "refunded": 250,
        "repeat_customers": 1,
        "repeat_rate": 0.5,
        "frequency": 1.5,
        "aov": 1250 / 3,
        "conflicts": 0,
    }


def test_there_are_no_rates_of_nobody():
    totals = entry({}, events_of({"dan": [0]}))["totals"]

    assert (totals["customers"], totals["orders"], totals["revenue"]) == (0, 0, 0)
    assert totals["repeat_rate"] is totals["frequency"] is totals["aov"] is None


def test_an_order_counts_once_whatever_is_told_of_it():
    one = {"order_id": "o1"}
    same = [paid("ann", 0, 100, event_id="a", **one), paid("ann", 0, 100, event_id="b", **one)]
    later = [*same, paid("ann", 8, 70, **one), paid("bob", 8, 100, **one)]

    assert [entry({}, same)["totals"][name] for name in ("orders", "revenue", "conflicts")] == [1, 100, 0]
    for events in (later, later[::-1]):
        found = entry({}, events, watermark=at(14))
        assert [found["totals"][name] for name in ("orders", "revenue", "conflicts")] == [2, 170, 1]
        assert [row["revenue"] for row in found["periods"]] == [170]


def test_totals_are_of_the_orders_from_and_until():
    events = [paid("ann", 0, 1), paid("ann", 1, 2), paid("bob", 1, 4), paid("ann", 2, 8)]
    totals = entry({"from": date(1), "until": date(2)}, events)["totals"]

    assert (totals["revenue"], totals["customers"], totals["repeat_customers"]) == (6, 2, 0)


def test_revenue_adds_up_with_a_cohorts_age_and_is_null_where_open():
    events = [paid("ann", 0, 100), paid("bob", 3, 50), paid("ann", 9, 30), paid("bob", 15, -10), paid("ann", 22, 5)]
    found = entry({"definition": "repurchase"}, events, watermark=at(21, 0))

    assert found["cohorts"] == [
        {"start": date(0), "size": 2, "revenue": [150, 180, 170, None], "ltv": [75.0, 90.0, 85.0, None]}
    ]


def test_money_before_the_cohorts_period_is_left_out_of_its_row():
    events = [paid("ann", 0, 100), *events_of({"ann": [8]}), paid("ann", 9, 30)]

    assert entry({"start": "visit", "return": "any"}, events, watermark=at(14, 0))["cohorts"] == [
        {"start": date(7), "size": 1, "revenue": [30], "ltv": [30.0]}
    ]


def test_periods_say_what_came_from_whom():
    events = [
        paid("ann", 0, 100), paid("bob", 1, 50), paid("cid", 2, 20),
        paid("ann", 7, 80), paid("bob", 8, 70), paid("dan", 9, 10),
        paid("cid", 14, 5), paid("bob", 20, -30),
    ]  # fmt: skip
    first, second, third = entry({}, events, watermark=at(21, 0))["periods"]

    assert (first["customers"], first["orders"], first["aov"]) == (3, 3, 170 / 3)
    assert money(first) == {"revenue": 170, "new_revenue": 170}
    assert first["grr"] is first["nrr"] is None
    assert money(second) == {
        "revenue": 160, "revenue_before": 170, "kept_revenue": 130, "returning_revenue": 150, "new_revenue": 10,
    }  # fmt: skip
    assert (second["grr"], second["nrr"]) == (130 / 170, 150 / 170)
    # Bob's refund is his revenue of the week, and makes him no customer of it.
    assert (third["customers"], third["orders"], third["aov"]) == (1, 1, -25.0)
    assert money(third) == {
        "revenue": -25, "revenue_before": 160, "kept_revenue": -30, "returning_revenue": -30, "resurrected_revenue": 5,
    }  # fmt: skip


def test_a_period_without_money_has_a_row_and_one_after_no_revenue_no_rates():
    events = [paid("ann", 0, 100), paid("ann", 14, 100)]
    _, second, third = entry({}, events, watermark=at(21, 0))["periods"]

    assert (second["orders"], second["aov"], second["grr"], second["nrr"]) == (0, None, 0.0, 0.0)
    assert (third["grr"], third["nrr"], third["resurrected_revenue"]) == (None, None, 100)


def test_who_began_with_a_refund_is_new_then():
    first, second = entry({}, [paid("ann", 0, -10), paid("ann", 7, 100)], watermark=at(14, 0))["periods"]

    assert (first["new_revenue"], second["new_revenue"], second["returning_revenue"]) == (-10, 0, 100)
    assert (first["customers"], second["nrr"]) == (0, None)


def test_the_parts_of_a_periods_revenue_add_up():
    for seed in range(5):
        for row in entry({}, some_events(seed))["periods"]:
            assert row["revenue"] == row["new_revenue"] + row["returning_revenue"] + row["resurrected_revenue"]


def test_only_closed_periods_from_the_first_with_money_on_that_are_asked_for():
    events = [*events_of({"ann": [0]}), paid("ann", 7, 100), paid("ann", 14, 50), paid("ann", 21, 20)]
    starts = lambda given: [row["start"] for row in entry(given, events, watermark=at(22))["periods"]]  # noqa: E731

    assert starts({}) == [date(7), date(14)]
    assert starts({"from": date(8)}) == [date(14)]
    assert starts({"last": "1"}) == [date(14)]
    assert entry({"from": date(8)}, events, watermark=at(22))["periods"][0]["revenue_before"] == 100


def test_periods_of_one_user_need_not_rise_where_clocks_go_back_over_midnight():
    calendar = Calendar("America/St_Johns")  # on 2006-10-29 at 00:01 local time back to 23:01 of the day before
    midnight = 1_162_089_000_000
    events = [
        {"user": "ann", "time": midnight + minutes * 60_000, "kind": "purchase", "amount": 10**minutes}
        for minutes in range(4)
    ]
    assert calendar.day(midnight) > calendar.day(midnight + 120_000)
    found = entry({"grain": "day"}, events, calendar=calendar, watermark=midnight + 4 * 86_400_000)

    assert [row["revenue"] for row in found["periods"]][:2] == [1110, 1]
    assert [row["orders"] for row in found["periods"]][:2] == [3, 1]


@pytest.mark.parametrize("grain", ["day", "week", "month", "quarter", "half-year"])
def test_slices_and_partitions_add_up(grain):
    given = {"figure": "value", "grain": grain, "segment": "plan"}
    once = figure(given, some_events(5), dimensions=["plan"], per_slice=100)

    assert figure(given, some_events(5), dimensions=["plan"], partitions=3, per_slice=1) == once
