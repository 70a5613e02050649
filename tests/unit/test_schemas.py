"""Every answer has the form that docs/schemas tells programs to rely on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.days import at, some_events
from support.population import figure

from stream_app.domain.metrics.figures import SCHEMA
from stream_app.domain.metrics.query import FIGURES, GRAINS, KINDS

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
#: The schemas that are of no figure, and have their own tests.
OTHERS = ("notice",)
KNOWN = {path.stem: json.loads(path.read_text("utf-8")) for path in SCHEMAS.glob("*.json") if path.stem not in OTHERS}

QUESTIONS = [
    {"figure": name, "grain": grain.value, "kind": kind} if kind else {"figure": name, "grain": grain.value}
    for name in FIGURES
    for grain in GRAINS[name]
    for kind in KINDS.get(name, ("",))
]
MORE = [
    {"figure": "retention", "windows": "24h"},
    {"figure": "retention", "windows": "24h", "kind": "rolling", "mean": "simple"},
    {"figure": "retention", "cohorts": "recurring", "mean": "simple"},
    *({"figure": name, "segment": "plan", "top": "1"} for name in FIGURES),
    *({"figure": name, "from": "2024-01-21", "until": "2024-03-10", "last": "3"} for name in FIGURES),
    *({"figure": name, "start": "visit", "return": "purchase"} for name in FIGURES),
]


def validator(name):
    return Draft202012Validator(KNOWN[name], format_checker=Draft202012Validator.FORMAT_CHECKER)


def answered(question, **more):
    if question.get("kind") == "bracket":
        question = question | {"brackets": "1,2"}
    # As from JSON: no tuples, no numbers of NumPy.
    return json.loads(json.dumps(figure(question, dimensions=["plan"], **more)))


def test_there_is_a_schema_of_every_figure_and_it_is_one():
    assert sorted(KNOWN) == sorted(FIGURES)
    for name, schema in KNOWN.items():
        Draft202012Validator.check_schema(schema)
        assert schema["properties"]["schema"]["const"] == f"stream-app/{name}/{SCHEMA}"
        assert set(schema["properties"]["grain"]["enum"]) == {grain.value for grain in GRAINS[name]}


@pytest.mark.parametrize("whole", [True, False], ids=["file", "live"])
@pytest.mark.parametrize("question", [*QUESTIONS, *MORE], ids=lambda one: " ".join(one.values()))
def test_answers_are_valid(question, whole):
    found = answered(question, events=some_events(6), watermark=at(150), whole=whole)

    validator(question["figure"]).validate(found)
    assert found["segments"]


@pytest.mark.parametrize("name", FIGURES)
def test_the_answer_without_events_is_valid(name):
    validator(name).validate(answered({"figure": name}, events=[]))


@pytest.mark.parametrize("name", FIGURES)
def test_a_field_that_no_schema_knows_is_refused_and_so_is_one_that_is_missing(name):
    found = answered({"figure": name}, events=some_events(6), watermark=at(150))

    assert not validator(name).is_valid(found | {"more": 1})
    assert not validator(name).is_valid({key: value for key, value in found.items() if key != "as_of"})
    for key in found["segments"][0]:
        less = {k: v for k, v in found["segments"][0].items() if k != key}
        assert not validator(name).is_valid(found | {"segments": [less]})


def test_reached_belongs_to_24_hour_windows_and_brackets_to_their_kind():
    events = some_events(6)
    calendar = answered({"figure": "retention"}, events=events, watermark=at(150))
    windows = answered({"figure": "retention", "windows": "24h"}, events=events, watermark=at(150))

    assert not validator("retention").is_valid(calendar | {"windows": "24h"})
    assert not validator("retention").is_valid(windows | {"windows": "calendar"})
    assert not validator("retention").is_valid(calendar | {"kind": "bracket"})
    assert not validator("retention").is_valid(calendar | {"brackets": [{"from": 1, "to": 1}]})
