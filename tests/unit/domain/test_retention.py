"""Retention: published examples, what is not observed, segments, and queries that are wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from support.counting import Part, merge
from support.engine import CALENDAR, DAY, START
from support.snapshots import retention

from stream_app.domain.errors import QueryError
from stream_app.domain.metrics import Snapshot, closed_cells
from stream_app.domain.periods import Calendar, Grain

EXAMPLES = {e["id"]: e for e in json.loads((Path(__file__).parents[2] / "data" / "worked_examples.json").read_text())}


def visit(user: str, time: int, plan: str | None = None, kind: str = "visit") -> dict[str, Any]:
    return {"user": user, "time": time, "kind": kind, "event_id": f"{user}-{time}", "segment": {"plan": plan}}


def snapshot(events: list[dict[str, Any]], watermark: int | None, calendar: Calendar = CALENDAR) -> Snapshot:
    part = Part(calendar)
    part.take(events)
    part.commit()
    return merge([part], watermark=watermark, last_event=max((e["time"] for e in events), default=None))


def rows(made: Snapshot, segment: int = 0, **query: Any) -> list[dict[str, Any]]:
    return retention(made, **{"definition": "engagement", "grain": "day", **query})["segments"][segment]["cohorts"]


# -- published examples


def test_classic_and_unbounded_as_published():
    example = EXAMPLES["classic_vs_unbounded"]
    events = [visit(user, START) for user in example["returns_on_day"]]
    events += [visit(user, START + day * DAY) for user, some in example["returns_on_day"].items() for day in some]
    made = snapshot(events, START + example["columns"] * DAY)
    for kind, expected in (("classic", "classic_counts"), ("rolling", "unbounded_counts")):
        assert rows(made, kind=kind) == [
            {"start": "2024-01-01", "size": example["cohort_size"], "retained": example[expected]}
        ]


@pytest.mark.parametrize("timezone", ["UTC", "Europe/Berlin", "America/Sao_Paulo"])
@pytest.mark.parametrize("example", ["calendar_day_10h_later", "near_midnight", "24h_hour_rounding"])
def test_calendar_days_as_published(example, timezone):
    published = EXAMPLES[example]
    times = [
        round(datetime.fromisoformat(published[name]).replace(tzinfo=ZoneInfo(timezone)).timestamp() * 1000)
        for name in ("first", "second")
    ]
    made = snapshot([visit("a", time) for time in times], times[1] + 2 * DAY, Calendar(timezone))
    retained = rows(made)[0]["retained"]
    assert retained[:2] == [1, 1]
    assert published["day_index_calendar"] == 1


# -- observed or not


def test_a_period_that_has_not_closed_is_null_and_never_zero():
    events = [visit("a", START), visit("b", START), visit("a", START + 2 * DAY)]
    assert rows(snapshot(events, START + 2 * DAY))[0]["retained"] == [2, 0, None]
    assert rows(snapshot(events, START + 2 * DAY - 1))[0]["retained"] == [2, None, None]
    assert rows(snapshot(events, START))[0]["retained"] == [None, None, None]
    assert rows(snapshot(events, START + 4 * DAY))[0]["retained"] == [2, 0, 1, 0]
    assert rows(snapshot(events, START + 4 * DAY + 1))[0]["retained"] == [2, 0, 1, 0, None]


def test_without_a_watermark_nothing_is_known():
    answer = retention(snapshot([], None), definition="engagement", grain="day")
    assert answer == {
        "definition": "engagement", "grain": "day", "kind": "classic", "timezone": "UTC", "as_of": None,
        "segments": [{"segment": {}, "cohorts": []}],
    }  # fmt: skip


def test_index_0_is_the_size_by_the_start_event_alone():
    made = snapshot([visit("a", START), visit("a", START + DAY, kind="purchase")], START + 3 * DAY)
    assert rows(made)[0]["retained"] == [1, 1, 0]
    assert rows(made, definition="repurchase") == [{"start": "2024-01-02", "size": 1, "retained": [1, 0]}]


@pytest.mark.parametrize(("grain", "horizon", "years"), [("day", 384, 2), ("week", 128, 3), ("month", 64, 7)])
def test_the_horizon_ends_the_row_and_later_returns_count_as_its_last_index(grain, horizon, years):
    end = START + years * 366 * DAY
    made = snapshot([visit("a", START), visit("a", end)], end + 40 * DAY)
    assert rows(made, grain=grain)[0]["retained"] == [1] + [0] * (horizon - 1)
    assert rows(made, grain=grain, kind="rolling")[0]["retained"] == [1] * horizon


def test_cohorts_are_in_order_and_empty_ones_drop_out():
    made = snapshot([visit("b", START + 3 * DAY), visit("a", START), visit("c", START + 3 * DAY)], START + 5 * DAY)
    assert [(row["start"], row["size"]) for row in rows(made)] == [("2024-01-01", 1), ("2024-01-04", 2)]


# -- segments


def test_the_largest_values_are_shown_and_the_rest_summed():
    plans = {"a": "x", "b": "x", "c": "y", "d": "z", "e": None, "f": "(other)"}
    made = snapshot([visit(user, START, plan) for user, plan in plans.items()], START + DAY)
    answer = retention(made, definition="engagement", grain="day", dimension="plan", top=2)
    # Of equally large ones the first by name; the value `(other)` itself is among the rest.
    assert [(s["segment"]["plan"], s["cohorts"][0]["size"]) for s in answer["segments"]] == [
        ("x", 2), ("(none)", 1), ("(other)", 3),
    ]  # fmt: skip
    everything = retention(made, definition="engagement", grain="day", dimension="plan", top=20)["segments"]
    assert [s["segment"]["plan"] for s in everything] == ["x", "(none)", "y", "z", "(other)"]


# -- queries


# -- closed cells


def test_closed_cells_are_those_that_are_observed():
    calendar = Calendar("Europe/Berlin")
    made = snapshot(
        [visit("a", START), visit("b", START + 5 * DAY), visit("a", START + DAY)], START + 6 * DAY, calendar
    )

    def cells(of, index, series=()):
        return list(closed_cells(of, definition="engagement", grain=Grain.DAY, index=index, series=series))

    cohort = calendar.period_at(Grain.DAY, START)
    assert cells(made, 1) == [(cohort, 1, 1)]
    assert cells(made, 2) == [(cohort, 1, 0)]
    assert cells(made, 0) == [(cohort, 1, 1), (cohort + 5, 1, 1)]
    assert cells(made, 383) == []
    assert cells(made, 1, ("plan", "pro")) == []
    assert cells(replace(made, watermark=None), 1) == []
    with pytest.raises(QueryError, match="definition: 'x' is not known; allowed: engagement, repurchase"):
        list(closed_cells(made, definition="x", grain=Grain.DAY, index=1, series=()))
