"""Bitmaps at the borders of their words; the rest is a property test."""

from __future__ import annotations

import numpy as np

from stream_app.domain import bits


def places(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_bits_are_set_in_their_words():
    words = np.zeros((2, 2), np.uint64)
    bits.set_sorted(words, places(0, 0, 0, 1), places(0, 63, 64, 127))
    assert words.tolist() == [[1 | 1 << 63, 1], [0, 1 << 63]]
    assert bits.test(words, places(0, 0, 0, 1, 1), places(63, 64, 65, 127, 0)).tolist() == [
        True, True, False, True, False,
    ]  # fmt: skip
    bits.set_sorted(words, places(), places())


def test_what_is_shifted_past_the_end_falls_off():
    words = np.array([[1, 1], [1, 1], [1, 1], [1, 1]], np.uint64)
    shifted = bits.shift_up(words, places(0, 1, 64, 10**9))
    assert shifted.tolist() == [[1, 1], [2, 2], [0, 1], [0, 0]]
    assert words.tolist() == [[1, 1]] * 4


def test_unpacking_takes_a_column_of_a_structure():
    rows = np.zeros(3, np.dtype([("x", np.int8), ("map", np.uint64, (2,))]))
    rows["map"][1] = [1 << 63, 1]
    assert np.flatnonzero(bits.unpack(rows["map"])[1]).tolist() == [63, 64]
    assert bits.unpack(rows["map"][:0]).shape == (0, 128)
