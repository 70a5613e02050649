"""Churn by inactivity window: closed days, the window's edges, what the ring still knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.counting import Part, merge
from support.engine import CALENDAR, DAY, START
from support.snapshots import churn

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot

NOON = START + DAY // 2


def visits(**days: list[int]) -> list[dict[str, Any]]:
    return [
        {"user": user, "time": NOON + day * DAY, "kind": "visit", "event_id": f"{user}{day}",
         "segment": {"plan": user[:1]}}
        for user, some in days.items() for day in some
    ]  # fmt: skip


def snapshot(events: list[dict[str, Any]], closed_days: int, window: int = 30) -> Snapshot:
    part = Part(CALENDAR, inactivity_days=window)
    part.take(events)
    part.commit()
    last = max((e["time"] for e in events), default=None)
    return merge([part], watermark=START + closed_days * DAY, last_event=last)


def days(answer: dict[str, Any], segment: int = 0) -> list[tuple[str, int, int, int]]:
    return [(d["date"], d["customers"], d["active"], d["churned"]) for d in answer["segments"][segment]["days"]]


def test_a_customer_is_active_for_as_many_days_as_the_window_and_then_churned():
    answer = churn(snapshot(visits(a=[0], b=[1, 3]), 6, window=3), definition="engagement")
    assert days(answer) == [
        ("2024-01-01", 1, 1, 0),
        ("2024-01-02", 2, 2, 0),
        ("2024-01-03", 2, 2, 0),
        ("2024-01-04", 2, 1, 1),  # three days and more since a's last activity
        ("2024-01-05", 2, 1, 1),
        ("2024-01-06", 2, 1, 1),
    ]
    assert (answer["inactivity_days"], answer["timezone"], answer["as_of"]) == (3, "UTC", "2024-01-07T00:00:00Z")


def test_churn_is_reversible():
    answer = churn(snapshot(visits(a=[0, 10]), 12, window=2), definition="engagement")
    assert [active for _, _, active, _ in days(answer)] == [1, 1] + [0] * 8 + [1, 1]


def test_a_day_that_has_not_closed_is_not_there():
    half = snapshot(visits(a=[0, 1]), 2)
    assert [date for date, *_ in days(churn(half, definition="engagement"))] == ["2024-01-01", "2024-01-02"]
    sooner = merge_at(half, START + 2 * DAY - 1)
    assert [date for date, *_ in days(churn(sooner, definition="engagement"))] == ["2024-01-01"]
    before = merge_at(half, None)
    assert days(churn(before, definition="engagement")) == []


def merge_at(snapshot: Snapshot, watermark: int | None) -> Snapshot:
    from dataclasses import replace

    return replace(snapshot, watermark=watermark)


def test_only_the_latest_days_are_shown_with_all_earlier_customers():
    answer = churn(snapshot(visits(a=[0], b=[2], c=[8]), 10), definition="engagement", days=3)
    assert [row[:2] for row in days(answer)] == [("2024-01-08", 2), ("2024-01-09", 3), ("2024-01-10", 3)]


def test_days_whose_window_is_no_longer_known_are_left_out():
    """The ring holds 128 days, so a window of 30 is whole for 98 of them, the one that is under way among them."""
    events = visits(a=[0, 300])
    answer = days(churn(snapshot(events, 301), definition="engagement", days=500))
    assert len(answer) == 97
    assert answer[0] == ("2024-07-23", 1, 0, 1)
    assert answer[-1] == ("2024-10-27", 1, 1, 0)


def test_segments_are_shown_by_size_and_the_rest_summed():
    events = visits(a=[0], aa=[1], b=[0], c=[0])
    answer = churn(snapshot(events, 2), definition="engagement", dimension="plan", top=1)
    assert [s["segment"] for s in answer["segments"]] == [{"plan": "a"}, {"plan": "(other)"}]
    assert [row[1] for row in days(answer, 0)] == [1, 2]
    assert [row[1] for row in days(answer, 1)] == [2, 2]


def test_a_definition_has_its_own_customers():
    made = snapshot(visits(a=[0]), 3)
    assert days(churn(made, definition="repurchase")) == []
    assert churn(made, definition="repurchase")["segments"] == [{"segment": {}, "days": []}]
