"""Dead letters as JSON: why a record could not be counted, where it was, and its bytes as they came."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from dataclasses import dataclass

import msgspec
import orjson

from stream_app.domain.errors import StreamAppError
from stream_app.domain.events import Reason, rfc3339


@dataclass(frozen=True, slots=True)
class DeadLetterRecord:
    """A record of the dead-letters topic.

    Args:
        reason: why the source record could not be counted.
        message: names the field, its value and what to do.
        topic: the topic the source record was read from.
        partition: its partition.
        offset: its offset.
        key: its key, byte for byte; None if it had none.
        value: its value, byte for byte; None if it had none.
        decoded_at: the wall clock at decoding, ms since the epoch.
    """

    reason: Reason
    message: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    decoded_at: int


class _Json(msgspec.Struct):
    reason: Reason
    message: str
    topic: str
    partition: int
    offset: int
    key: str | None
    value: str | None
    decoded_at: dt.datetime


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_decoder = msgspec.json.Decoder(_Json)


def encode(
    *,
    reason: Reason,
    message: str,
    topic: str,
    partition: int,
    offset: int,
    key: bytes | None,
    value: bytes | None,
    decoded_at: int,
    limit: int | None = None,
) -> bytes:
    """One dead letter as JSON.

    `key` and `value` are base64 (or null), `decoded_at` is RFC 3339; the arguments are those of `DeadLetterRecord`.
    Where the letter would be larger than `limit` bytes, what the topic takes, its key and value are cut to fit and
    `cut` says how long each was: the whole record is still at its offset in the source topic.
    """
    letter: dict[str, object] = {
        "reason": reason.value,
        "message": message,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "decoded_at": rfc3339(decoded_at),
    }
    whole = sum(len(part) for part in (key, value) if part is not None)
    room = None if limit is None else max(limit - len(orjson.dumps(letter)) - 200, 0) // 4 * 3
    if room is not None and whole > room:
        letter["cut"] = {"key": None if key is None else len(key), "value": None if value is None else len(value)}
        key = None if key is None else key[: room // 2]
        value = None if value is None else value[: room - len(key or b"")]
    return orjson.dumps(letter | {"key": _base64(key), "value": _base64(value)})


def _base64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def decode(data: bytes) -> DeadLetterRecord:
    """The dead letter that `encode` wrote.

    Raises:
        StreamAppError: `data` is not a dead letter.
    """
    try:
        letter = _decoder.decode(data)
        if letter.decoded_at.tzinfo is None:
            raise ValueError("decoded_at has no offset to UTC")
        return DeadLetterRecord(
            letter.reason,
            letter.message,
            letter.topic,
            letter.partition,
            letter.offset,
            None if letter.key is None else base64.b64decode(letter.key, validate=True),
            None if letter.value is None else base64.b64decode(letter.value, validate=True),
            (letter.decoded_at - _EPOCH) // dt.timedelta(milliseconds=1),
        )
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError) as error:
        raise StreamAppError(
            f"dead letter: the record is not one ({error}); read the topic that dead_letters_topic names"
        ) from error
