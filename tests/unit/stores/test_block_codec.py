import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.stores.blocks import BUCKET, LazyPages, decode_bucket, encode_bucket

BLOCKS = st.dictionaries(
    st.integers(-(2**40), 2**40), st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20), max_size=6
)


def arrays(blocks):
    return [(period, np.array(values, np.int64)) for period, values in blocks.items()]


def trimmed(values):
    while len(values) > 1 and values[-1] == 0:
        values = values[:-1]
    return values


@given(BLOCKS)
def test_what_is_encoded_comes_back_but_for_zeros_at_the_end(blocks):
    decoded = decode_bucket(encode_bucket(arrays(blocks)))
    assert {period: block.tolist() for period, block in decoded.items()} == {
        period: trimmed(values) for period, values in blocks.items()
    }
    assert all(block.dtype == np.int64 for block in decoded.values())


def test_small_counts_take_four_bytes_and_large_ones_eight():
    small, large = encode_bucket(arrays({1: [2**31 - 1] * 10})), encode_bucket(arrays({1: [2**31] * 10}))
    assert len(large) - len(small) == 40


def test_a_block_of_zeros_keeps_its_first_value():
    assert decode_bucket(encode_bucket(arrays({3: [0, 0]})))[3].tolist() == [0]


@pytest.mark.parametrize(
    "raw",
    [b"", b"SB", b"XX\x01\x04\x00\x00\x00\x00", b"SB\x02\x04\x00\x00\x00\x00", b"SB\x01\x03\x00\x00\x00\x00"]
    + [encode_bucket(arrays({1: [7, 8]}))[:cut] for cut in (9, 18, 22, 27)],
)
def test_bytes_that_are_no_bucket_are_refused(raw):
    with pytest.raises(ValueError, match="bucket"):
        decode_bucket(raw)


def test_pages_decode_when_first_asked_for():
    pages = LazyPages({0: b"broken"})
    with pytest.raises(ValueError, match="header"):
        len(pages)


@pytest.mark.parametrize("decoded_before", [True, False])
def test_replacing_a_bucket_leaves_the_others_and_the_original(decoded_before):
    pages = LazyPages({0: encode_bucket(arrays({1: [1], 2: [2]})), 1: encode_bucket(arrays({BUCKET: [5]}))})
    if decoded_before:
        len(pages)
    changed = pages.replaced({0: encode_bucket(arrays({1: [9]}))})
    assert {period: block.tolist() for period, block in changed.items()} == {1: [9], BUCKET: [5]}
    assert {period: block.tolist() for period, block in pages.items()} == {1: [1], 2: [2], BUCKET: [5]}
