"""Bitmaps equal Python's integers and sets."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain import bits


@st.composite
def bitmaps(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Words a row, and each row as an integer."""
    width = draw(st.sampled_from((1, 2, 6)))
    edges = st.sampled_from([0, 1, 1 << 63, 1 << 64, (1 << width * 64) - 1, 1 << (width * 64 - 1)])
    value = st.one_of(edges, st.integers(0, (1 << width * 64) - 1)).map(lambda number: number % (1 << width * 64))
    return width, draw(st.lists(value, min_size=1, max_size=5))


def words(width: int, rows: list[int]) -> np.ndarray:
    return np.array([[row >> 64 * w & (1 << 64) - 1 for w in range(width)] for row in rows], np.uint64)


def ints(array: np.ndarray) -> list[int]:
    return [sum(int(word) << 64 * w for w, word in enumerate(row)) for row in array.tolist()]


@given(bitmaps())
def test_unpack_and_pack(bitmap: tuple[int, list[int]]) -> None:
    width, rows = bitmap
    unpacked = bits.unpack(words(width, rows))
    assert unpacked.shape == (len(rows), width * 64)
    assert [{i for i, on in enumerate(row) if on} for row in unpacked.tolist()] == [
        {i for i in range(width * 64) if row >> i & 1} for row in rows
    ]
    assert ints(bits.pack(unpacked)) == rows


@given(bitmaps(), st.data())
def test_test(bitmap: tuple[int, list[int]], data: st.DataObject) -> None:
    width, rows = bitmap
    place = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, width * 64 - 1))
    asked = data.draw(st.lists(place, max_size=20))
    row, bit = (np.array([pair[i] for pair in asked], np.int64) for i in (0, 1))
    assert bits.test(words(width, rows), row, bit).tolist() == [bool(rows[r] >> b & 1) for r, b in asked]


@given(bitmaps(), st.data())
def test_set_sorted(bitmap: tuple[int, list[int]], data: st.DataObject) -> None:
    width, rows = bitmap
    place = st.tuples(st.integers(0, len(rows) - 1), st.integers(0, width * 64 - 1))
    wanted = sorted(data.draw(st.lists(place, max_size=30)))
    array = words(width, rows)
    bits.set_sorted(array, *(np.array([pair[i] for pair in wanted], np.int64) for i in (0, 1)))
    for row, bit in wanted:
        rows[row] |= 1 << bit
    assert ints(array) == rows


@given(bitmaps(), st.data())
def test_shift_up(bitmap: tuple[int, list[int]], data: st.DataObject) -> None:
    width, rows = bitmap
    some = st.one_of(st.sampled_from((0, 1, 63, 64, 65, 128, width * 64 - 1, width * 64)), st.integers(0, 10_000))
    by = data.draw(st.lists(some, min_size=len(rows), max_size=len(rows)))
    shifted = bits.shift_up(words(width, rows), np.array(by, np.int64))
    assert ints(shifted) == [(row << n) % (1 << width * 64) for row, n in zip(rows, by, strict=True)]
