"""The oracle itself, against examples worked by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from oracle import Clock, Oracle, Question, answer


def at(text: str, timezone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1000)


def event(user: str, time: int, kind: str = "visit", event_id: str = "e", **segment: str) -> dict[str, Any]:
    return {"user": user, "time": time, "kind": kind, "event_id": event_id, "segment": segment}


def cohorts(oracle: Oracle, **query: Any) -> list[dict[str, Any]]:
    (segment,) = oracle.retention(**{"definition": "engagement", "grain": "day"} | query)["segments"]
    return segment["cohorts"]  # type: ignore[no-any-return]


def returns_on_days(watermark_day: int) -> tuple[Oracle, int]:
    """PostHog issue #13748: three users begin on day 0; one returns on day 1, one on day 5, one never."""
    oracle = Oracle(event(user, at("2024-01-01T10:00")) for user in "abc")
    oracle.add(event("a", at("2024-01-02T09:00")), event("b", at("2024-01-06T23:00")))
    return oracle, at("2024-01-01") + watermark_day * 86_400_000


def test_classic_counts_the_day_and_rolling_the_day_or_later() -> None:
    oracle, watermark = returns_on_days(7)
    assert cohorts(oracle, watermark=watermark) == [
        {"start": "2024-01-01", "size": 3, "retained": [3, 1, 0, 0, 0, 1, 0]}
    ]
    assert cohorts(oracle, kind="rolling", watermark=watermark)[0]["retained"] == [3, 2, 1, 1, 1, 1, 0]


def test_a_period_that_has_not_closed_is_null_and_never_zero() -> None:
    oracle, watermark = returns_on_days(4)
    assert cohorts(oracle, watermark=watermark)[0]["retained"] == [3, 1, 0, 0, None, None]
    assert cohorts(oracle, watermark=watermark - 1)[0]["retained"] == [3, 1, 0, None, None, None]
    # All events known count, also those after the last closed period.
    assert cohorts(oracle, kind="rolling", watermark=watermark)[0]["retained"] == [3, 2, 1, 1, None, None]
    assert cohorts(oracle, watermark=at("2024-01-01"))[0] == {"start": "2024-01-01", "size": 3, "retained": [None] * 6}


def test_before_any_watermark_nothing_is_known() -> None:
    oracle, _ = returns_on_days(0)
    answer = oracle.retention(definition="engagement", grain="day", watermark=None)
    assert (answer["as_of"], answer["segments"]) == (None, [{"segment": {}, "cohorts": []}])


def test_the_horizon_limits_the_row_and_later_returns_count_as_its_last_index() -> None:
    oracle = Oracle([event("a", at("2024-01-01T00:00")), event("a", at("2030-06-01T00:00"))])
    row = cohorts(oracle, grain="month", kind="rolling", watermark=at("2030-07-01"))[0]["retained"]
    assert row == [1] * 64
    assert cohorts(oracle, grain="month", watermark=at("2030-07-01"))[0]["retained"] == [1] + [0] * 63


def test_only_purchases_count_for_repurchase_and_a_refund_for_nothing() -> None:
    oracle = Oracle([
        event("a", at("2024-01-01T10:00")),
        event("a", at("2024-01-02T10:00"), "purchase"),
        event("a", at("2024-01-03T10:00"), "refund"),
        event("b", at("2024-01-01T10:00"), "refund"),
    ])  # fmt: skip
    watermark = at("2024-01-04")
    assert cohorts(oracle, watermark=watermark) == [{"start": "2024-01-01", "size": 1, "retained": [1, 1, 0]}]
    assert cohorts(oracle, definition="repurchase", watermark=watermark) == [
        {"start": "2024-01-02", "size": 1, "retained": [1, 0]}
    ]


@pytest.mark.parametrize(
    ("week_start", "start"), [("monday", "2023-12-25"), ("sunday", "2023-12-31"), ("wednesday", "2023-12-27")]
)
def test_weeks_begin_on_the_configured_day(week_start: str, start: str) -> None:
    oracle = Oracle([event("a", at("2023-12-31T12:00"))], week_start=week_start)
    assert cohorts(oracle, grain="week", watermark=at("2024-01-10"))[0]["start"] == start


def test_days_follow_the_business_time_zone_over_a_clock_change() -> None:
    # The night of the change has 23 hours: 31 March ends at 22:00 UTC, 30 March at 23:00.
    berlin = "Europe/Berlin"
    oracle = Oracle(
        [event("a", at("2024-03-30T23:59", berlin)), event("a", at("2024-03-31T23:59", berlin))], timezone=berlin
    )
    assert cohorts(oracle, watermark=at("2024-03-31T22:00"))[0]["retained"] == [1, 1]
    assert cohorts(oracle, watermark=at("2024-03-31T22:00") - 1)[0]["retained"] == [1, None]


def test_the_segment_is_that_of_the_first_event_and_of_equal_times_the_least_event_id() -> None:
    time = at("2024-01-01T10:00")
    oracle = Oracle([
        event("a", time, event_id="2", plan="pro"),
        event("a", time, event_id="1", plan="free"),
        event("a", time + 1, event_id="0", plan="late"),
        event("b", time),
    ])  # fmt: skip
    assert oracle.values("plan") == {"a": "free", "b": "(none)"}


def test_the_largest_values_are_shown_and_the_rest_summed() -> None:
    time = at("2024-01-01T10:00")
    plans = ["c"] * 3 + ["a"] * 2 + ["b"] * 2 + ["d"] + ["(other)"] * 9
    oracle = Oracle(event(str(i), time, plan=plan) for i, plan in enumerate(plans))
    answer = oracle.retention(definition="engagement", grain="day", dimension="plan", top=2, watermark=at("2024-01-02"))
    assert [(s["segment"]["plan"], s["cohorts"][0]["size"]) for s in answer["segments"]] == [
        ("c", 3), ("a", 2), ("(other)", 12),
    ]  # fmt: skip


def test_churn_looks_back_over_the_days_that_end_with_the_day() -> None:
    oracle = Oracle([event("a", at("2024-01-01T23:00")), event("b", at("2024-01-03T01:00"))], inactivity_days=2)
    answer = oracle.churn(definition="engagement", watermark=at("2024-01-06"))
    days = answer.pop("segments")[0]["days"]
    assert answer == {
        "definition": "engagement", "inactivity_days": 2, "timezone": "UTC", "as_of": "2024-01-06T00:00:00Z",
    }  # fmt: skip
    assert [(d["date"][-2:], d["customers"], d["active"], d["churned"]) for d in days] == [
        ("01", 1, 1, 0), ("02", 1, 1, 0), ("03", 2, 1, 1), ("04", 2, 1, 1), ("05", 2, 0, 2),
    ]  # fmt: skip
    latest = oracle.churn(definition="engagement", days=2, watermark=at("2024-01-06") - 1)["segments"][0]["days"]
    assert [d["date"] for d in latest] == ["2024-01-03", "2024-01-04"]


# Every figure once by hand. The days of January 2024: a 1, 2, 9; b 2, 3; c 9 (a purchase each, b's second refunded).
def ask(figure: str, grain: str = "day", *, last: int = 12, **query: Any) -> dict[str, Any]:
    days = {"a": (1, 2, 9), "b": (2, 3), "c": (9,)}
    events = [
        event(user, at(f"2024-01-{day:02d}T10:30"), "purchase", f"{user}{day}")
        | {"order_id": f"{user}{day}", "amount": day}
        for user, of in days.items()
        for day in of
    ]
    events += [event("b", at("2024-01-04"), "refund", "r") | {"amount": -3}]
    events += [event("a", at("2024-01-02T11:00"), "purchase", "again") | {"order_id": "a2", "amount": 7}]
    question = Question(figure, grain, at(f"2024-01-{last:02d}"), "repurchase", "purchase", "purchase", **query)
    (entry,) = answer(events, Clock(), question)["segments"]
    return entry  # type: ignore[no-any-return]


def columns(rows: list[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


def test_brackets_join_periods_and_are_observed_when_their_last_one_closed() -> None:
    entry = ask("retention", kind="bracket", brackets=(1, 2, 6))
    assert [row["retained"] for row in entry["cohorts"]] == [[1, 1, 0, 1], [1, 1, 0, 0], [1, 0, None, None]]
    # The cohort of 9 January drops out where it is not observed: 2 of 3, then 0 and 1 of 2.
    assert entry["mean"]["rate"] == [1, 2 / 3, 0, 1 / 2]
    assert (entry["mean"]["users"], entry["mean"]["cohorts"]) == ([3, 3, 2, 2], [3, 3, 2, 2])
    low, high = entry["mean"]["low"][3], entry["mean"]["high"][3]
    assert (round(low, 4), round(high, 4)) == (0.0945, 0.9055)  # Wilson, 1 of 2


def test_a_24_hour_window_counts_those_whose_window_has_closed() -> None:
    entry = ask("retention", windows="24h", kind="classic")
    assert entry["cohorts"][2] == {"start": "2024-01-09", "size": 1, "retained": [1, 0, None], "reached": [1, 1, 0]}
    assert entry["cohorts"][0]["retained"][:3] == [1, 1, 0]


def test_a_recurring_cohort_is_whoever_was_there() -> None:
    entry = ask("retention", cohorts="recurring", kind="classic", last=5)
    assert [(row["size"], row["retained"]) for row in entry["cohorts"]] == [
        (1, [1, 1, 0, 0, None, None, None, None, None]),
        (2, [2, 1, 0, None, None, None, None, None]),
        (1, [1, 0, None, None, None, None, None]),
        (2, [None]),
    ]


def test_a_return_may_need_several_days_of_its_period() -> None:
    entry = ask("retention", "week", cohorts="recurring", kind="classic", min_active=2, last=15)
    assert [row["retained"] for row in entry["cohorts"]] == [[2, 0], [2]]
    assert ask("retention", "week", kind="classic", last=15)["cohorts"][0]["retained"] == [2, 1]


def test_customers_kept_and_lost() -> None:
    (whole,) = [ask("crr", window=3, begin=at("2024-01-04"), until=at("2024-01-10"))["whole"]]
    # Active at the beginning of the 4th: a and b. At that of the 10th: a, who came back, and c, who is new.
    assert whole == {
        "start": "2024-01-04", "end": "2024-01-09", "start_active": 2, "end_active": 2, "new": 1, "new_active": 1,
        "kept": 1, "lost": 1, "resurrected": 0, "crr": 0.5, "kept_rate": 0.5, "churn_rate": 0.5,
    }  # fmt: skip
    days = ask("churn", window=3)["days"]
    assert columns(days[4:9], "customers", "active") == [(2, 1), (2, 0), (2, 0), (2, 0), (3, 2)]


def test_the_lifecycle_of_days() -> None:
    rows = ask("lifecycle")["periods"]
    assert columns(rows[:4], "active", "new", "returning", "resurrected", "dormant", "quick_ratio") == [
        (1, 1, 0, 0, 0, None), (2, 1, 1, 0, 0, None), (1, 0, 1, 0, 1, 0.0), (0, 0, 0, 0, 1, 0.0),
    ]  # fmt: skip
    assert columns(rows[8:10], "active", "new", "resurrected", "dormant") == [(2, 1, 1, 0), (0, 0, 0, 2)]


def test_stickiness_and_its_histogram() -> None:
    entry = ask("stickiness", window=8, last=10)
    assert entry["days"][-1] == {"date": "2024-01-09", "dau": 2, "mau": 3, "stickiness": 2 / 3}
    assert columns(entry["histogram"][:3], "days", "users") == [(1, 1), (2, 2), (3, 0)]


def test_value_counts_an_order_once_and_a_refund_as_revenue_only() -> None:
    entry = ask("value", "week", last=15)
    totals = {"customers": 3, "orders": 6, "revenue": 1 + 7 + 9 + 2 + 3 - 3 + 9, "refunded": 3, "conflicts": 1}
    assert {name: entry["totals"][name] for name in totals} == totals  # of order a2 the later version counts: 7
    assert (entry["totals"]["repeat_rate"], entry["totals"]["frequency"]) == (2 / 3, 2)
    assert entry["cohorts"][0]["revenue"] == [10, 19]
    names = ("customers", "orders", "revenue", "revenue_before", "grr", "nrr", "new_revenue", "resurrected_revenue")
    assert columns(entry["periods"][1:], *names) == [(2, 2, 18, 10, 0.8, 0.9, 9, 0)]


def test_survival_by_hand() -> None:
    entry = ask("survival", "week", kind="churn", window=3)["all"]
    # a and b are lost three days after the 2nd and the 3rd: day 4 of both; c is watched for two days.
    assert columns([entry], "size", "events", "censored", "days", "at_risk", "died", "survival", "median") == [
        (3, 2, 1, [4], [2], [2], [0.0], 4)
    ]
    entry = ask("survival", "week", kind="return")["all"]
    assert columns([entry], "days", "at_risk", "died", "survival") == [([1], [3], [2], [1 / 3])]


def test_concentration_rounds_a_tenth_up() -> None:
    (first, _) = ask("concentration", "week", last=15)["periods"]
    assert columns([first], "users", "top_users", "activity", "top_activity", "revenue", "top_revenue") == [
        (2, 1, 4, 2, 10, 8)
    ]
    assert (first["activity_share"], first["revenue_share"]) == (0.5, 0.8)
