"""An index from 128-bit key hashes to rows: open addressing over NumPy arrays.

A Python dict of bytes keys costs about 100 bytes a key; this costs 17 in the row and 8 to 16 in the slots, and looks
up a whole chunk at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.columns import grow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_EMPTY = -1
_SEEDS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03))
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def hash_keys(keys: Sequence[bytes]) -> NDArray[np.uint64]:
    """Hashes byte strings to 128 bits: shape (n, 2). A key's hash does not depend on its neighbours.

    The strings become one zero-padded matrix of 8-byte lanes, mixed lane by lane; a lane past the end of its own
    string is skipped, and the length goes in last, so that padding never counts.
    """
    count = len(keys)
    lengths = np.fromiter(map(len, keys), np.int64, count)
    width = max(int(lengths.max(initial=1)) + 7, 8) // 8
    lanes = np.array(keys, dtype=f"S{width * 8}").view(np.uint64).reshape(count, width)
    used = (lengths + 7) // 8
    hashes = np.empty((count, 2), np.uint64)
    for part, (seed, multiplier) in enumerate(zip(_SEEDS, _MULTIPLIERS, strict=True)):
        state = np.full(count, seed, np.uint64)
        for lane in range(width):
            mixed = _mix((state ^ lanes[:, lane]) * multiplier + seed)
            state = mixed if lane < int(used.min(initial=width)) else np.where(lane < used, mixed, state)
        hashes[:, part] = _mix((state ^ lengths.astype(np.uint64)) * multiplier)
    return hashes


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = value ^ (value >> np.uint64(29))
    value = value * _MULTIPLIERS[1]
    return value ^ (value >> np.uint64(32))


def _groups(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """An order in which equal hashes lie side by side, and the places in it where each of them begins."""
    order = np.argsort(hashes[:, 0])
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    if (same[:, 0] & ~same[:, 1]).any():  # two keys share 64 bits of 128
        order = np.lexsort((hashes[:, 1], hashes[:, 0]))
        ordered = hashes[order]
        same = ordered[1:] == ordered[:-1]
    return order, true_at(np.concatenate([[True], ~same.all(axis=1)]))


class HashIndex:
    """Rows by key hash. Rows are numbered 0, 1, 2 ... in the order of their first appearance."""

    def __init__(self, capacity: int = 1024) -> None:
        self._slots = np.full(capacity, _EMPTY, np.int32)
        self._hashes = np.zeros((capacity // 2, 2), np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes held by the index."""
        return self._slots.nbytes + self._hashes.nbytes

    def upsert(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each hash, shape (n,); a hash not seen before gets the next row."""
        rows = self.find(hashes)
        missing = true_at(rows < 0)
        if missing.size:
            order, starts = _groups(hashes[missing])
            # Number the new keys by first appearance, so that rows do not depend on the hash function's order.
            first = np.minimum.reduceat(order, starts)
            rank = np.empty(first.size, np.int64)
            rank[np.argsort(first)] = np.arange(first.size)
            start = self._count
            self._insert(hashes[missing[np.sort(first)]])
            rows[missing[order]] = start + np.repeat(rank, np.diff(starts, append=order.size))
        return rows

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The row of each hash, shape (n,), -1 where it is not known."""
        rows = np.full(len(hashes), _EMPTY, np.int64)
        mask = np.uint64(len(self._slots) - 1)
        pending, wanted = np.arange(len(hashes)), hashes
        place = hashes[:, 0] & mask
        while pending.size:
            candidate = self._slots[place]
            # Of an empty slot this takes the last row, whatever is there. `take` costs half of indexing.
            stored = self._hashes.take(candidate, axis=0, mode="wrap")
            occupied = candidate >= 0
            same = (stored[:, 0] == wanted[:, 0]) & (stored[:, 1] == wanted[:, 1])
            found = occupied & same
            rows[pending[found]] = candidate[found]
            going = true_at(occupied & ~same)
            pending, wanted = pending[going], wanted[going]
            place = (place[going] + np.uint64(1)) & mask
        return rows

    def hashes(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The hashes of rows: shape (n,) -> (n, 2)."""
        return self._hashes.take(rows, axis=0)

    def _insert(self, hashes: NDArray[np.uint64]) -> None:
        total = self._count + len(hashes)
        if total * 2 > len(self._slots):
            capacity = len(self._slots)
            while total * 2 > capacity:
                capacity *= 2
            self._slots = np.full(capacity, _EMPTY, np.int32)
            self._place(self._hashes[: self._count], 0)
        if total > len(self._hashes):
            grow(self._hashes, total, 0)
        self._hashes[self._count : total] = hashes
        self._place(hashes, self._count)
        self._count = total

    def _place(self, hashes: NDArray[np.uint64], first_row: int) -> None:
        mask = np.uint64(len(self._slots) - 1)
        rows = np.arange(first_row, first_row + len(hashes), dtype=np.int32)
        place = hashes[:, 0] & mask
        while rows.size:
            free = self._slots[place] < 0
            self._slots[place[free]] = rows[free]
            # Two rows may have taken one slot at once: the later write holds it, the other goes on.
            waiting = self._slots[place] != rows
            rows = rows[waiting]
            place = (place[waiting] + np.uint64(1)) & mask
