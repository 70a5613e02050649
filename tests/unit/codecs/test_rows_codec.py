"""The changelog's records; that every row survives is a property test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from support.counting import Part
from support.engine import CALENDAR, START

from stream_app.codecs.rows import MARKER_KEY, Marker, RowDecoder, decode_marker
from stream_app.domain.counters import Segments
from stream_app.domain.users import UserTable

if TYPE_CHECKING:
    import numpy as np


def written(*users: str, event_id: str = "e") -> Part:
    part = Part(CALENDAR, dimensions=("plan",))
    part.take([
        {"user": user, "time": START, "kind": "visit", "event_id": event_id, "segment": {"plan": 'p\n"ro'}}
        for user in users
    ])  # fmt: skip
    part.commit()
    return part


def table() -> UserTable:
    part = Part(CALENDAR, dimensions=("plan",))
    return UserTable(part.definitions, part.calendar, Segments(("plan",)))


def test_of_a_user_given_twice_the_later_row_is_kept_with_its_id():
    first, second = written("u", event_id="z" * 40).log[b"u"], written("u", event_id="a" * 40).log[b"u"]
    restored = table()
    RowDecoder(restored).restore([b"u", b"v", b"u"], [first, first, second])
    assert len(restored) == 2
    place = int(restored.index.find(hash_of(b"u"))[0])
    assert restored.long_ids[place] == "a" * 40


def hash_of(user: bytes) -> np.ndarray:
    from stream_app.domain.index import hash_keys

    return hash_keys([user])


def test_segments_and_ids_with_line_feeds_are_apart():
    restored = table()
    RowDecoder(restored).restore([b"u"], [written("u", event_id="one\ntwo\nthree in a long id").log[b"u"]])
    assert restored.segments.combos == [('p\n"ro',)]
    assert restored.long_ids == {0: "one\ntwo\nthree in a long id"}


def test_restored_rows_are_not_dirty():
    restored = table()
    part = written("a", "b")
    RowDecoder(restored).restore(list(part.log), list(part.log.values()))
    assert restored.take_dirty()[0] == []


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x01" + b"x" * 20, b"\x02\0\0", b"\x02\7\0" + b"x" * 500, b"\3" + b"x" * 300]
)
def test_a_value_of_another_form_is_refused(value):
    with pytest.raises(ValueError, match="a changelog row has format"):
        RowDecoder(table()).restore([b"u"], [value])


@pytest.mark.parametrize("tail", [b"", b"{", b'["a","b"]', b"7"])
def test_segments_of_another_form_are_refused(tail):
    value = written("u").log[b"u"]
    width = value.index(b"[")
    with pytest.raises((ValueError, TypeError)):
        RowDecoder(table()).restore([b"u"], [value[:width] + tail])


def test_nothing_is_restored_from_nothing():
    restored = table()
    RowDecoder(restored).restore([], [])
    assert len(restored) == 0


def test_no_user_id_can_be_the_marker():
    assert MARKER_KEY.startswith(b"\0")


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b'{"fingerprint":"x","epoch":"one"}'])
def test_what_is_no_marker_is_refused(value):
    with pytest.raises(msgspec.DecodeError):
        decode_marker(value)


def test_a_marker_of_a_program_that_tells_less_is_read():
    assert decode_marker(b'{"fingerprint":"x","epoch":3,"new_field":1}') == Marker("x", 3)
