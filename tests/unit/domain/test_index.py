"""The hash index at its edges; that it equals a dict is a property test."""

from __future__ import annotations

import numpy as np

from stream_app.domain.index import HashIndex, hash_keys


def test_rows_are_numbered_by_first_appearance():
    index = HashIndex()
    assert index.upsert(hash_keys([b"c", b"a", b"c", b"b"])).tolist() == [0, 1, 0, 2]
    assert index.upsert(hash_keys([b"b", b"d"])).tolist() == [2, 3]
    assert index.find(hash_keys([b"x", b"a"])).tolist() == [-1, 1]


def test_nothing_is_found_in_nothing():
    index = HashIndex()
    assert hash_keys([]).shape == (0, 2)
    assert index.upsert(hash_keys([])).tolist() == []
    assert index.find(hash_keys([])).tolist() == []
    assert len(index) == 0


def test_it_grows_and_keeps_every_row():
    index = HashIndex(2)
    keys = [b"%d" % number for number in range(5000)]
    for start in range(0, 5000, 700):
        index.upsert(hash_keys(keys[start : start + 700]))
    assert index.find(hash_keys(keys)).tolist() == list(range(5000))
    assert len(index) == 5000


def test_keys_that_meet_in_one_slot_are_kept_apart():
    """All want the last slot: the search goes on from the first."""
    index = HashIndex(16)
    hashes = np.array([[15, n] for n in range(5)] + [[31, 0]], np.uint64)
    assert index.upsert(hashes).tolist() == [0, 1, 2, 3, 4, 5]
    assert index.find(hashes[::-1]).tolist() == [5, 4, 3, 2, 1, 0]
    assert index.find(np.array([[15, 9]], np.uint64)).tolist() == [-1]


def test_a_length_is_part_of_the_hash():
    hashes = hash_keys([b"a", b"a\x01", b"a" * 8, b"a" * 9, b"a" * 16, b"a" * 256])
    assert len({tuple(pair) for pair in hashes.tolist()}) == 6


def test_hashes_spread_over_the_slots():
    hashes = hash_keys([b"user-%07d" % number for number in range(20_000)])
    taken = np.bincount((hashes[:, 0] & np.uint64(1023)).astype(np.int64), minlength=1024)
    # 20,000 over 1,024: about 19.5 each, with a deviation of 4.4.
    assert taken.min() > 0
    assert taken.max() < 20_000 / 1024 + 8 * 4.4


def test_it_takes_few_bytes_a_key():
    index = HashIndex()
    index.upsert(hash_keys([b"%d" % number for number in range(100_000)]))
    assert index.nbytes / len(index) <= 34


def test_keys_that_share_half_a_hash_are_apart():
    hashes = np.array([[7, 1], [7, 2], [7, 1], [3, 9], [7, 2], [7, 0]], np.uint64)
    index = HashIndex()
    assert index.upsert(hashes).tolist() == [0, 1, 0, 2, 1, 3]
    assert index.find(hashes).tolist() == [0, 1, 0, 2, 1, 3]
