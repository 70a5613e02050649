"""The records of the partials topic; that they survive is a property test."""

from __future__ import annotations

import struct

import msgspec
import numpy as np
import orjson
import pytest

from stream_app.codecs.partials import PageEncoder, decode_block, decode_key, decode_page, decode_status
from stream_app.domain.counters import ALL, GROUP, BlockKey, Cells, Counters, PageKey, Segments

KEY = PageKey("engagement", "day.on", 19_723, 0)


def segments(plans: int = 1) -> Segments:
    made = Segments(("plan",))
    for number in range(plans):
        made.combo((f"plan-{number}",))
    return made


def page(*rows: list[int]) -> bytes:
    return PageEncoder(segments(), 3).encode(KEY, np.array(rows, np.int32), 7)[1]


def test_a_key_is_readable():
    name, _ = PageEncoder(segments(), 3).encode(KEY, np.zeros((2, 1), np.int32), 7)
    assert orjson.loads(name) == ["engagement", "day.on", 0, 19_723, 3]
    assert decode_key(name) == (KEY, 3)


def test_a_page_has_its_series_and_no_zeros_at_both_ends():
    epoch, series, first, cells = decode_page(page([0, 5, 0, 6, 0], [0, 0, 1, 0, 0]))
    assert (epoch, series, first) == (7, (ALL, ("plan", "plan-0")), 1)
    assert cells.tolist() == [[5, 0, 6], [0, 1, 0]]
    assert decode_page(page([0, 0], [0, 0]))[3].shape == (2, 0)


def test_each_group_has_its_own_series():
    encoder = PageEncoder(segments(GROUP + 5), 0)
    _, second = encoder.encode(KEY._replace(group=1), np.ones((6, 1), np.int32), 1)
    assert decode_page(second)[1] == tuple(("plan", f"plan-{n}") for n in range(GROUP - 1, GROUP + 5))


def test_a_group_that_grows_names_the_new_series_too():
    of = segments(1)
    encoder = PageEncoder(of, 0)
    assert len(decode_page(encoder.encode(KEY, np.ones((2, 1), np.int32), 1)[1])[1]) == 2
    of.combo(("more",))
    assert decode_page(encoder.encode(KEY, np.ones((3, 1), np.int32), 1)[1])[1][2] == ("plan", "more")


def test_workers_of_the_version_before_get_a_record_a_series():
    of = segments(1)
    counters = Counters(of)
    one = np.ones(1, np.int64)
    counters.apply([Cells("engagement", "day.size", one - 1, one * 9, one - 1, 1)])
    records = PageEncoder(of, 3, by_series=True).changed(counters, 7)
    assert [(*decode_key(name), decode_block(value)[1].tolist()) for name, value in records] == [
        (BlockKey("engagement", "day.size", series, 9), 3, [1]) for series in (ALL, ("plan", "plan-0"))
    ]
    assert PageEncoder(of, 3).changed(counters, 7) == []


def test_what_earlier_versions_wrote_is_read():
    key, partition = decode_key(b'["engagement","day.on",["plan","pro"],19723,3]')
    assert (key, partition) == (BlockKey("engagement", "day.on", ("plan", "pro"), 19_723), 3)
    value = struct.pack("<BxHI3i", 1, 2, 7, 5, 0, 6)
    epoch, cells = decode_block(value)
    assert (epoch, cells.tolist()) == (7, [0, 0, 5, 0, 6])


@pytest.mark.parametrize(("decode", "value"), [(decode_block, struct.pack("<BxHI", 1, 0, 7)), (decode_page, page([1]))])
def test_another_version_is_refused(decode, value):
    with pytest.raises(ValueError, match="version 9"):
        decode(b"\x09" + value[1:])


def test_a_page_that_is_cut_is_refused():
    with pytest.raises(ValueError, match=r".*"):
        decode_page(page([1, 2])[:-1])


@pytest.mark.parametrize("key", [b"", b"{", b"[]", b'["status"]', b"[1,2]", b'["a","b",[],1]'])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(ValueError, match=r".*"):
        decode_key(key)


@pytest.mark.parametrize("value", [b"", b"{}", b'{"epoch":1}'])
def test_what_is_no_status_is_refused(value):
    with pytest.raises(msgspec.DecodeError):
        decode_status(value)
