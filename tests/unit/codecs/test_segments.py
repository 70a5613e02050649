"""Segments: values of the configured dimensions, numbered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codecs import segments
from stream_app.codecs.segments import LONGEST, SegmentDecoder, SegmentError


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        (b'{"plan":"pro","country":"DE"}', ("pro", "DE")),
        (b'{"country":"DE","plan":"pro","more":[1,{"a":2}]}', ("pro", "DE")),
        (b'{"plan":"pro"}', ("pro", "(none)")),
        (b'{"plan":null,"country":""}', ("(none)", "(none)")),
        (b"{}", ("(none)", "(none)")),
        (b"null", ("(none)", "(none)")),
        (b"", ("(none)", "(none)")),
        (b'{"plan":1.10,"country":true}', ("1.10", "true")),
        (b'{"plan":-3,"country":1e3}', ("-3", "1e3")),
        (b'{"plan":"free","plan":"pro"}', ("pro", "(none)")),
        (b'{"plan":"\\u0070ro","country":"\\ud83d\\ude00"}', ("pro", "😀")),
        (b'{"pl\\u0061n":"pro"}', ("pro", "(none)")),
        (b'{"\xff":"\xff","plan":"pro"}', ("pro", "(none)")),
    ],
)
def test_scalars_become_values_and_what_is_not_there_is_none(raw: bytes, values: tuple[str, ...]) -> None:
    decoder = SegmentDecoder(["plan", "country"])
    assert decoder.values(raw) == values
    assert decoder.combos[decoder.number(raw)] == values


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'"pro"', 'segment: "pro" is not a JSON object'),
        (b"5", "segment: 5 is not a JSON object"),
        (b'["pro"]', "is not a JSON object"),
        (b'{"plan":{"a":1}}', 'segment.plan: {"a":1} is nested'),
        (b'{"plan":["pro"]}', "is nested"),
        (b'{"plan":"\xff"}', 'segment.plan: "\\xff" is not UTF-8'),
        (b'{"\xff":"pro"', "is not a JSON object"),
        (b'{"plan":"' + b"x" * (LONGEST + 1) + b'"}', "has 257 characters"),
        (b'{"plan":' + b"9" * 5000 + b"}", "has 5000 characters"),
        (b'{"plan":' + b"[" * 100_000, "is not a JSON object"),
    ],
)
def test_a_bad_segment_is_named_and_explained(raw: bytes, said: str) -> None:
    decoder = SegmentDecoder(["plan"])
    with pytest.raises(SegmentError) as caught:
        decoder.values(raw)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 250
    assert decoder.number(raw) == -1
    assert decoder.number(raw) == -1
    assert decoder.combos == []


def test_fields_that_are_no_dimension_cannot_make_a_segment_bad() -> None:
    decoder = SegmentDecoder([])
    assert decoder.values(b'{"plan":{"nested":1},"other":"\xff"}') == ()


@given(st.lists(st.dictionaries(st.sampled_from(["plan", "x"]), st.integers(0, 3)), max_size=30))
def test_equal_values_have_one_number_and_numbers_keep_their_meaning(given_segments: list[dict[str, int]]) -> None:
    decoder = SegmentDecoder(["plan"])
    for segment in given_segments:
        before = list(decoder.combos)
        number = decoder.number(str(segment).replace("'", '"').encode())
        assert decoder.combos[: len(before)] == before
        assert decoder.combos[number] == (str(segment.get("plan", "(none)")),)
    assert len(set(decoder.combos)) == len(decoder.combos)


def test_segments_that_never_repeat_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "_CACHED", 8)
    monkeypatch.setattr(segments, "MOST_COMBOS", 50)
    decoder = SegmentDecoder(["session"])
    lists = [decoder.combos]
    for i in range(200):
        decoder.renew()
        number = decoder.number(b'{"session":%d}' % i)
        assert decoder.combos[number] == (str(i),)
        assert len(decoder.known) <= 8
        assert len(decoder.combos) <= 50
        if decoder.combos is not lists[-1]:
            lists.append(decoder.combos)
    assert [len(combos) for combos in lists] == [50, 50, 50, 50]


def test_dimensions_may_have_any_name() -> None:
    decoder = SegmentDecoder(["app version", "d0", "größe", "class"])
    raw = '{"class":"a","d0":"b","größe":"c","app version":"d"}'.encode()
    assert decoder.values(raw) == ("d", "b", "c", "a")


def test_a_long_segment_is_read_but_not_remembered() -> None:
    decoder = SegmentDecoder(["plan"])
    raw = b'{"plan":"pro","note":"' + b"x" * 2000 + b'"}'
    assert decoder.combos[decoder.number(raw)] == ("pro",)
    assert raw not in decoder.known
