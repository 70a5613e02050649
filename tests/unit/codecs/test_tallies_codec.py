"""Tallies as bytes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codecs.tallies import decode_tally, encode_tally
from stream_app.domain.metrics.tally import Cells, Tally

NUMBERS = st.one_of(st.integers(-5, 300), st.integers(-(1 << 63), (1 << 63) - 1))


def same(one: Tally, other: Tally) -> None:
    for field in dataclasses.fields(Tally):
        if not field.name.startswith("_"):  # cells, see below
            assert getattr(one, field.name) == getattr(other, field.name)
    assert list(one.cells) == list(other.cells)
    for name, cells in one.cells.items():
        for column in ("keys", "sums"):
            given, found = getattr(cells, column), getattr(other.cells[name], column)
            assert found.dtype == np.int64
            assert found.shape == given.shape
            assert (found == given).all()


@given(st.lists(st.tuples(st.text(), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS))), unique_by=lambda one: one[0]))
def test_what_is_sent_is_what_comes(names):
    tally = Tally(["", "pro\n"], first_day=-3, last_day=None, hours=24, whole=True, users=7)
    for name, rows in names:
        table = np.array(rows, np.int64).reshape(len(rows), 3)
        tally.cells[name] = Cells(table[:, :2], table[:, 2])
    same(tally, decode_tally(encode_tally(tally)))


def test_cells_of_a_usual_tally_are_small():
    tally = Tally([""])
    cells = 50_000
    tally.add("on", [np.zeros(cells, np.int64), np.arange(cells) // 400 + 10_000, np.arange(cells) % 400])
    assert len(encode_tally(tally)) < 6 * cells


@pytest.mark.parametrize("change", [lambda raw: raw[:4], lambda raw: b"XX" + raw[2:], lambda raw: raw[:-1],
                                    lambda raw: raw + b"\0", lambda raw: raw[:2] + b"\2" + raw[3:]])  # fmt: skip
def test_what_is_no_tally_is_refused(change):
    tally = Tally([""])
    tally.add("on", [np.zeros(5, np.int64), np.arange(5)])
    with pytest.raises(ValueError, match=r"tally|buffer"):
        decode_tally(change(encode_tally(tally)))
