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
    WORDS,
    empty_rows,
    pack_id,
    pack_ids,
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


def test_a_row_is_made_of_whole_words():
    assert DEFINITION.itemsize == 8 * WORDS == 104
    words = empty_rows(3).view(np.uint64)
    words[2 * WORDS + WORD_OF["week"]] = 5
    assert words.view(DEFINITION)["week"].tolist() == [[0, 0], [0, 0], [5, 0]]
    assert words.view(DEFINITION)["first_day"].tolist() == [NEVER] * 3
