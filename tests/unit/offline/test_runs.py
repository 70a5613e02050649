"""Sorted runs: the same as all at once, whatever the order and the memory, and files that end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from stream_app.offline import runs as module
from stream_app.offline.kept import OrderEntries, UnitPairs
from stream_app.offline.runs import SLICE, Runs

#: Bytes in memory before a file: none, some, never.
LIMITS = [1, 20_000, 1 << 30]


def gathered(kept: Any, parts: list[np.ndarray], users: int, limit: int) -> list[np.ndarray]:
    runs = Runs(kept, waiting=limit // 4, in_memory=limit)
    for part in parts:
        runs.add(part.copy())
    found = [part.copy() for part in runs.slices(users)]
    runs.close()
    return found


@pytest.mark.parametrize("limit", LIMITS)
def test_pairs_are_sorted_and_there_once(limit: int) -> None:
    random = np.random.default_rng(1)
    users = 3 * SLICE + 5
    parts = [UnitPairs.packed(random.integers(0, users, 900), random.integers(0, 9, 900)) for _ in range(30)]
    found = gathered(UnitPairs(), [*parts, *parts[:7]], users, limit)
    assert len(found) == 4
    assert np.array_equal(np.concatenate(found), np.unique(np.concatenate(parts)))
    for number, part in enumerate(found):
        assert ((part >> 27) // SLICE == number).all()


@pytest.mark.parametrize("limit", LIMITS)
def test_the_latest_and_largest_form_of_an_order_stands_and_conflicts_are_kept(limit: int) -> None:
    random = np.random.default_rng(2)
    count, users = 4000, SLICE + 50
    who = random.choice([0, 1, SLICE - 1, SLICE, users - 1], count)
    ids, times, amounts = random.integers(0, 40, count), random.integers(0, 4, count), random.integers(-2, 3, count)
    digests = np.stack([ids // 7, ids], axis=1).astype(np.uint64) * np.uint64(2)  # halves of digests that are shared
    parts = [
        OrderEntries.packed(*(c[place : place + 100] for c in (who, digests, times, amounts)))
        for place in range(0, count, 100)
    ]
    met: dict[tuple[int, int, bool], set[tuple[int, int]]] = {}
    for user, order, time, amount in zip(who.tolist(), ids.tolist(), times.tolist(), amounts.tolist(), strict=True):
        met.setdefault((user, order, amount < 0), set()).add((time, amount))
    expected = sorted((key[0], *max(seen), not key[2] and len(seen) > 1) for key, seen in met.items())
    found = []
    for number, part in enumerate(gathered(OrderEntries(), parts, users, limit)):
        orders = OrderEntries.unpacked(part, number * SLICE)
        rows = zip(*(column.tolist() for column in orders), strict=True)
        found += [(user + number * SLICE, *rest) for user, *rest in rows]
    assert sorted(found) == expected
    assert found == sorted(found, key=lambda row: row[:2])


def test_many_files_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 3)
    runs = Runs(UnitPairs(), waiting=1, in_memory=1)
    for number in range(50):
        runs.add(np.arange(number, number + 1000) << 27)
        assert len(runs._files) <= 3
    assert np.array_equal(np.concatenate(list(runs.slices(1049))), np.arange(1049) << 27)
    runs.close()


def test_nothing_that_was_gathered_is_nothing() -> None:
    assert [len(part) for part in Runs(OrderEntries()).slices(SLICE + 1)] == [0, 0]
    assert list(Runs(UnitPairs()).slices(0)) == []
