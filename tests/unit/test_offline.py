"""`analyze`: the real purchase log cell by cell, and files that are not what they should be."""

from __future__ import annotations

import gzip
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_app.demo import cdnow
from stream_app.domain.errors import ConfigurationError, QueryError
from stream_app.domain.metrics import Snapshot, churn, retention
from stream_app.domain.periods import Calendar
from stream_app.offline import analyze, read_events

DATA = Path(__file__).parents[1] / "data"
MONTHLY = json.loads((DATA / "cdnow_monthly.json").read_text())
CHURN = json.loads((DATA / "cdnow_churn.json").read_text())
UNTIL = round(datetime.fromisoformat(cdnow.UNTIL).timestamp() * 1000)
UTC_CALENDAR = Calendar()


@pytest.fixture(scope="module")
def log() -> list[bytes]:
    return [value for _, value in cdnow.events()]


@pytest.fixture(scope="module")
def path(log: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The purchase log out of order, a tenth of it twice."""
    mixed = random.Random(7)
    lines = [*log, *mixed.sample(log, len(log) // 10)]
    mixed.shuffle(lines)
    file = tmp_path_factory.mktemp("cdnow") / "events.jsonl.gz"
    file.write_bytes(gzip.compress(b"\n".join(lines), 1))
    return file


@pytest.fixture(scope="module")
def snapshot(path: Path) -> Snapshot:
    return read_events(str(path), calendar=UTC_CALENDAR, dimensions=(cdnow.DIMENSION,), until=UNTIL)


def matrix(snapshot: Snapshot, kind: str, **query: Any) -> list[dict[str, Any]]:
    answer = retention(snapshot, definition="repurchase", grain="month", kind=kind, **query)
    return answer["segments"][0]["cohorts"] if "dimension" not in query else answer["segments"]


@pytest.mark.parametrize(("kind", "counts"), [("classic", "classic_counts"), ("rolling", "on_or_after_counts")])
def test_the_purchase_log_cell_by_cell(snapshot: Snapshot, kind: str, counts: str) -> None:
    expected = [{"start": f"{c['cohort']}-01", "size": c["size"], "retained": c[counts]} for c in MONTHLY["cohorts"]]
    assert matrix(snapshot, kind) == expected
    assert all(
        len(row["retained"]) == c["months_observed"] for row, c in zip(expected, MONTHLY["cohorts"], strict=True)
    )


def test_the_log_in_order_gives_the_same(snapshot: Snapshot, log: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(log) + b"\n")
    query = {"grain": "month", "kind": "classic", "segment": cdnow.DIMENSION}
    answer = analyze(str(file), definition="repurchase", calendar=UTC_CALENDAR, until_ms=UNTIL, **query)
    assert answer["segments"] == matrix(snapshot, "classic", dimension=cdnow.DIMENSION)
    assert (answer["as_of"], answer["kind"], answer["timezone"]) == (cdnow.UNTIL, "classic", "UTC")


def test_tiers_add_up_to_all_customers(snapshot: Snapshot) -> None:
    whole, tiers = matrix(snapshot, "classic"), matrix(snapshot, "classic", dimension=cdnow.DIMENSION)
    assert {s["segment"]["tier"] for s in tiers} == {"low", "mid", "high"}
    for place, row in enumerate(whole):
        of_tiers = [s["cohorts"][place]["retained"] for s in tiers]
        assert [sum(cells) for cells in zip(*of_tiers, strict=True)] == row["retained"]


def test_what_was_read_is_told(snapshot: Snapshot, log: list[bytes]) -> None:
    assert snapshot.totals["read"] == snapshot.totals["counted"] == len(log) + len(log) // 10
    assert (snapshot.totals["users"], snapshot.totals["dead_lettered"]) == (cdnow.CUSTOMERS, 0)


@pytest.mark.parametrize("day", CHURN["as_of"], ids=lambda day: day["as_of_end_of_day"])
def test_churn_as_of_each_day(path: Path, day: dict[str, Any]) -> None:
    date = day["as_of_end_of_day"]
    until = round(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp() * 1000) + 86_400_000
    made = read_events(str(path), calendar=UTC_CALENDAR, until=until)
    *_, last = churn(made, definition="repurchase")["segments"][0]["days"]
    assert last == {
        "date": date,
        "customers": day["customers_to_date"],
        "active": day["active_gap_lt_30"],
        "churned": day["churned_gap_ge_30"],
    }


def test_earlier_days_that_the_ring_still_knows_are_the_same(snapshot: Snapshot) -> None:
    """All of them at once, from a state that has gone on since."""
    (segment,) = churn(snapshot, definition="repurchase", days=90)["segments"]
    known = {d["date"]: (d["customers"], d["active"]) for d in segment["days"]}
    checked = [d for d in CHURN["as_of"] if d["as_of_end_of_day"] in known]
    assert checked
    for day in checked:
        assert known[day["as_of_end_of_day"]] == (day["customers_to_date"], day["active_gap_lt_30"])


# -- where the data ends


def write(tmp_path: Path, *events: dict[str, Any] | bytes) -> str:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(e if isinstance(e, bytes) else orjson.dumps(e) for e in events))
    return str(file)


def visit(user: str, day: int, **more: Any) -> dict[str, Any]:
    time = f"2024-01-{day:02d}T12:00:00Z"
    return {"type": "visit", "event_id": f"{user}{day}", "user_id": user, "occurred_at": time, **more}


def cells(path: str, **options: Any) -> list[Any]:
    query = {"definition": "engagement", "grain": "day", "kind": "classic", "segment": None, **options}
    answer = analyze(path, calendar=UTC_CALENDAR, **query)
    return [(row["start"][-2:], row["retained"]) for row in answer["segments"][0]["cohorts"]]


def test_the_last_event_is_the_watermark_unless_an_end_is_given(tmp_path: Path) -> None:
    file = write(tmp_path, visit("a", 1), visit("a", 3))
    assert cells(file) == [("01", [1, 0, None])]
    day = 86_400_000
    fourth = round(datetime(2024, 1, 4, tzinfo=UTC).timestamp() * 1000)
    assert cells(file, until_ms=fourth) == [("01", [1, 0, 1])]
    assert cells(file, until_ms=fourth + 2 * day) == [("01", [1, 0, 1, 0, 0])]
    assert cells(file, until_ms=fourth - 2 * day) == [("01", [1])]


def test_data_that_ends_before_it_begins_is_empty(tmp_path: Path) -> None:
    assert cells(write(tmp_path, visit("a", 1)), until_ms=1) == []


def test_an_empty_file_has_no_cohorts(tmp_path: Path) -> None:
    assert cells(write(tmp_path)) == []
    assert analyze(write(tmp_path), definition="engagement", grain="day", kind="classic", segment="plan",
                   calendar=UTC_CALENDAR)["segments"] == []  # fmt: skip


# -- bad input


def test_bad_records_are_counted_and_told_with_their_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path, visit("a", 1), b"{", visit("b", 1), visit("", 1))
    made = read_events(file, calendar=UTC_CALENDAR)
    assert {name: made.totals[name] for name in ("read", "counted", "dead_lettered", "users")} == {
        "read": 4, "counted": 2, "dead_lettered": 2, "users": 2,
    }  # fmt: skip
    assert "line 2: not_json" in caplog.text
    assert "line 4: bad_user_id" in caplog.text
    assert "2 of 4 records" in caplog.text


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none of its 2 records is an event; the first: .*line 1"):
        read_events(write(tmp_path, b"a,b,c", b"1,2,3"), calendar=UTC_CALENDAR)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.jsonl: the file cannot be read"):
        read_events(str(tmp_path / "nothing.jsonl"), calendar=UTC_CALENDAR)


@pytest.mark.parametrize("wrong", [{"definition": "x"}, {"grain": "hour"}, {"kind": "x"}])
def test_a_wrong_query_shows_before_the_file_is_read(wrong: dict[str, str]) -> None:
    query = {"definition": "engagement", "grain": "day", "kind": "classic", "segment": None, **wrong}
    with pytest.raises(QueryError):
        analyze("/nowhere", calendar=UTC_CALENDAR, **query)
