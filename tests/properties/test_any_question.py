"""Whatever is asked, there is an answer, or a refusal that says what to write instead."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties.histories import DEFINITIONS
from properties.sides import answered
from properties.streams import calendar
from support.population import ListPopulation

from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.query import FIGURES, TAKEN_BY, ParameterError, parse
from stream_app.domain.periods import HOUR_MS, Grain

VALUES = {
    "figure": (*FIGURES, "x"),
    "definition": ("engagement", "often", "x", ""),
    "start": ("visit", "any", "x"),
    "return": ("purchase", "any"),
    "grain": (*Grain, "year"),
    "kind": ("classic", "rolling", "bracket", "churn", "return"),
    "brackets": ("1", "1,2", "00", "1,000", "0", "383", "384", "9999", "1,,2", "٣", ""),
    "windows": ("24h", "calendar"),
    "cohorts": ("first", "recurring"),
    "mean": ("simple", "weighted"),
    "week_start": ("monday", "sunday"),
    "timezone": ("UTC", "Asia/Tokyo"),
    "from": ("1970-01-01", "2099-12-31", "2024-02-30", "2024-01-01", "1970-01-01T00:00:00+14:00", "2024-01-03"),
    "until": ("1970-01-01", "2099-12-31", "2024-01-05", "2024-01-05T12:00:00Z", "2099-12-31T23:59:59-12:00"),
    "segment": ("plan", "x"),
    "top": ("1", "1000", "0", "1001"),
    "window": ("1", "366", "367", "-1"),
    "last": ("1", "1000", "²"),
}
ZONES = ("UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Apia")
BEGIN = 1_704_067_200_000
EVENTS: list[dict[str, Any]] = [
    {
        "user": user, "time": BEGIN + day * 24 * HOUR_MS + 7, "kind": kind, "event_id": f"{user}{day}{kind}",
        "amount": -5 if kind == "refund" else 100, "segment": {"plan": user},
    }
    for user in "abc" for day in (0, 1, 5, 40, 300) for kind in ("visit", "purchase", "refund")
]  # fmt: skip


def parsed(given: dict[str, str], zone: str) -> Any:
    return parse(given, definitions=DEFINITIONS, dimensions=("plan",), calendar=calendar(zone))


@given(st.data(), st.sampled_from(ZONES))
def test_every_question_is_answered_or_refused(data: Any, zone: str) -> None:
    names = data.draw(st.lists(st.sampled_from(list(TAKEN_BY)), unique=True, max_size=6))
    asked_for = {name: data.draw(st.sampled_from(VALUES[name])) for name in names}
    try:
        query = parsed(asked_for, zone)
    except ParameterError:
        return
    days = data.draw(st.sampled_from((None, -19_723, 0, 3, 500, 27_758)))
    watermark = None if days is None else BEGIN + days * 24 * HOUR_MS
    events = [] if watermark is None else EVENTS
    asked = Asked(query, calendar(zone), watermark, max((event["time"] for event in events), default=None))
    kept = [event for event in events if event["time"] < asked.end]
    assert orjson.dumps(answered(asked, [ListPopulation(kept, calendar=calendar(zone), dimensions=("plan",))]))


@pytest.mark.parametrize("sizes", ["0", "00", "1,000", "1,,2", "", "٣", "1.5", "-1"])
def test_a_bracket_of_no_periods_is_refused(sizes: str) -> None:
    with pytest.raises(ParameterError, match="no list of sizes"):
        parsed({"kind": "bracket", "brackets": sizes}, "UTC")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("grain", ["week", "half-year"])
def test_from_the_first_day_there_is(zone: str, grain: str) -> None:
    """The week of 1 January 1970 begins in 1969, of which no clock change is known."""
    asked = Asked(
        parsed({"grain": grain, "from": "1970-01-01"}, zone), calendar(zone), BEGIN + 500 * 24 * HOUR_MS, BEGIN
    )
    answer = answered(asked, [ListPopulation(EVENTS, calendar=calendar(zone), dimensions=("plan",))])
    assert answer["segments"][0]["cohorts"]
