"""The oracle itself, against examples worked by hand."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from oracle import Oracle


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
