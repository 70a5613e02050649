"""Records to events: what is counted, what is a dead letter and why, and that nothing else happens."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.codecs.events import EventDecoder
from stream_app.codecs.inspection import Fault
from stream_app.domain.events import DeadLetter, EventBatch, Kind, Reason

NOW = 1_709_208_000_000  # 2024-02-29T12:00:00Z
VISIT: dict[str, Any] = {
    "type": "visit",
    "event_id": "e1",
    "user_id": "u1",
    "occurred_at": "2024-02-29T11:59:00Z",
    "segment": {"plan": "pro"},
}
PURCHASE: dict[str, Any] = VISIT | {"type": "purchase", "order_id": "o1", "amount": 12.34, "currency": "USD"}


def decoder(**options: Any) -> EventDecoder:
    options = {"dimensions": ["plan"], "currency": "USD", "future_tolerance_ms": 60_000} | options
    return EventDecoder(**options)


def as_json(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode()


def without(record: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in record.items() if field != name}


def rows(batch: EventBatch) -> list[tuple[Any, ...]]:
    """The batch as one tuple an event, its columns' types checked."""
    assert (batch.times.dtype, batch.kinds.dtype) == (np.int64, np.int8)
    assert (batch.segments.dtype, batch.amounts.dtype) == (np.int32, np.int64)
    return list(
        zip(
            batch.users,
            batch.times.tolist(),
            batch.kinds.tolist(),
            batch.event_ids,
            [batch.combos[i] for i in batch.segments],
            batch.orders,
            batch.amounts.tolist(),
            strict=True,
        )
    )


def only(value: bytes | None, key: bytes | None = b"u1", **options: Any) -> DeadLetter:
    """The dead letter that a record alone is; checks that it is the same among good ones and without a key check."""
    batch, (letter,) = decoder(**options).decode([key], [value], NOW)
    assert len(batch) == 0
    assert letter.position == 0
    assert len(letter.message) < 300
    good = as_json(VISIT)
    batch, (other,) = decoder(**options).decode([b"u1", key, b"u1"], [good, value, good], NOW)
    assert (other.reason, other.message, other.position) == (letter.reason, letter.message, 1)
    assert len(batch) == 2
    return letter


# -- what is good


def test_a_visit_becomes_a_row() -> None:
    batch, dead = decoder().decode([b"u1"], [as_json(VISIT)], NOW)
    assert rows(batch) == [(b"u1", NOW - 60_000, Kind.VISIT, "e1", ("pro",), None, 0)]
    assert dead == []


def test_a_purchase_has_order_and_amount_and_a_negative_one_is_a_refund() -> None:
    values = [as_json(PURCHASE), as_json(PURCHASE | {"amount": "-0.5", "order_id": "o2"}), as_json(VISIT)]
    batch, dead = decoder().decode([b"u1"] * 3, values, NOW)
    assert dead == []
    assert [row[2] for row in rows(batch)] == [Kind.PURCHASE, Kind.REFUND, Kind.VISIT]
    assert batch.orders == ["o1", "o2", None]
    assert batch.amounts.tolist() == [1234, -50, 0]


def test_an_order_of_amount_zero_is_a_purchase() -> None:
    batch, _ = decoder().decode(None, [as_json(PURCHASE | {"amount": 0})], NOW)
    assert batch.kinds.tolist() == [Kind.PURCHASE]


def test_times_may_be_texts_and_epoch_milliseconds_side_by_side() -> None:
    times = [NOW - 5, "2024-02-29t13:59:00.1239+02:00", "2024-02-29T11:59:00Z"]
    batch, dead = decoder().decode(None, [as_json(VISIT | {"occurred_at": t}) for t in times], NOW)
    assert dead == []
    assert batch.times.tolist() == [NOW - 5, NOW - 60_000 + 123, NOW - 60_000]


def test_a_number_before_1972_is_taken_for_seconds_where_that_is_asked_for() -> None:
    early = [NOW // 1000, 0, 63_071_999_999]
    for number in early:
        letter = only(as_json(VISIT | {"occurred_at": number}), seconds=False)
        assert letter.reason is Reason.BAD_TIME
        assert letter.message.startswith(f"occurred_at: {number} is before 1972; are these seconds? write milliseconds")
    good = ["1970-01-01T00:00:00Z", 63_072_000_000, "1971-12-31T23:59:59Z", NOW]
    records = [as_json(VISIT | {"occurred_at": time}) for time in (*early, *good)]
    batch, dead = decoder(seconds=False).decode(None, records, NOW)
    assert [letter.position for letter in dead] == [0, 1, 2]
    assert batch.times.tolist() == [0, 63_072_000_000, 63_071_999_000, NOW]
    assert decoder().decode(None, records, NOW)[1] == []  # of a file that is old


def test_a_record_that_is_rescued_is_no_exception_from_it() -> None:
    spoiled = as_json(VISIT | {"amount": [], "currency": 3, "occurred_at": NOW // 1000})  # visits have neither
    assert only(spoiled, seconds=False).reason is Reason.BAD_TIME


def test_an_event_within_the_tolerance_of_the_future_is_good() -> None:
    batch, _ = decoder().decode(None, [as_json(VISIT | {"occurred_at": NOW + 60_000})], NOW)
    assert batch.times.tolist() == [NOW + 60_000]
    assert only(as_json(VISIT | {"occurred_at": NOW + 60_001})).reason is Reason.FUTURE_TIME


def test_without_keys_there_is_no_key_check() -> None:
    batch, dead = decoder().decode(None, [as_json(VISIT), as_json(VISIT | {"user_id": "u2"})], NOW)
    assert (batch.users, dead) == ([b"u1", b"u2"], [])


def test_user_ids_are_compared_with_the_key_as_utf_8() -> None:
    batch, dead = decoder().decode(["zoë😀".encode()], [as_json(VISIT | {"user_id": "zoë😀"})], NOW)
    assert (batch.users, dead) == (["zoë😀".encode()], [])


@pytest.mark.parametrize("change", [{"a": 1}, {"a": None}, {"a": {"deep": [[[]]]}}, {"segment": None}])
def test_unknown_fields_are_ignored_and_the_segment_may_be_null(change: dict[str, Any]) -> None:
    batch, dead = decoder().decode(None, [as_json(VISIT | change)], NOW)
    assert (len(batch), dead) == (1, [])


@pytest.mark.parametrize("change", [{"amount": "much"}, {"order_id": 5}, {"order_id": None}, {"currency": ["EUR"]}])
def test_fields_of_a_purchase_are_unknown_to_a_visit(change: dict[str, Any]) -> None:
    batch, dead = decoder().decode([b"u1"], [as_json(VISIT | change)], NOW)
    assert dead == []
    assert rows(batch) == [(b"u1", NOW - 60_000, Kind.VISIT, "e1", ("pro",), None, 0)]


@pytest.mark.parametrize("first", [b'"u0"', b"5", b"null", b"[1]"])
def test_of_a_field_sent_twice_the_last_counts(first: bytes) -> None:
    value = as_json(VISIT)
    batch, dead = decoder().decode([b"u1"], [b'{"user_id":' + first + b"," + value[1:]], NOW)
    assert (batch.users, dead) == ([b"u1"], [])
    _, (letter,) = decoder().decode([b"u1"], [value[:-1] + b',"user_id":5}'], NOW)
    assert letter.reason is Reason.WRONG_TYPE


def test_the_currency_is_the_same_in_lower_case() -> None:
    batch, dead = decoder(currency="eur").decode(None, [as_json(PURCHASE | {"currency": "eur"})], NOW)
    assert (batch.amounts.tolist(), dead) == ([1234], [])


def test_minor_units_follow_the_setting() -> None:
    batch, _ = decoder(currency="JPY", minor_units=0).decode(
        None, [as_json(PURCHASE | {"amount": 500, "currency": "JPY"})], NOW
    )
    assert batch.amounts.tolist() == [500]


def test_an_empty_chunk_is_an_empty_batch() -> None:
    batch, dead = decoder().decode([], [], NOW)
    assert (rows(batch), dead) == ([], [])


def test_combinations_keep_their_numbers_over_chunks_and_come_from_good_events_only() -> None:
    decode = decoder(dimensions=["plan", "country"])
    first, _ = decode.decode(None, [as_json(VISIT), as_json(VISIT | {"segment": {"country": 7}})], NOW)
    bad = [as_json(VISIT | {"segment": {"plan": "x"}, "event_id": ""}), b"no", as_json(VISIT)]
    second, _ = decode.decode(None, bad, NOW)
    assert second.combos is first.combos
    assert list(first.combos) == [("pro", "(none)"), ("(none)", "7")]
    assert second.segments.tolist() == [0]


# -- what is a dead letter

BROKEN = [
    (None, Reason.NO_VALUE, "value: the record has none"),
    (b"", Reason.NOT_JSON, "value: nothing is not JSON"),
    (b"visit", Reason.NOT_JSON, "value: visit is not JSON"),
    (as_json(VISIT)[:-1], Reason.NOT_JSON, "truncated"),
    (as_json(VISIT) + b"}", Reason.NOT_JSON, "trailing characters"),
    (b"\xef\xbb\xbf" + as_json(VISIT), Reason.NOT_JSON, "is not JSON"),
    (json.dumps(VISIT).encode("utf-16"), Reason.NOT_JSON, "is not JSON"),
    (b'{"type":NaN}', Reason.NOT_JSON, "is not JSON"),
    (b"[" * 100_000, Reason.WRONG_TYPE, "is not a JSON object"),
    (b'{"a":' * 100_000, Reason.NOT_JSON, "nested too deeply"),
    (as_json(VISIT).replace(b"u1", b"\xff\xfe"), Reason.NOT_JSON, 'user_id: "\\xff\\xfe" is not UTF-8'),
    (as_json(VISIT).replace(b"e1", b"\xed\xa0\x80"), Reason.NOT_JSON, "event_id: "),
    (as_json(VISIT).replace(b"u1", b"\\ud800"), Reason.NOT_JSON, "is not JSON ("),
    (as_json(VISIT).replace(b"u1", b"\n"), Reason.NOT_JSON, "invalid character"),
    (b"null", Reason.WRONG_TYPE, "value: null is not a JSON object"),
    (b"[]", Reason.WRONG_TYPE, "value: [] is not a JSON object"),
    (b'"visit"', Reason.WRONG_TYPE, "is not a JSON object"),
    (b"{}", Reason.MISSING_FIELD, "type: it is missing; every visit needs type, event_id,"),
    *[
        (as_json(without(record, name)), Reason.MISSING_FIELD, f"{name}: it is missing; every {record['type']} needs")
        for record, names in (
            (VISIT, ["event_id", "user_id", "occurred_at"]),
            (PURCHASE, ["event_id", "user_id", "occurred_at", "order_id", "amount", "currency"]),
        )
        for name in names
    ],
    *[
        (as_json(PURCHASE | {name: None}), Reason.MISSING_FIELD, f"{name}: it is null")
        for name in PURCHASE
        if name != "segment"
    ],
    *[
        (as_json(PURCHASE | {name: bad}), Reason.WRONG_TYPE, f"{name}: {json.dumps(bad)} is ")
        for name in PURCHASE
        if name != "segment"
        for bad in (True, ["x"], {})
    ],
    *[
        (as_json(PURCHASE | {name: 5}), Reason.WRONG_TYPE, f"{name}: 5 is not a string; send it in quotes")
        for name in ("type", "event_id", "user_id", "order_id", "currency")
    ],
    (as_json(VISIT | {"type": "refund"}), Reason.UNKNOWN_TYPE, 'type: "refund" is unknown; send "visit" or "purchase"'),
    (as_json(VISIT | {"type": ""}), Reason.UNKNOWN_TYPE, 'type: "" is unknown'),
    (as_json(VISIT | {"type": "Visit"}), Reason.UNKNOWN_TYPE, 'type: "Visit" is unknown'),
    (as_json(VISIT | {"event_id": ""}), Reason.BAD_EVENT_ID, "event_id: it is empty"),
    (as_json(VISIT | {"user_id": ""}), Reason.BAD_USER_ID, "user_id: it is empty"),
    (as_json(VISIT | {"user_id": "a\0b"}), Reason.BAD_USER_ID, 'user_id: "a\\x00b" has a NUL character'),
    (as_json(VISIT | {"user_id": "x" * 257}), Reason.BAD_USER_ID, "has 257 bytes; send at most 256"),
    (as_json(VISIT | {"user_id": "é" * 129}), Reason.BAD_USER_ID, "has 258 bytes"),
    (as_json(VISIT | {"occurred_at": "2024-02-29T11:00:00"}), Reason.BAD_TIME, "has no offset to UTC"),
    (as_json(VISIT | {"occurred_at": ""}), Reason.BAD_TIME, 'occurred_at: "" is not RFC 3339'),
    (as_json(VISIT | {"occurred_at": -1}), Reason.BAD_TIME, "occurred_at: -1 is before 1970"),
    (as_json(VISIT | {"occurred_at": 1.5}), Reason.WRONG_TYPE, "occurred_at: 1.5 is neither a string nor an integer"),
    (as_json(VISIT | {"occurred_at": 10**30}), Reason.BAD_TIME, "is past the year 9999"),
    (as_json(VISIT).replace(b'"2024-02-29T11:59:00Z"', b"9" * 9000), Reason.BAD_TIME, "is past the year 9999"),
    (as_json(VISIT).replace(b'"2024-02-29T11:59:00Z"', b"-" + b"9" * 9000), Reason.BAD_TIME, "is before 1970"),
    (as_json(VISIT | {"occurred_at": "2024-02-29T12:01:01Z"}), Reason.FUTURE_TIME, "is 61.000 s past the wall clock"),
    (as_json(VISIT | {"segment": "pro"}), Reason.BAD_SEGMENT, 'segment: "pro" is not a JSON object'),
    (as_json(VISIT | {"segment": {"plan": ["pro"]}}), Reason.BAD_SEGMENT, 'segment.plan: ["pro"] is nested'),
    (as_json(PURCHASE | {"order_id": ""}), Reason.BAD_ORDER_ID, "order_id: it is empty"),
    (as_json(PURCHASE | {"amount": "12,34"}), Reason.BAD_AMOUNT, 'amount: "12,34" is not a decimal number'),
    (as_json(PURCHASE | {"amount": 12.345}), Reason.BAD_AMOUNT, "amount: 12.345 has more decimals"),
    (as_json(PURCHASE | {"amount": 10**300}), Reason.BAD_AMOUNT, "is not a decimal number"),
    (as_json(PURCHASE | {"amount": "NaN"}), Reason.BAD_AMOUNT, 'amount: "NaN" is not a decimal number'),
    (as_json(PURCHASE | {"currency": "EUR"}), Reason.FOREIGN_CURRENCY, 'currency: "EUR" is not the reporting currency'),
    (as_json(PURCHASE | {"currency": ""}), Reason.FOREIGN_CURRENCY, 'currency: "" is not the reporting currency USD'),
]


@pytest.mark.parametrize(("value", "reason", "said"), BROKEN)
def test_a_broken_record_is_a_dead_letter_that_says_why(value: bytes | None, reason: Reason, said: str) -> None:
    letter = only(value)
    assert letter.reason is reason
    assert said in letter.message
    assert "; " in letter.message


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, 'key: it is missing; send the user_id "u1" as the key'),
        (b"", 'key:  is not the user_id "u1"'),
        (b"u2", 'key: u2 is not the user_id "u1"'),
        (b'"u1"', "without quotes"),
        (b"\xff", "key: \\xff is not the user_id"),
    ],
)
def test_a_key_that_is_not_the_user_id_is_a_dead_letter(key: bytes | None, said: str) -> None:
    letter = only(as_json(VISIT), key=key)
    assert letter.reason is Reason.KEY_MISMATCH
    assert said in letter.message


def test_every_reason_is_given_by_some_record() -> None:
    assert {reason for _, reason, _ in BROKEN} | {Reason.KEY_MISMATCH} == set(Reason)


# -- properties

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
near_misses = st.tuples(
    st.sampled_from([VISIT, PURCHASE]),
    st.dictionaries(st.sampled_from([*PURCHASE, "other"]), json_values, max_size=3),
).map(lambda pair: as_json(pair[0] | pair[1]))
spoiled = st.tuples(
    st.sampled_from([as_json(VISIT), as_json(PURCHASE)]), st.integers(0, 200), st.binary(max_size=4)
).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :])
anything = st.none() | st.binary(max_size=60) | near_misses | spoiled
keys = st.none() | st.binary(max_size=5) | st.just(b"u1")


@given(st.lists(st.tuples(keys, anything), max_size=12), st.booleans(), st.booleans())
@settings(max_examples=300)
def test_no_record_raises_and_each_is_an_event_or_a_dead_letter(
    records: list[tuple[bytes | None, bytes | None]], keyed: bool, seconds: bool
) -> None:
    decode = decoder(seconds=seconds)
    chunk_keys = [key for key, _ in records] if keyed else None
    values = [value for _, value in records]
    batch, dead = decode.decode(chunk_keys, values, NOW)
    positions = [letter.position for letter in dead]
    assert positions == sorted(set(positions))
    assert len(batch) + len(dead) == len(records)
    assert len(rows(batch)) == len(batch)
    # One at a time, the records are judged alike: by the columns, and by the inspector.
    expected = []
    for row, (key, value) in enumerate(records):
        alone, letters = decoder(seconds=seconds).decode([key] if keyed else None, [value], NOW)
        expected += rows(alone)
        assert [letter.reason for letter in letters] == [d.reason for d in dead if d.position == row]
        if letters:
            with pytest.raises(Fault) as caught:
                decode._inspector.inspect(value, key, keyed=keyed, now_ms=NOW)
            assert (caught.value.reason, caught.value.message) == (letters[0].reason, letters[0].message)
    assert rows(batch) == expected


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_good_records_among_bad_ones_keep_order_and_positions(good: list[bool], random: Any) -> None:
    values: list[bytes | None] = []
    for row, fine in enumerate(good):
        record = random.choice([VISIT, PURCHASE]) | {"event_id": f"e{row}"}
        values.append(as_json(record) if fine else random.choice(BROKEN)[0])
    batch, dead = decoder().decode(None, values, NOW)
    assert batch.event_ids == [f"e{row}" for row, fine in enumerate(good) if fine]
    assert [letter.position for letter in dead] == [row for row, fine in enumerate(good) if not fine]


@given(st.lists(near_misses, max_size=20), st.integers(0, 20))
def test_a_chunk_in_two_parts_gives_the_same_events(values: list[bytes], cut: int) -> None:
    whole, dead = decoder().decode(None, values, NOW)
    split = decoder()
    left, dead_left = split.decode(None, values[:cut], NOW)
    right, dead_right = split.decode(None, values[cut:], NOW)
    assert rows(left) + rows(right) == rows(whole)
    assert [d.reason for d in dead_left + dead_right] == [d.reason for d in dead]


def test_amounts_that_never_repeat_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_app.codecs.events._CACHED_AMOUNTS", 10)
    decode = decoder()
    values = [as_json(PURCHASE | {"amount": cents / 100}) for cents in range(100)]
    batch, _ = decode.decode(None, values, NOW)
    assert batch.amounts.tolist() == list(range(100))
    assert len(decode._amounts) <= 10
