"""What others print in their docs and tests, and what we say of the same events: see `tests/data/public_examples.json`.

Each example has a source, events (user, time, kind, minor units), the parameters of a question, what we answer
(`expected`) and whether the source says the same (`agrees`); where it does not, `theirs` is its figure, and `note` why.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from oracle import Clock, Question, answer
from support.population import figure

from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics.query import parse
from stream_app.domain.periods import Calendar

EXAMPLES = json.loads((Path(__file__).parents[1] / "data" / "public_examples.json").read_text())
DEFINITIONS = (ENGAGEMENT, REPURCHASE)


def instant(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def events_of(example: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"user": user, "time": instant(time), "kind": kind, "event_id": f"e{number}", "amount": sum(amount)}
        for number, (user, time, kind, *amount) in enumerate(example["events"])
    ]


def by_columns(example: dict[str, Any]) -> dict[str, Any]:
    calendar = Calendar("UTC", example.get("week_start", "monday"))
    return figure(example["query"], events_of(example), calendar=calendar, watermark=instant(example["as_of"]))


def by_hand(example: dict[str, Any]) -> dict[str, Any]:
    week_start = example.get("week_start", "monday")
    query = parse(
        example["query"], definitions=DEFINITIONS, dimensions=(), calendar=Calendar("UTC", week_start)
    )  # fmt: skip
    question = Question(
        query.figure, query.grain.value, instant(example["as_of"]), query.definition.name, query.definition.start,
        query.definition.returns, kind=query.kind, windows=query.windows, cohorts=query.cohorts, begin=query.begin,
        until=query.until, window=query.window,
    )  # fmt: skip
    return answer(events_of(example), Clock("UTC", week_start), question)


def shown(example: dict[str, Any], found: dict[str, Any]) -> Any:
    """The part of an answer that the example is about: of retention the rows of the cohorts it lists."""
    (entry,) = found["segments"]
    if "part" in example:
        for name in example["part"].split("."):
            entry = entry[name]
        return entry
    if "columns" in example:
        return {name: [row[name] for row in entry["periods"]] for name in example["columns"]}
    return {row["start"]: row["retained"][: len(example["expected"][row["start"]])] for row in entry["cohorts"]}


@pytest.mark.parametrize("example", EXAMPLES, ids=[example["id"] for example in EXAMPLES])
def test_our_figure_of_a_public_example(example: dict[str, Any]) -> None:
    expected = example.get("columns", example.get("expected"))
    assert shown(example, by_columns(example)) == expected
    assert shown(example, by_hand(example)) == expected
    assert example["agrees"] is ("theirs" not in example)
    assert example["source"]
    assert example["note"]
    if not example["agrees"]:
        assert example["theirs"] != expected
