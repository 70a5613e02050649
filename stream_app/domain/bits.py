"""Bitmaps of active periods: rows of uint64 words, bit `i` of a row is bit `i % 64` of its word `i // 64`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_WORD = 64


def true_at(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The places at which a mask (n,) is true: `np.flatnonzero` at a third of what it costs where n is small."""
    places: NDArray[np.int64] = mask.nonzero()[0]
    return places


def unpack(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Shape (n, w) of words -> shape (n, 64 w) of booleans."""
    flat = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(flat, axis=1, bitorder="little").view(np.bool_)


def where(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The bits that are set, in order: their rows and their places within the row."""
    width = words.shape[1] * _WORD
    flat = np.flatnonzero(unpack(words))  # of a matrix, `nonzero` takes five times as long
    return flat // width, flat % width


def pack(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Shape (n, 64 w) of booleans -> shape (n, w) of words."""
    return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)


def test(words: NDArray[np.uint64], rows: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether bit `places[i]` of row `rows[i]` is set; every place must lie within the bitmap."""
    word = words[rows, places // _WORD]
    found: NDArray[np.bool_] = (word >> (places % _WORD).astype(np.uint64)) & np.uint64(1) != 0
    return found


def set_sorted(words: NDArray[np.uint64], rows: NDArray[np.int64], places: NDArray[np.int64]) -> None:
    """Sets bit `places[i]` of row `rows[i]`, in place. The pairs must be sorted by row, then by place."""
    if not rows.size:
        return
    word = places // _WORD
    new_group = np.empty(rows.size, np.bool_)
    new_group[0] = True
    np.not_equal(rows[1:], rows[:-1], out=new_group[1:])
    new_group[1:] |= word[1:] != word[:-1]
    starts = np.flatnonzero(new_group)
    # One write a word: fancy indexing keeps only the last of several writes to one place.
    values = np.bitwise_or.reduceat(np.uint64(1) << (places % _WORD).astype(np.uint64), starts)
    words[rows[starts], word[starts]] |= values


def shift_up(words: NDArray[np.uint64], by: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Moves the bits of row `i` up by `by[i]` >= 0 places; what passes the end falls off. Shape (n, w) -> (n, w)."""
    count, width = words.shape
    by = np.minimum(by, width * _WORD)
    whole, part = by // _WORD, (by % _WORD).astype(np.uint64)
    shifted = np.zeros_like(words)
    each = np.arange(count)
    for target in range(width):
        source = target - whole
        low = np.where(source >= 0, words[each, np.maximum(source, 0)], np.uint64(0))
        below = np.where(source >= 1, words[each, np.maximum(source - 1, 0)], np.uint64(0))
        # A shift by 64 is undefined, so the carry is moved by 63 and then by one more.
        carry = (below >> (np.uint64(63) - part)) >> np.uint64(1)
        shifted[:, target] = (low << part) | carry
    return shifted
