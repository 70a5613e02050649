"""Objects of another form: the quick way gives what the slow one gives, and both what was meant."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stream_app.offline.mapped import Mapped
from stream_app.offline.records import Reading, Wanted

WANTED = Wanted(dimensions=("plan",), conditions=(), currency="USD", minor_units=2)
READING = Reading(None, {"user_id": "who.id", "occurred_at": "at", "segment.plan": "tier", "amount": "who.paid"})

texts = st.sampled_from(["a", 'quote " and \\', "ü", "", "7"])
values = st.one_of(texts, st.integers(-3, 10**20), st.none(), st.booleans(), st.just([1]), st.just({"x": None}))
who = st.one_of(values, st.fixed_dictionaries({}, optional={"id": values, "paid": values, "other": values}))
fields = ("type", "event_id", "at", "tier", "order_id", "currency", "segment", "who.id", "amount")
objects = st.fixed_dictionaries({}, optional={"who": who} | dict.fromkeys(fields, values))
usual = st.fixed_dictionaries(
    {"who": st.fixed_dictionaries({"id": st.one_of(texts, st.integers(0, 99)), "paid": st.floats(-9, 9)}),
     "at": texts, "tier": texts},
    optional={"type": st.sampled_from(["visit", "purchase"]), "event_id": texts, "order_id": texts, "currency": texts},
)  # fmt: skip


def both(value: dict[str, Any], line: int) -> tuple[list[bytes], list[bytes], Mapped, Mapped]:
    data = [json.dumps(value).encode()]
    quick, slow = Mapped(READING, WANTED), Mapped(READING, WANTED)
    assert quick._quick is not None
    slow._quick = None
    return quick.records(data, [line]), slow.records(data, [line]), quick, slow


def told(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says: null says nothing."""
    return {k: told(v) if isinstance(v, dict) else v for k, v in record.items() if v not in (None, {"plan": None})}


@given(st.one_of(objects, usual), st.integers(1, 10**9))
def test_the_quick_way_gives_what_the_slow_one_gives(value: dict[str, Any], line: int) -> None:
    (quick,), (slow,), first, second = both(value, line)
    found, expected = json.loads(quick), json.loads(slow)
    assert told(found) == told(expected)
    assert first._made == second._made


@given(usual, st.integers(1, 10**9))
def test_usual_objects_go_the_quick_way(value: dict[str, Any], line: int) -> None:
    mapped = Mapped(READING, WANTED)
    assert mapped._quick is not None
    assert mapped._quick.record(json.dumps(value).encode(), line) is not None


def test_what_is_no_object_stays_as_it_is() -> None:
    mapped = Mapped(READING, WANTED)
    assert mapped.records([b"{", b"[1]", b'"x"', b"\xff"], [1, 2, 3, 4]) == [b"{", b"[1]", b'"x"', b"\xff"]


def test_a_path_may_be_the_whole_name_of_a_field() -> None:
    value = {"user.id": "a", "at": 1}
    mapped = Mapped(Reading(None, {"user_id": "user.id", "occurred_at": "at"}), WANTED)
    (record,) = mapped.records([json.dumps(value).encode()], [1])
    assert json.loads(record)["user_id"] == "a"


def test_paths_that_end_within_each_other_are_read_all_the_same() -> None:
    reading = Reading(None, {"user_id": "user", "segment.plan": "user.plan", "occurred_at": "at"})
    mapped = Mapped(reading, WANTED)
    assert mapped._quick is None
    (record,) = mapped.records([json.dumps({"user": {"plan": "pro"}, "at": 1}).encode()], [1])
    assert json.loads(record)["segment"] == {"plan": "pro"}


def test_constants_come_before_what_objects_say() -> None:
    constants = {"amount": "5", "currency": "EUR", "segment.plan": "pro"}
    mapped = Mapped(Reading(None, {"user_id": "who", "occurred_at": "at"}, constants), WANTED)
    quick, slow = [], []
    for value in ({"who": "a", "at": 1, "currency": "USD", "type": "purchase"}, {"who": 7, "at": 1, "order_id": 8}):
        data = json.dumps(value).encode()
        assert mapped._quick is not None
        quick.append(json.loads(mapped._quick.record(data, 3) or b""))
        slow.append(json.loads(mapped._record(data, 3)))
    assert quick == slow
    assert [record["amount"] for record in quick] == ["5", "5"]
    assert [record["type"] for record in quick] == ["purchase", "purchase"]
    assert quick[1]["user_id"] == "7"
