"""The hash index is a dict that numbers keys by their first appearance."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.index import HashIndex, hash_keys

# Few distinct letters: keys that share lanes, prefixes and lengths around the lane of 8 bytes.
keys = st.one_of(
    st.binary(min_size=1, max_size=256).map(lambda raw: raw.replace(b"\0", b"\1")),
    st.text("ab", min_size=1, max_size=26).map(str.encode),
    st.integers(0, 300).map(lambda number: b"user-%08d" % number),
)


@given(st.lists(st.lists(keys, max_size=60), max_size=6), st.sampled_from((2, 8, 1024)))
def test_it_equals_a_dict(batches: list[list[bytes]], capacity: int) -> None:
    index, model = HashIndex(capacity), {}
    for batch in batches:
        known = [model.get(key, -1) for key in batch]
        assert index.find(hash_keys(batch)).tolist() == known
        expected = [model.setdefault(key, len(model)) for key in batch]
        assert index.upsert(hash_keys(batch)).tolist() == expected
        assert len(index) == len(model)
    everything = list(model)
    assert index.find(hash_keys(everything)).tolist() == list(model.values())


@given(keys, st.lists(keys, max_size=20))
def test_a_hash_does_not_depend_on_its_neighbours(key: bytes, others: list[bytes]) -> None:
    alone = hash_keys([key])[0].tolist()
    assert hash_keys([*others, key])[-1].tolist() == alone
    assert hash_keys([key, *others])[0].tolist() == alone


@given(st.lists(keys, max_size=200, unique=True))
def test_different_keys_have_different_hashes(distinct: list[bytes]) -> None:
    assert len({tuple(pair) for pair in hash_keys(distinct).tolist()}) == len(distinct)
