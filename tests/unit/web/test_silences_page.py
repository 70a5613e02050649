"""docs/alerts/silences.md says what the API takes and gives."""

from __future__ import annotations

import re
from pathlib import Path

import orjson
from support.web import FakeReader, alert, silence

from stream_app.domain.alerts import Action, AlertState, Command, Health
from stream_app.domain.alerts.change import Change
from stream_app.domain.alerts.history import Kind, row_of
from stream_app.domain.alerts.shown import shown
from stream_app.domain.periods import Calendar
from stream_app.stores.shelf import KEPT, LATEST
from stream_app.web import commands
from stream_app.web.alerts import AlertsApi

PAGE = (Path(__file__).parents[3] / "docs" / "alerts" / "silences.md").read_text("utf-8")


def column(heading: str) -> list[str]:
    """The names in the first column of the table with that heading."""
    rows = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


def column_text(heading: str, first: str) -> list[str]:
    """What is named in the row of that table that begins so."""
    table = PAGE.split(f"| {heading} |", 1)[1].split("\n\n", 1)[0]
    (row,) = (line for line in table.splitlines() if line.startswith(f"| {first} "))
    return re.findall(r"`([^`]+)`", row)


def test_every_path_is_named_with_its_method():
    api = AlertsApi(None, command=None, token=None, rules=None, currency="USD", minor_units=2, clock=lambda: 0)
    served = {f"{route.method} {route.path}".replace("{id}", "ID") for route in api.routes()}
    assert set(column("Method and path")) == served


def test_the_fields_of_a_silence_are_those_that_are_taken():
    assert set(column("Field of a silence")) == set(commands.SILENCE)


def test_the_fields_of_an_acknowledgement_are_those_that_are_taken():
    assert set(column("Field of an acknowledgement")) == set(commands.ACKNOWLEDGEMENT)


def test_the_kinds_and_columns_of_the_history_are_those_there_are():
    assert column("Kind") == list(Kind)
    row = row_of(Command("c", Action.ACKNOWLEDGE, 0, "ada"), rule="r", segment={})
    assert {*column("Column of what people did"), "kind"} == set(row)
    assert {action.value for action in Action} <= set(column_text("Column of what people did", "`action`"))


def test_the_silence_that_is_shown_is_taken():
    (body,) = re.findall(r"-d '(\{.*\})'", PAGE)
    command = commands.silence(orjson.loads(body), now=0, calendar=Calendar("UTC"), rules=["pro-day-7"])
    assert (command.rule, command.segment, command.ends) == ("pro-day-7", {"plan": "pro"}, 7_200_000)


async def test_the_fields_of_a_row_are_named(open_site):
    row = shown(AlertState("r", {}, "f", health=Health.NO_DATA))
    told = set(Change.__dataclass_fields__) - {"users_at_risk", "revenue_at_risk", "state", "health", "note"}
    more = (set(row) | {"silenced", "users_at_risk", "revenue_at_risk"}) - told - {"streak"}
    named = column("Field")
    assert more - set(row["latest"]) | {"latest"} <= set(named)
    assert set(named) <= more
    reader = FakeReader(None, [alert(), alert(id="past", current=False)])
    reader.silences = [silence()]
    _, body, _ = await (await open_site(reader)).get("/api/v1/alerts")
    for name in body:
        assert f"`{name}`" in PAGE


def test_the_bounds_are_those_of_the_code():
    assert f"latest {KEPT:,} rows are kept" in PAGE
    assert f"latest {LATEST} rows of the history as `history`" in PAGE
    assert f"at most {commands.LONGEST_DAYS}\n  days" in PAGE
