"""The fixed-width row: event ids in 16 bytes, and how much a user costs."""

from __future__ import annotations

import uuid

import pytest

from stream_app.domain.rows import LATER, LONG, NEVER, SHORT, UUID, empty_rows, pack_id, pack_ids, row_type, unpack_id

SOME = uuid.UUID("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b")


@pytest.mark.parametrize(
    ("event_id", "form"),
    [
        ("a", SHORT),
        ("x" * 16, SHORT),
        ("é" * 8, SHORT),
        ("a\0b", SHORT),
        (str(SOME), UUID),
        (str(uuid.UUID(int=SOME.int >> 8 << 8)), LONG),  # its last byte is NUL, which a fixed width would lose
        (str(SOME).upper(), LONG),
        (SOME.hex, LONG),
        ("{" + str(SOME)[:34] + "}", LONG),
        ("x" * 17, LONG),
        ("x" * 36, LONG),
        ("é" * 18, LONG),
        ("ends with NUL\0", LONG),
        ("\0", LONG),
        ("line\nfeed in a long event id", LONG),
    ],
)
def test_an_event_id_is_kept_whole(event_id, form):
    kept_form, raw, whole = pack_id(event_id)
    assert kept_form == form
    assert len(raw) <= 16
    assert (whole is None) == (form != LONG)
    rows = empty_rows(1, 2)
    rows["id"] = raw
    long_ids = {} if whole is None else {0: whole}
    assert unpack_id(kept_form, bytes(rows["id"][0]), 0, long_ids) == event_id


def test_many_event_ids_are_packed_as_each_by_itself():
    near = [str(SOME)[:i] + odd + str(SOME)[i + 1 :] for i in (0, 8, 35) for odd in ("-", "g", "A", " ", "é")]
    event_ids = ["a", str(SOME), *near, str(uuid.UUID(int=SOME.int >> 8 << 8)), "x" * 36, "\0" * 36, "long " * 10]
    forms, packed, whole = pack_ids(event_ids)
    for place, event_id in enumerate(event_ids):
        form, raw, rest = pack_id(event_id)
        assert (forms[place], bytes(packed[place]), whole.get(place)) == (form, raw.rstrip(b"\0"), rest)
    assert [len(found) for found in pack_ids([])] == [0, 0, 0]


def test_an_empty_row_knows_nothing():
    (row,) = empty_rows(1, 2)
    assert row["first"] == row["of"][0]["anchor"] == LATER
    assert row["of"][1]["first_day"] == row["of"][1]["last_day"] == NEVER
    assert not row["of"][0]["day"].any()


def test_a_user_s_row_takes_few_bytes():
    """At most 250 bytes a user in the worker, with the index; a definition is 104 of them."""
    assert row_type(1).itemsize == 29 + 104
    assert row_type(2).itemsize + 16 <= 254
