"""What is written is read back: rows, markers, blocks, statuses."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from properties.streams import Stream, arrivals, streams
from support.counting import Part, folded, nonzero

from stream_app.codecs.partials import (
    PageEncoder,
    SourceStatus,
    Status,
    decode_block,
    decode_key,
    decode_page,
    decode_status,
    encode_block,
    encode_status,
)
from stream_app.codecs.rows import MARKER_KEY, Marker, RowDecoder, RowEncoder, Source, decode_marker, encode_marker
from stream_app.domain.counters import GROUP, BlockKey, Counters, PageKey, Segments, Series
from stream_app.domain.rows import ROW_FORMATS, pack_id, pack_ids, unpack_id
from stream_app.domain.users import UserTable

texts = st.text(max_size=12)
counts = st.integers(0, 2**53)
instants = st.none() | st.integers(-(2**53), 2**53)


@given(st.data(), streams(), st.sampled_from(ROW_FORMATS))
def test_users_survive(data: Any, stream: Stream, version: int) -> None:
    """Restored into a table that numbers users and segments differently, in two parts, some users twice."""
    part = Part(stream.calendar)
    part.encoder = RowEncoder(part.table, version)
    for batch in data.draw(arrivals(stream.events)):
        part.take(batch)
        part.commit()
    users = data.draw(st.permutations(list(part.log)))
    table = UserTable(part.definitions, part.calendar, Segments(part.dimensions))
    decoder = RowDecoder(table, changed=True)
    cut = data.draw(st.integers(0, len(users)))
    twice = users[:1] + users
    for some in (twice[:cut], twice[cut:]):
        decoder.restore(some, [part.log[user] for user in some])
    assert len(table) == len(part.log)
    # What was restored to be written again is written as it was, whatever numbers users and segments have.
    names, numbers = table.take_dirty()
    again = Part(stream.calendar)
    again.log = dict(zip(names, RowEncoder(table).encode(numbers), strict=True))
    assert again.log.keys() == part.log.keys()
    assert again.users() == part.users()
    counters = Counters(table.segments)
    counters.apply(table.fold(0, len(table)))
    assert nonzero(counters.blocks()) == nonzero(folded(part).blocks())


markers = st.builds(
    Marker,
    fingerprint=texts,
    epoch=st.integers(0, 2**31),
    watermark=instants,
    sources=st.dictionaries(texts, st.builds(Source, offset=counts, last_event=instants), max_size=3),
    totals=st.dictionaries(texts, counts, max_size=6),
)
statuses = st.builds(
    Status,
    epoch=st.integers(0, 2**31),
    fingerprint=texts,
    sources=st.dictionaries(
        texts, st.builds(SourceStatus, last_event=instants, idle=st.booleans(), lag=counts), max_size=3
    ),
    totals=st.dictionaries(texts, counts, max_size=6),
)
keys = st.builds(
    BlockKey,
    definition=texts,
    measure=texts,
    series=st.just(()) | st.tuples(texts, texts),
    period=st.integers(-(9**6), 9**6),
)


likely_ids = st.one_of(
    st.uuids().map(str),
    st.text(min_size=1, max_size=40),
    st.text("0123456789abcdefABCDEF-é\ud800", min_size=36, max_size=36),
    st.uuids().map(lambda made: str(made)[:-2] + "00"),
    st.uuids().map(lambda made: str(made).upper()),
)


@given(st.lists(likely_ids, max_size=12))
def test_event_ids_survive_packed_together(ids: list[str]) -> None:
    forms, packed, whole = pack_ids(ids)
    assert [unpack_id(f, bytes(p), i, whole) for i, (f, p) in enumerate(zip(forms, packed, strict=True))] == ids
    one_by_one = [pack_id(event_id) for event_id in ids]
    assert [(int(f), bytes(p)) for f, p in zip(forms, packed, strict=True)] == [
        (form, raw.rstrip(b"\0")) for form, raw, _ in one_by_one
    ]
    assert whole == {i: rest for i, (_, _, rest) in enumerate(one_by_one) if rest is not None}


@given(markers)
def test_markers_survive(marker: Marker) -> None:
    assert decode_marker(encode_marker(marker)) == marker
    assert b"\0" in MARKER_KEY  # no user_id can be it


@given(statuses, st.integers(0, 10_000))
def test_statuses_survive(status: Status, partition: int) -> None:
    key, value = encode_status(status, partition)
    assert decode_key(key) == (None, partition)
    assert decode_status(value) == status


CELLS = st.sampled_from((0, 0, 0, 1, -1, 2**31 - 1))


@given(keys, st.integers(0, 40), st.integers(0, 384), st.data(), st.integers(0, 99), st.integers(0, 2**31))
def test_pages_survive(key: BlockKey, plans: int, width: int, data: Any, partition: int, epoch: int) -> None:
    segments = Segments(("plan",))
    for plan in range(plans):
        segments.combo((f"plan-{plan}",))
    cells = np.zeros((plans + 1, width), np.int32)
    for _ in range(5 if width else 0):
        cells[data.draw(st.integers(0, plans)), data.draw(st.integers(0, width - 1))] = data.draw(CELLS)
    encoder = PageEncoder(segments, partition)
    series: list[Series] = []
    rows: list[list[int]] = []
    for group in range(-(-len(cells) // GROUP)):
        of = PageKey(key.definition, key.measure, key.period, group)
        name, value = encoder.encode(of, cells[group * GROUP : (group + 1) * GROUP], epoch)
        assert decode_key(name) == (of, partition)
        read_epoch, names, first, read = decode_page(value)
        assert read_epoch == epoch
        whole = np.zeros((len(read), width), np.int32)
        whole[:, first : first + read.shape[1]] = read
        series += names
        rows += whole.tolist()
    assert series == segments.series
    assert rows == cells.tolist()


@given(
    keys, st.lists(st.sampled_from((0, 0, 1, -1, 2**31 - 1)), max_size=384), st.integers(0, 99), st.integers(0, 2**31)
)
def test_blocks_survive(key: BlockKey, cells: list[int], partition: int, epoch: int) -> None:
    name, value = encode_block(key, np.array(cells, np.int64), partition, epoch)
    assert decode_key(name) == (key, partition)
    read_epoch, read = decode_block(value)
    assert read_epoch == epoch
    assert np.trim_zeros(read, "b").tolist() == np.trim_zeros(np.array(cells, np.int64), "b").tolist()
