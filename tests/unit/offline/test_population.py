"""The population of a file is that of its events, one by one."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.population import ListPopulation, figure

from stream_app.domain.events import Filter, rfc3339
from stream_app.domain.periods import Calendar, Grain
from stream_app.offline import analyze
from stream_app.offline.gather import Gathering
from stream_app.offline.jsonlines import decoder
from stream_app.offline.needs import Needs
from stream_app.offline.records import NO_CLOCK, Wanted
from stream_app.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

HOUR = 3_600_000
BEGIN = 1_711_750_000_000  # two days before the clocks change in Berlin
BERLIN = Calendar("Europe/Berlin")
FILTERS = (Filter("any"), Filter("visit"), Filter("purchase"))


def events(seed: int, count: int = 300) -> list[dict[str, Any]]:
    mixed = random.Random(seed)
    made = []
    for number in range(count):
        kind = mixed.choice(["visit", "visit", "purchase", "refund"])
        made.append({
            "user": f"u{mixed.randrange(40)}", "time": BEGIN + mixed.randrange(90 * 24) * HOUR // 2, "kind": kind,
            "event_id": f"e{number if kind != 'refund' else mixed.randrange(9)}",
            "segment": {"plan": mixed.choice("abc")}, "order_id": f"o{mixed.randrange(60)}",
            "amount": mixed.randrange(-300, 0) if kind == "refund" else mixed.randrange(300),
        })  # fmt: skip
    return made


def sent(event: dict[str, Any]) -> bytes:
    record = {"type": "visit" if event["kind"] == "visit" else "purchase", "event_id": event["event_id"],
              "user_id": event["user"], "occurred_at": rfc3339(event["time"]), "segment": event["segment"]}  # fmt: skip
    if event["kind"] != "visit":
        record |= {"order_id": event["order_id"], "amount": f"{event['amount'] / 100:.2f}", "currency": "USD"}
    return orjson.dumps(record)


def everything(population: Any) -> Any:
    (part,) = population.slices()
    active = {
        (what, grain): [c.tolist() for c in part.active(what, grain)]
        for what in FILTERS
        for grain in (Grain.HOUR, Grain.DAY, Grain.WEEK, Grain.MONTH, Grain.HALF_YEAR)
    }
    orders = sorted(zip(*(column.tolist() for column in part.orders()), strict=True))
    values = [population.segments.combos[combo] for combo in part.combos.tolist()]
    return values, {what: part.first(what).tolist() for what in FILTERS}, active, orders


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("in_memory", [1, 1 << 30])
def test_it_is_the_same_whatever_the_batches_and_the_memory(seed: int, in_memory: int) -> None:
    made = events(seed)
    order = {user: place for place, user in enumerate(dict.fromkeys(event["user"] for event in made))}
    by_user = sorted(made, key=lambda event: order[event["user"]])
    renamed = [event | {"user": f"{order[event['user']]:03d}"} for event in by_user]
    expected = ListPopulation(renamed, calendar=BERLIN, dimensions=("plan",), per_slice=1 << 20)
    needs = Needs(first=FILTERS, active=FILTERS, hours=True, orders=True, dimensions=("plan",))
    gathering = Gathering(needs, BERLIN, in_memory=in_memory)
    decode = decoder(Wanted(dimensions=("plan",), conditions=(), currency="USD", minor_units=2)).decode
    for place in range(0, len(made), 37):
        batch, letters = decode(None, [sent(event) for event in made[place : place + 37]], NO_CLOCK)
        assert not letters
        gathering.add(batch)
    population = gathering.population()
    assert everything(population) == everything(expected)
    assert (population.first_day, population.last_day) == (expected.first_day, expected.last_day)


QUESTIONS = [
    {"figure": "retention", "grain": "week", "kind": "rolling", "segment": "plan"},
    {"figure": "retention", "grain": "day", "windows": "24h", "definition": "repurchase"},
    {"figure": "retention", "grain": "hour", "last": "3"},
    {"figure": "retention", "grain": "month", "cohorts": "recurring", "start": "visit", "return": "purchase"},
    {"figure": "churn", "window": "5"},
    {"figure": "lifecycle", "grain": "hour", "last": "5"},
    {"figure": "crr", "from": "2024-04-01", "until": "2024-06-01"},
    {"figure": "stickiness", "segment": "plan", "top": "1"},
    {"figure": "value", "grain": "week", "segment": "plan"},
    {"figure": "survival", "start": "visit", "return": "any", "window": "9"},
    {"figure": "concentration"},
]


@pytest.mark.parametrize("given", QUESTIONS, ids=lambda given: "-".join(given.values()))
def test_a_figure_of_a_file_is_that_of_its_events(given: dict[str, str], tmp_path: Path) -> None:
    made = sorted(events(9, 600), key=lambda event: event["time"])
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(map(sent, made)))
    dimensions = ("plan",) if "segment" in given else ()
    expected = figure(given, made, calendar=BERLIN, dimensions=dimensions)
    answer = analyze(str(file), given, settings=Settings(timezone="Europe/Berlin"))
    assert answer["late_share"] == 0
    assert answer | {"late_share": None} == expected
