"""Tallies: sums over users by key, which add up over slices, partitions and workers to those of all users."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


@dataclass(slots=True)
class Cells:
    """Sums by key.

    Attributes:
        keys: int64 (m, d), no row twice, in order; the first column is the segment's place in the tally's `values`.
        sums: int64 (m,).
    """

    keys: Ints
    sums: Ints


@dataclass(slots=True, eq=False)
class Tally:
    """What a census counted.

    Attributes:
        values: the values of the asked dimension, `[""]` where none was asked: all users are one segment.
        first_day, last_day: the local days of the earliest and the latest event; None without events.
        hours: hours kept of each user, None for all.
        whole: everything is known of every user, whatever the horizon.
        users: how many users there are.
    """

    values: list[str]
    first_day: int | None = None
    last_day: int | None = None
    hours: int | None = None
    whole: bool = False
    users: int = 0
    _added_up: dict[str, Cells] = field(default_factory=dict, repr=False)
    _waiting: dict[str, list[Cells]] = field(default_factory=dict, repr=False)

    @property
    def cells(self) -> dict[str, Cells]:
        """By name; what the names and the columns of their keys are, each figure says."""
        for name in self._waiting:
            self._add_up(name)
        return self._added_up

    def add(self, name: str, keys: Sequence[Ints], weights: Ints | None = None) -> None:
        """Adds 1, or its weight, for each of n keys, given as columns (n,) of which the first is the segment."""
        width = len(keys)
        given = np.stack([np.asarray(key, np.int64) for key in keys], axis=1) if keys[0].size else _none(width)
        sums = np.ones(len(given), np.int64) if weights is None else weights
        waiting = self._waiting.setdefault(name, [])
        waiting.append(Cells(*_summed(given, sums)))
        # Only when as much waits as there is: a slice of users must not cost as much as all those before it.
        known = self._added_up.get(name)
        if known is None or sum(len(one.sums) for one in waiting) >= len(known.sums):
            self._add_up(name)

    def _add_up(self, name: str) -> None:
        waiting, known = self._waiting[name], self._added_up.get(name)
        if waiting:
            every = waiting if known is None else [known, *waiting]
            summed = _summed(np.concatenate([one.keys for one in every]), np.concatenate([one.sums for one in every]))
            self._added_up[name] = Cells(*summed)
            waiting.clear()

    def of(self, name: str, width: int) -> Cells:
        """The sums of a name; empty ones, with keys of so many columns, where nothing was added."""
        return self.cells.get(name) or Cells(_none(width), np.zeros(0, np.int64))

    @staticmethod
    def merged(tallies: Sequence[Tally]) -> Tally:
        """The sum of tallies of one question; there is at least one."""
        values = list(dict.fromkeys(value for tally in tallies for value in tally.values))
        place = {value: number for number, value in enumerate(values)}
        total = Tally(values)
        for name in dict.fromkeys(name for tally in tallies for name in tally.cells):
            keys: list[Ints] = []
            sums: list[Ints] = []
            for tally in tallies:
                if name in tally.cells:
                    moved = tally.cells[name].keys.copy()
                    moved[:, 0] = np.array([place[value] for value in tally.values], np.int64)[moved[:, 0]]
                    keys.append(moved)
                    sums.append(tally.cells[name].sums)
            total.cells[name] = Cells(*_summed(np.concatenate(keys), np.concatenate(sums)))
        total.first_day = min((t.first_day for t in tallies if t.first_day is not None), default=None)
        total.last_day = max((t.last_day for t in tallies if t.last_day is not None), default=None)
        total.hours = min((t.hours for t in tallies if t.hours is not None), default=None)
        total.whole = all(t.whole for t in tallies)
        total.users = sum(t.users for t in tallies)
        return total


def _none(width: int) -> Ints:
    return np.zeros((0, width), np.int64)


def _summed(keys: Ints, sums: Ints) -> tuple[Ints, Ints]:
    """The distinct rows of keys in order, and the sum of each one's."""
    if not len(keys):
        return keys, sums
    low = keys.min(axis=0)
    widths = (keys.max(axis=0) - low + 1).tolist()
    span = 1
    for width in widths:
        span *= width
    if span < 1 << 62:  # one number a row: sorting rows costs ten times as much
        packed = np.zeros(len(keys), np.int64)
        for column, width in enumerate(widths):
            packed = packed * width + (keys[:, column] - low[column])
        if span <= 4 * len(keys) + 4096:  # nearly every number occurs: without sorting at all
            held, by_number = np.zeros(span, np.bool_), np.zeros(span, np.int64)
            held[packed] = True
            np.add.at(by_number, packed, sums)
            found = np.flatnonzero(held)
            total = by_number[found]
        else:
            found, inverse = np.unique(packed, return_inverse=True)
            total = _by_place(inverse, sums, found.size)
        distinct = np.empty((found.size, keys.shape[1]), np.int64)
        for column in range(keys.shape[1] - 1, -1, -1):
            found, distinct[:, column] = np.divmod(found, widths[column])
        distinct += low
    else:
        distinct, inverse = np.unique(keys, axis=0, return_inverse=True)
        total = _by_place(inverse.ravel(), sums, len(distinct))
    return distinct, total


def _by_place(places: Ints, sums: Ints, count: int) -> Ints:
    total = np.zeros(count, np.int64)
    np.add.at(total, places, sums)
    return total
