"""What lies at the edge of the counted time: the first instants of 1970, and orders that end after `until`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stream_app.offline import analyze
from stream_app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def entry_of(path: Path, events: list[dict[str, Any]], given: dict[str, str], **settings: Any) -> dict[str, Any]:
    file = path / "events.jsonl"
    file.write_text("".join(json.dumps({"user_id": "u", "type": "visit"} | event) + "\n" for event in events))
    (entry,) = analyze(str(file), given, settings=Settings(**settings))["segments"]
    return entry  # type: ignore[no-any-return]


def test_west_of_greenwich_the_first_hours_of_1970_are_a_day_of_1969(tmp_path: Path) -> None:
    events = [
        {"event_id": "1", "user_id": "a", "occurred_at": "1970-01-01T01:00:00Z"},
        {"event_id": "2", "user_id": "b", "occurred_at": "1970-01-01T03:00:00Z"},
        {"event_id": "3", "user_id": "a", "occurred_at": "1970-01-02T10:00:00Z"},
        {"event_id": "4", "user_id": "b", "occurred_at": "1970-01-03T10:00:00Z"},
    ]
    rows = entry_of(tmp_path, events, {"figure": "lifecycle"}, timezone="America/New_York")["periods"]
    assert [(row["start"], row["active"], row["new"]) for row in rows] == [
        ("1969-12-31", 2, 2), ("1970-01-01", 0, 0), ("1970-01-02", 1, 0),
    ]  # fmt: skip


def test_an_order_whose_latest_form_comes_after_until_is_not_of_the_time_before(tmp_path: Path) -> None:
    order = {"type": "purchase", "currency": "USD"}
    events = [
        {"event_id": "1", "occurred_at": "2024-01-02T10:00:00Z", "order_id": "kept", "amount": 5} | order,
        {"event_id": "2", "occurred_at": "2024-01-03T10:00:00Z", "order_id": "moved", "amount": 7} | order,
        {"event_id": "3", "occurred_at": "2024-02-03T10:00:00Z", "order_id": "moved", "amount": 9} | order,
        {"event_id": "4", "user_id": "later", "occurred_at": "2024-02-04T10:00:00Z", "order_id": "x", "amount": 1}
        | order,
    ]
    entry = entry_of(tmp_path, events, {"figure": "value", "until": "2024-02-01"})
    assert (entry["totals"]["orders"], entry["totals"]["revenue"], entry["totals"]["conflicts"]) == (1, 500, 0)
    whole = entry_of(tmp_path, events, {"figure": "value"})
    assert whole["periods"][0] == entry["periods"][0]  # January is the same however much came after it
    # What was done is activity all the same.
    days = entry_of(tmp_path, events, {"figure": "churn", "until": "2024-02-01", "grain": "month"})["days"]
    assert [row["customers"] for row in days] == [1]


def test_what_ended_by_until_is_closed_even_if_all_events_come_later(tmp_path: Path) -> None:
    """As the live service says it: its watermark has passed `until`. Without any event it stands still."""
    events = [{"event_id": "1", "occurred_at": "2024-03-01T10:00:00Z"}]
    given = {"figure": "crr", "from": "2024-01-01", "until": "2024-02-01"}
    file = tmp_path / "events.jsonl"
    assert entry_of(tmp_path, events, given)["whole"]["end_active"] == 0
    assert analyze(str(file), given)["as_of"] == "2024-02-01T00:00:00Z"
    file.write_text("")
    assert analyze(str(file), given)["as_of"] is None
