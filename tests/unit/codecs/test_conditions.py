"""Conditions of definitions: where a property is looked up, how it is compared; and another id than the user's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from support.engine import START

from stream_app.codecs.conditions import Conditions
from stream_app.codecs.events import EventDecoder
from stream_app.domain.events import Reason

NOW = START + 1


def event(**more: Any) -> dict[str, Any]:
    return {"type": "visit", "event_id": "e", "user_id": "u", "occurred_at": START} | more


def decoder(*conditions: tuple[tuple[str, str], ...], **options: Any) -> EventDecoder:
    return EventDecoder(dimensions=("plan",), currency="USD", future_tolerance_ms=0, conditions=conditions, **options)


def met(given: dict[str, Any], **where: str) -> bool:
    batch, dead = decoder(tuple(sorted(where.items()))).decode(None, [orjson.dumps(event() | given)], NOW)
    assert dead == []
    assert batch.matches is not None
    return bool(batch.matches[0])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"properties": {"channel": "web"}}, True),
        ({"channel": "web"}, True),
        ({"segment": {"channel": "web"}}, True),
        ({"properties": {"channel": "app"}, "channel": "web", "segment": {"channel": "web"}}, False),
        ({"properties": {"channel": None}, "channel": "web"}, True),
        ({"channel": "app", "segment": {"channel": "web"}}, False),
        ({"properties": {"channel": {"a": 1}}, "channel": "web"}, False),
        ({"properties": {"other": "web"}}, False),
        ({"properties": "web"}, False),
        ({"properties": ["web"], "channel": "web"}, True),
        ({}, False),
    ],
)
def test_a_property_is_looked_up_in_properties_then_the_event_then_its_segment(given, expected):
    assert met(given, channel="web") is expected


@pytest.mark.parametrize(
    ("value", "text"), [(2, "2"), (2.5, "2.5"), (True, "true"), (False, "false"), ("", ""), ("ö\n", "ö\n")]
)
def test_values_are_compared_as_text(value, text):
    assert met({"properties": {"p": value}}, p=text)
    assert not met({"properties": {"p": value}}, p=text + "x")


def test_all_conditions_of_one_definition_must_be_met():
    where = {"channel": "web", "country": "de"}
    assert met({"properties": {"channel": "web"}, "segment": {"country": "de"}}, **where)
    assert not met({"properties": {"channel": "web"}}, **where)


def test_fields_of_an_event_are_properties_too():
    assert met({"type": "visit"}, type="visit")
    assert met({"user_id": "u7"}, user_id="u7")
    assert met({"properties": {"segment": "x"}, "segment": {"segment": "y"}}, segment="x")


def test_each_condition_has_its_bit_and_dead_letters_have_none():
    made = decoder((("a", "1"),), (("b", "1"),), (("a", "1"), ("b", "1")))
    values = [event(a=1), event(b=1) | {"event_id": ""}, event(b="1"), event(a="1", b=1), event()]
    batch, dead = made.decode(None, [*map(orjson.dumps, values), None, b"{"], NOW)
    assert batch.matches.tolist() == [0b001, 0b010, 0b111, 0]
    assert [letter.position for letter in dead] == [1, 5, 6]


def test_a_record_that_is_rescued_is_judged_too():
    """A visit has no currency: whatever is there does not count."""
    assert met({"currency": 5, "properties": {"channel": "web"}}, channel="web")


def test_what_never_repeats_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr("stream_app.codecs.conditions._CACHED", 10)
    conditions = Conditions([(("channel", "web"),)])
    values = [orjson.dumps(event(properties={"n": n, "channel": ("web", "app")[n % 2]})) for n in range(50)]
    assert conditions.matches(values).tolist() == [1, 0] * 25
    assert len(conditions._known) <= 10


def test_without_conditions_nothing_is_judged():
    batch, _ = decoder().decode(None, [orjson.dumps(event(channel="web"))], NOW)
    assert batch.matches is None


# -- the actor


def test_another_id_is_counted_and_is_the_key():
    values = [orjson.dumps(event(account_id=account, user_id=7)) for account in ("a", "b", "c")]
    batch, dead = decoder(actor="account_id").decode([b"a", b"x", None], values, NOW)
    assert batch.users == [b"a"]
    assert [letter.reason for letter in dead] == [Reason.KEY_MISMATCH] * 2
    assert "is not the account_id" in dead[0].message
    assert "send the account_id" in dead[1].message


@pytest.mark.parametrize(
    ("given", "reason", "words"),
    [
        ({}, Reason.MISSING_FIELD, "account_id: it is missing; every visit needs type, event_id, account_id"),
        ({"account_id": ""}, Reason.BAD_USER_ID, "account_id: it is empty"),
        ({"account_id": "x" * 257}, Reason.BAD_USER_ID, "account_id: "),
        ({"account_id": "a\0"}, Reason.BAD_USER_ID, "account_id: "),
        ({"account_id": 7}, Reason.WRONG_TYPE, "account_id: 7 is not a string"),
    ],
)  # fmt: skip
def test_messages_name_the_field_of_the_actor(given, reason, words):
    _, (letter,) = decoder(actor="account_id").decode(None, [orjson.dumps(event() | given)], NOW)
    assert letter.reason is reason
    assert letter.message.startswith(words)
