"""The fixed-width row: event ids in 16 bytes, and how much a user costs."""

from __future__ import annotations

import uuid

import numpy as np
import pytest

from stream_app.domain.rows import (
    DEFINITION,
    ID_BYTES,
    LATER,
    LONG,
    NEVER,
    SHORT,
    UUID,
    WORD_OF,
    empty_rows,
    hour_words,
    pack_id,
    pack_ids,
    row_of,
    unpack_id,
)

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
    kept = np.array([raw], f"S{ID_BYTES}")
    long_ids = {} if whole is None else {0: whole}
    assert unpack_id(kept_form, bytes(kept[0]), 0, long_ids) == event_id


def test_many_event_ids_are_packed_as_each_by_itself():
    near = [str(SOME)[:i] + odd + str(SOME)[i + 1 :] for i in (0, 8, 35) for odd in ("-", "g", "A", " ", "é")]
    event_ids = ["a", str(SOME), *near, str(uuid.UUID(int=SOME.int >> 8 << 8)), "x" * 36, "\0" * 36, "long " * 10]
    forms, packed, whole = pack_ids(event_ids)
    for place, event_id in enumerate(event_ids):
        form, raw, rest = pack_id(event_id)
        assert (forms[place], bytes(packed[place]), whole.get(place)) == (form, raw.rstrip(b"\0"), rest)
    assert [len(found) for found in pack_ids([])] == [0, 0, 0]


def test_an_empty_row_knows_nothing():
    (row,) = empty_rows(1)
    assert row["anchor"] == LATER
    assert row["first_day"] == row["last_day"] == NEVER
    assert not row["day"].any()


@pytest.mark.parametrize(("hours", "size"), [(0, 104), (3, 128)])
def test_a_row_is_made_of_whole_words(hours, size):
    form = row_of(hours)
    assert form.itemsize == size
    words = empty_rows(3, hours).view(np.uint64)
    words[2 * (size // 8) + WORD_OF["week"]] = 5
    assert words.view(form)["week"].tolist() == [[0, 0], [0, 0], [5, 0]]
    assert words.view(form)["first_day"].tolist() == [NEVER] * 3


def test_hours_come_last_so_that_a_row_without_them_is_the_beginning_of_one_with():
    assert row_of(0) == DEFINITION
    assert row_of(3).fields["hours"][1] == 8 * WORD_OF["hours"] == DEFINITION.itemsize
    assert {name: row_of(3).fields[name] for name in DEFINITION.names} == dict(DEFINITION.fields)


def test_so_many_days_of_hours_take_so_many_words():
    assert [hour_words(days, 0) for days in (0, 1, 2, 3, 8, 32)] == [0, 1, 1, 2, 3, 12]
    assert [hour_words(days, 1) for days in (0, 1, 8)] == [0, 1, 4]
