"""`analyze`: the real purchase log cell by cell, and files that are not what they should be."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from stream_app.demo import cdnow
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.metrics.query import FIGURES, ParameterError
from stream_app.offline import analyze
from stream_app.settings import Settings

DATA = Path(__file__).parents[1] / "data"
MONTHLY = json.loads((DATA / "cdnow_monthly.json").read_text())
MONTHS = {"definition": "repurchase", "grain": "month", "until": cdnow.UNTIL}


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


@pytest.mark.parametrize(("kind", "counts"), [("classic", "classic_counts"), ("rolling", "on_or_after_counts")])
def test_the_purchase_log_cell_by_cell(path: Path, kind: str, counts: str) -> None:
    expected = [{"start": f"{c['cohort']}-01", "size": c["size"], "retained": c[counts]} for c in MONTHLY["cohorts"]]
    assert analyze(str(path), MONTHS | {"kind": kind})["segments"][0]["cohorts"] == expected
    assert all(
        len(row["retained"]) == c["months_observed"] for row, c in zip(expected, MONTHLY["cohorts"], strict=True)
    )


def test_the_log_in_order_gives_the_same(path: Path, log: list[bytes], tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(log) + b"\n")
    given = MONTHS | {"segment": cdnow.DIMENSION}
    mixed, answer = analyze(str(path), given), analyze(str(file), given)
    assert (answer["as_of"], answer["late_share"]) == (cdnow.UNTIL, 0.0)
    assert answer == mixed


def test_tiers_add_up_to_all_customers(path: Path) -> None:
    (whole,) = analyze(str(path), MONTHS)["segments"]
    tiers = analyze(str(path), MONTHS | {"segment": cdnow.DIMENSION})["segments"]
    assert {s["segment"]["tier"] for s in tiers} == {"low", "mid", "high"}
    for place, row in enumerate(whole["cohorts"]):
        of_tiers = [s["cohorts"][place]["retained"] for s in tiers]
        assert [sum(cells) for cells in zip(*of_tiers, strict=True)] == row["retained"]


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_is_of_all_customers_whatever_the_order_of_the_file(figure: str, path: Path, log: list[bytes],
                                                                        tmp_path: Path) -> None:  # fmt: skip
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(log))
    given = {"figure": figure, "definition": "repurchase", "until": "1998-07-01"}
    mixed, answer = analyze(str(path), given), analyze(str(file), given)
    assert answer["segments"] == mixed["segments"]
    assert answer["schema"] == f"stream-app/{figure}/1"


# -- where the data ends


def write(tmp_path: Path, *events: dict[str, Any] | bytes) -> str:
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(e if isinstance(e, bytes) else orjson.dumps(e) for e in events))
    return str(file)


def visit(user: str, day: int, **more: Any) -> dict[str, Any]:
    time = f"2024-01-{day:02d}T12:00:00Z"
    return {"type": "visit", "event_id": f"{user}{day}", "user_id": user, "occurred_at": time, **more}


def cells(path: str, **given: str) -> list[Any]:
    answer = analyze(path, given)
    return [(row["start"][-2:], row["retained"]) for row in answer["segments"][0]["cohorts"]]


def test_the_last_event_is_the_watermark_unless_an_end_is_given(tmp_path: Path) -> None:
    file = write(tmp_path, visit("a", 1), visit("a", 3))
    assert cells(file) == [("01", [1, 0, None])]
    assert cells(file, until="2024-01-04") == [("01", [1, 0, 1])]
    assert cells(file, until="2024-01-06") == [("01", [1, 0, 1, 0, 0])]
    assert cells(file, until="2024-01-02") == [("01", [1])]


def test_data_that_ends_before_it_begins_is_empty(tmp_path: Path) -> None:
    answer = analyze(write(tmp_path, visit("a", 1)), {"until": "1971-01-01"})
    assert (answer["as_of"], answer["late_share"]) == ("1971-01-01T00:00:00Z", None)  # as of the live service
    assert answer["segments"][0]["cohorts"] == []


@pytest.mark.parametrize("figure", FIGURES)
def test_an_empty_file_has_no_figures(figure: str, tmp_path: Path) -> None:
    file = write(tmp_path)
    assert analyze(file, {"figure": figure})["as_of"] is None
    assert analyze(file, {"figure": figure, "segment": "plan"})["segments"] == []


def test_days_are_those_of_the_time_zone(tmp_path: Path) -> None:
    late = visit("a", 1) | {"occurred_at": "2024-01-01T23:30:00Z"}
    answer = analyze(write(tmp_path, late), {}, settings=Settings(timezone="Europe/Berlin"))
    assert answer["timezone"] == "Europe/Berlin"
    assert [row["start"] for row in answer["segments"][0]["cohorts"]] == ["2024-01-02"]


# -- bad input


def test_bad_records_are_counted_and_told_with_their_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(tmp_path, visit("a", 1), b"{", visit("b", 1), visit("", 1))
    answer = analyze(file, {"until": "2024-01-02"})
    assert [row["size"] for row in answer["segments"][0]["cohorts"]] == [2]
    assert "line 2: not_json" in caplog.text
    assert "line 4: bad_user_id" in caplog.text
    assert "2 of 4 records" in caplog.text


def test_only_the_first_bad_records_are_told_one_by_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    analyze(write(tmp_path, visit("a", 1), *[b"{"] * 50), {})
    assert caplog.text.count("not_json") == 5
    assert "50 of 51 records" in caplog.text


def test_a_file_without_an_event_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none of its 2 records is an event; the first: .*line 1"):
        analyze(write(tmp_path, b"{}", b"[]"), {})


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nothing\.jsonl: the file cannot be read"):
        analyze(str(tmp_path / "nothing.jsonl"), {})


@pytest.mark.parametrize("wrong", [{"definition": "x"}, {"grain": "year"}, {"kind": "x"}, {"brackets": "1"}])
def test_a_wrong_question_shows_before_the_file_is_read(wrong: dict[str, str]) -> None:
    with pytest.raises(ParameterError):
        analyze("/nowhere", wrong)
