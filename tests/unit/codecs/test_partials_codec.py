"""The records of the partials topic; that they survive is a property test."""

from __future__ import annotations

import msgspec
import numpy as np
import orjson
import pytest

from stream_app.codecs.partials import decode_block, decode_key, decode_status, encode_block
from stream_app.domain.counters import BlockKey

KEY = BlockKey("engagement", "day.on", ("plan", "pro"), 19_723)


def block(*cells: int) -> bytes:
    return encode_block(KEY, np.array(cells, np.int64), 3, 7)[1]


def test_a_key_is_readable():
    name, _ = encode_block(KEY, np.zeros(1, np.int64), 3, 7)
    assert orjson.loads(name) == ["engagement", "day.on", ["plan", "pro"], 19_723, 3]


def test_zeros_at_both_ends_take_no_room():
    assert len(block(0, 0, 5, 0, 6, 0, 0)) == 8 + 3 * 4
    assert decode_block(block(0, 0, 5, 0, 6, 0, 0))[1].tolist() == [0, 0, 5, 0, 6]
    assert len(block(0, 0)) == 8
    assert decode_block(block(0, 0))[1].tolist() == []


def test_a_block_can_be_written_to():
    """Sums are added up in place."""
    for value in (block(1, 2), block(0, 1)):
        decode_block(value)[1][0] += 1


def test_another_version_is_refused():
    with pytest.raises(ValueError, match="version 9"):
        decode_block(b"\x09" + block(1)[1:])


@pytest.mark.parametrize("key", [b"", b"{", b"[]", b'["status"]', b"[1,2]", b'["a","b",[],1]'])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match=r".*"):
        decode_key(key)


@pytest.mark.parametrize("value", [b"", b"{}", b'{"epoch":1}'])
def test_what_is_no_status_is_refused(value):
    with pytest.raises(msgspec.DecodeError):
        decode_status(value)
