"""A dimension that no record of JSON lines has is refused, as a column that is not there is."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest

from stream_app.codecs import jsonlines
from stream_app.domain.errors import ConfigurationError
from stream_app.offline import Reading, analyze

if TYPE_CHECKING:
    from pathlib import Path


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "type": "visit", "user_id": f"u{number}", "occurred_at": "2026-01-01"} | fields


def count(folder: Path, events: list[Any], segment: str, reading: Reading | None = None) -> list[str]:
    """The values of the segment that are counted."""
    path = folder / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(json.dumps(one).encode() + b"\n" for one in events)))
    answer = analyze(str(path), {"segment": segment}, reading=reading)
    return [entry["segment"][segment] for entry in answer["segments"]]


MAPPED = Reading(None, {"user_id": "user_id"})
PRO = event(1, occurred_at="2026-01-01T00:00:00Z", segment={"plan": "pro", "country": None})


@pytest.mark.parametrize("reading", [None, MAPPED])
def test_a_misspelt_dimension_is_refused_with_the_names_that_are_there(tmp_path: Path, reading: Reading | None) -> None:
    said = (
        "segment plam: no record looked at has this dimension; did you mean 'plan'\\? the names there are plan, country"
    )
    with pytest.raises(ConfigurationError, match=said):
        count(tmp_path, [PRO], "plam", reading)


def test_records_without_segments_are_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="segment plan: no record looked at has this dimension; the records have no seg"
    ):
        count(tmp_path, [event(1, occurred_at="2026-01-01T00:00:00Z")], "plan")


def test_a_field_beside_the_segment_is_pointed_at(tmp_path: Path) -> None:
    events = [PRO | {"tier": "x"}]
    with pytest.raises(ConfigurationError, match=r"but as a field beside; write --map segment\.tier=tier"):
        count(tmp_path, events, "tier")
    assert count(tmp_path, events, "tier", Reading(None, {"segment.tier": "tier"})) == ["x"]


def test_a_path_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"there is nothing at 'tie' in any record looked at; correct --map segment\.tier=tie"
    ):
        count(tmp_path, [PRO], "tier", Reading(None, {"segment.tier": "tie"}))


def test_one_record_that_has_it_is_enough_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonlines, "BLOCK_LINES", 3)
    bare = [event(n, occurred_at="2026-01-01T00:00:00Z") for n in range(2, 20)]
    assert count(tmp_path, [*bare, PRO], "plan") == ["(none)", "pro"]
    assert count(tmp_path, [PRO], "plan", Reading(None, {}, {"segment.plan": "pro"})) == ["pro"]


def test_a_dimension_that_is_there_without_a_value_is_only_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert count(tmp_path, [PRO], "country") == ["(none)"]
    assert "segment country: no record has a value of it; every user is (none)." in caplog.text


@pytest.mark.parametrize("tier", ["", None])
def test_a_mapped_field_without_a_value_is_only_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, tier: str | None
) -> None:
    assert count(tmp_path, [PRO | {"tier": tier}], "tier", Reading(None, {"segment.tier": "tier"})) == ["(none)"]
    assert "segment tier: no record has a value of it" in caplog.text


def test_a_field_beside_a_segment_that_is_null_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"write --map segment\.tier=tier"):
        count(tmp_path, [PRO | {"segment": None, "tier": "x"}], "tier")


def test_where_fields_are_mapped_those_beside_the_segment_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'tier'"):
        count(
            tmp_path,
            [event(1, occurred_at="2026-01-01T00:00:00Z", tier="x")],
            "tierr",
            Reading(None, {}, {"type": "visit"}),
        )


def test_few_names_are_told(tmp_path: Path) -> None:
    many = PRO | {"segment": {f"d{n}": "x" for n in range(12)}}
    with pytest.raises(ConfigurationError, match="d0, d1, d2, d3, d4, d5, d6, d7, d8, d9 \\.\\.\\.; name one"):
        count(tmp_path, [many, {"segment": 3}, 7], "plan")


def test_a_file_without_events_says_so_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="none of its 1 records is an event"):
        count(tmp_path, [{"user_id": 1}], "plan")
    assert count(tmp_path, [], "plan") == []
