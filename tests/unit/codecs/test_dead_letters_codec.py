"""Dead letters on the wire: no byte of the source record is lost."""

from __future__ import annotations

import base64
from dataclasses import asdict

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codecs.dead_letters import DeadLetterRecord, decode, encode
from stream_app.domain.errors import StreamAppError
from stream_app.domain.events import Reason

LETTER = DeadLetterRecord(
    Reason.BAD_TIME, 'occurred_at: "x" is not RFC 3339', "visits", 3, 41, b"u1", b'{"\xff', 1_709_208_000_123
)


@given(
    st.builds(
        DeadLetterRecord,
        reason=st.sampled_from(Reason),
        message=st.text(),
        topic=st.text(),
        partition=st.integers(0, 2**31 - 1),
        offset=st.integers(0, 2**63 - 1),
        key=st.none() | st.binary(),
        value=st.none() | st.binary(),
        decoded_at=st.integers(0, 253_402_300_799_999),
    )
)
def test_what_is_encoded_is_decoded(letter: DeadLetterRecord) -> None:
    fields = {name: getattr(letter, name) for name in DeadLetterRecord.__dataclass_fields__}
    assert decode(encode(**fields)) == letter


def test_the_json_names_reason_place_and_raw_bytes() -> None:
    assert orjson.loads(encode(**asdict(LETTER))) == {
        "reason": "bad_time",
        "message": 'occurred_at: "x" is not RFC 3339',
        "topic": "visits",
        "partition": 3,
        "offset": 41,
        "key": base64.b64encode(b"u1").decode(),
        "value": base64.b64encode(b'{"\xff').decode(),
        "decoded_at": "2024-02-29T12:00:00.123Z",
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", "because"),
        ("key", "not base64!"),
        ("value", "a"),
        ("offset", "1"),
        ("decoded_at", "2024-02-29T12:00:00"),
        ("decoded_at", "then"),
        ("message", None),
    ],
)
def test_a_record_that_is_no_dead_letter_is_refused(field: str, value: object) -> None:
    data = orjson.dumps(orjson.loads(encode(**asdict(LETTER))) | {field: value})
    with pytest.raises(StreamAppError, match="dead letter: the record is not one"):
        decode(data)


@given(st.binary(max_size=50))
def test_arbitrary_bytes_are_refused_with_the_one_error(data: bytes) -> None:
    with pytest.raises(StreamAppError):
        decode(data)
