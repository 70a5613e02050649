"""Figures of a population of several hundred users: what a few users never reach, such as slices and large products."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from oracle import Clock
from oracle import answer as expected_answer
from properties.differences import difference
from properties.histories import Case, Past, question_of
from properties.sides import Tables, answered, asked_of, gathered, listed, shared_out

from stream_app.domain.metrics import live
from stream_app.domain.metrics.census import joint
from stream_app.offline import population, runs

DAY = 86_400_000
BASE = 1_704_067_200_000  # 2024-01-01
QUESTIONS: list[dict[str, str]] = [
    {"figure": "retention", "grain": "week", "cohorts": "recurring"},
    {"figure": "retention", "grain": "month", "cohorts": "recurring", "kind": "rolling", "segment": "plan"},
    {"figure": "retention", "grain": "week", "cohorts": "recurring", "kind": "bracket", "brackets": "1,3,2"},
    {"figure": "retention", "grain": "week", "definition": "visit-then-buy", "segment": "plan", "top": "1"},
    {"figure": "retention", "grain": "day", "windows": "24h", "kind": "rolling", "last": "9"},
    {"figure": "retention", "grain": "week", "definition": "often"},
    {"figure": "churn", "grain": "week", "window": "10", "segment": "plan"},
    {"figure": "crr", "grain": "month", "window": "20", "from": "2024-01-20", "until": "2024-03-20"},
    {"figure": "lifecycle", "grain": "week", "segment": "plan"},
    {"figure": "lifecycle", "grain": "hour", "last": "50"},
    {"figure": "stickiness", "window": "28"},
    {"figure": "value", "grain": "week", "segment": "plan"},
    {"figure": "value", "grain": "month", "definition": "repurchase", "until": "2024-02-15"},
    {"figure": "survival", "grain": "week", "kind": "churn", "window": "9", "segment": "plan"},
    {"figure": "survival", "grain": "month", "kind": "return", "definition": "visit-then-buy"},
    {"figure": "concentration", "grain": "week", "segment": "plan"},
]


@cache
def past(days: int, timezone: str = "Europe/Berlin") -> Past:
    """Users who come, and after a while come no more, some of them every day, some seldom."""
    rng = random.Random(days)
    events: list[dict[str, Any]] = []
    for user in range(240):
        now, often = rng.uniform(0, days * 0.8), rng.choice((0.3, 1, 4, 12))
        until = now + rng.expovariate(1 / (days * 0.4))
        while now < min(until, days):
            kind = rng.choices(("visit", "purchase", "refund"), (6, 3, 1))[0]
            event: dict[str, Any] = {"user": f"u{user}", "time": BASE + round(now * DAY), "kind": kind}
            event |= {"event_id": f"e{len(events)}", "segment": {"plan": rng.choice(("a", "b", "b", "c"))}}
            if kind != "visit":
                event["amount"] = rng.choice((0, 100, 1999, 5000)) if kind == "purchase" else -rng.randint(1, 3000)
                event["order_id"] = f"o{rng.choice((len(events), len(events) % 50))}"
            if rng.random() < 0.5:
                event["properties"] = {"channel": rng.choice(("web", "app"))}
            events.append(event)
            now += rng.expovariate(1 / often)
    rng.shuffle(events)
    return Past(events, timezone, "sunday", [])


@pytest.mark.parametrize("given", QUESTIONS, ids=lambda given: "-".join(given.values()))
def test_all_that_count_agree_with_the_oracle(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (live, population, runs):
        monkeypatch.setattr(module, "SLICE", 50)
    of = past(110)
    case = Case(given, question_of(given, of, watermark=BASE + 100 * DAY))
    asked = asked_of(of, case)
    expected = expected_answer(of.events, Clock(of.timezone, of.week_start), case.question)
    batches = [of.events[:900], of.events[900:901], of.events[901:]]
    assert difference(listed(asked, of.events, 3, 17), expected) is None
    for dear in (joint._LISTED, 1 << 60):  # by lists of cells, and by products of matrices
        monkeypatch.setattr(joint, "_LISTED", dear)
        assert difference(gathered(asked, batches, in_memory=5000), expected) is None
    if given.get("grain") == "hour" or given.get("windows") == "24h":
        return  # hours are kept of first days only
    parts = [Tables(of, 8) for _ in range(3)]
    for batch in batches:
        for part, own in zip(parts, shared_out(batch, 3), strict=True):
            part.take(own)
    if "until" not in given or given["figure"] in {"crr", "value"}:
        assert difference(answered(asked, [part.population() for part in parts], sent=True), expected) is None
