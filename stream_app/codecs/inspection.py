"""What is wrong with one record: every field in a fixed order, the first fault with its message.

The hot path (`codecs.events`) only finds out that a record is bad; this says why. It reads a record field by field, so
it also rescues one that the typed decoder refuses for something that does not count, such as a visit whose `amount`, a
field that visits do not have, is no number.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, cast, get_type_hints

import msgspec

from stream_app.codecs import times
from stream_app.codecs.amounts import AmountError, AmountTypeError, minor_units
from stream_app.codecs.segments import SegmentError
from stream_app.codecs.texts import shown
from stream_app.domain.events import Reason, rfc3339
from stream_app.domain.fingerprint import ACTOR

if TYPE_CHECKING:
    from stream_app.codecs.segments import SegmentDecoder

#: The longest user id, in bytes of UTF-8.
LONGEST_USER_ID = 256
#: The longest event id and order id, in characters.
LONGEST_ID = 512
_NONE = msgspec.Raw(b"")
_NEEDED = {
    "visit": "type, event_id, {} and occurred_at",
    "purchase": "type, event_id, {}, occurred_at, order_id, amount and currency",
}
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_integer = msgspec.json.Decoder(int).decode


class Record(msgspec.Struct, gc=False):
    """The fields of one record as the typed decoder reads them; unknown fields are skipped."""

    type: Literal["visit", "purchase"]
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_ID)]
    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST_USER_ID)]  # characters; bytes: see columns
    occurred_at: str | int
    segment: msgspec.Raw = _NONE
    order_id: str | None = None
    amount: msgspec.Raw = _NONE
    currency: str | None = None


@cache
def record_type(actor: str) -> type[Record]:
    """`Record`, with its `user_id` read from the field of another name."""
    if actor == ACTOR:
        return Record
    hints = get_type_hints(Record, include_extras=True)
    needed = [(f.name, hints[f.name]) for f in msgspec.structs.fields(Record) if f.required]
    rest = [(f.name, hints[f.name], f.default) for f in msgspec.structs.fields(Record) if not f.required]
    made = msgspec.defstruct("Record", [*needed, *rest], rename={"user_id": actor}, gc=False)
    return cast("type[Record]", made)


class Fault(Exception):  # noqa: N818 - a verdict that ends the inspection, not a failure of it
    """The first thing wrong with a record."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Inspector:
    """Judges records one by one, by the same rules as the columns of `EventDecoder`.

    Args:
        segments: decodes the segment.
        currency: the reporting currency, upper case.
        future_tolerance_ms: how far past the wall clock an event time may be.
        minor_units: decimals of the currency.
        actor: the field with the id that is counted.
        seconds: whether a time that is a number may be before 1972, as seconds taken for milliseconds are.
    """

    def __init__(
        self, segments: SegmentDecoder, currency: str, future_tolerance_ms: int, minor_units: int, actor: str = ACTOR,
        *, seconds: bool = True,
    ) -> None:  # fmt: skip
        self._segments = segments
        self._currency = currency
        self._tolerance = future_tolerance_ms
        self._digits = minor_units
        self._actor = actor
        self._seconds = seconds
        self._needed = {kind: fields.format(actor) for kind, fields in _NEEDED.items()}

    def inspect(self, value: bytes | None, key: bytes | None, *, keyed: bool, now_ms: int) -> Record:
        """Read one record.

        Args:
            value: the record's value.
            key: the record's key.
            keyed: whether the key has to be the user id.
            now_ms: the wall clock.

        Raises:
            Fault: the record cannot be counted.
        """
        fields = _object(value)
        kind = self._string(fields, "type", "visit")
        if kind not in _NEEDED:
            raise Fault(
                Reason.UNKNOWN_TYPE,
                f'type: {_quoted(kind)} is unknown; send "visit" or "purchase" (a refund is a purchase with a '
                "negative amount)",
            )
        event_id = self._string(fields, "event_id", kind)
        if not event_id:
            raise Fault(Reason.BAD_EVENT_ID, "event_id: it is empty; send an id that no other event has")
        if len(event_id) > LONGEST_ID:
            raise Fault(
                Reason.BAD_EVENT_ID,
                f"event_id: {_quoted(event_id)} has {len(event_id)} characters; send at most {LONGEST_ID}",
            )
        user_id = self._string(fields, self._actor, kind)
        _check_user(user_id, self._actor)
        if keyed:
            _check_key(key, user_id, self._actor)
        occurred_at = self._time(fields, kind, now_ms)
        segment = fields.get("segment", _NONE)
        try:
            self._segments.values(bytes(segment))
        except SegmentError as error:
            raise Fault(Reason.BAD_SEGMENT, str(error)) from None
        record = Record(cast("Literal['visit', 'purchase']", kind), event_id, user_id, occurred_at, segment=segment)
        if kind == "purchase":
            self._purchase(fields, record)
        return record

    def _time(self, fields: dict[str, msgspec.Raw], kind: str, now_ms: int) -> str | int:
        raw = self._present(fields, "occurred_at", kind)
        value: str | int
        if raw[:1] == b'"':
            value = self._string(fields, "occurred_at", kind)
        else:
            try:
                value = _integer(raw)
            except msgspec.ValidationError:
                # An integer with thousands of digits is no time either way; anything else has the wrong type.
                if not raw.lstrip(b"-").isdigit():
                    raise Fault(
                        Reason.WRONG_TYPE,
                        f"occurred_at: {shown(raw)} is neither a string nor an integer; send RFC 3339 with an "
                        "offset, or epoch milliseconds",
                    ) from None
                value = -1 if raw[:1] == b"-" else times.LAST + 1
        time = int(times.parse([value])[0])
        if time == times.BAD or (not self._seconds and time < times.SECONDS and isinstance(value, int)):
            raise Fault(Reason.BAD_TIME, f"occurred_at: {shown(raw)} {times.explain(value)}")
        if time > now_ms + self._tolerance:
            raise Fault(
                Reason.FUTURE_TIME,
                f"occurred_at: {shown(raw)} is {(time - now_ms) / 1000:.3f} s past the wall clock {rfc3339(now_ms)}, "
                f"the tolerance is {self._tolerance / 1000:g} s; correct the clock of the sender, or the unit if "
                "it is a number (ms)",
            )
        return value

    def _purchase(self, fields: dict[str, msgspec.Raw], record: Record) -> None:
        record.order_id = self._string(fields, "order_id", "purchase")
        if not record.order_id:
            raise Fault(Reason.BAD_ORDER_ID, "order_id: it is empty; send the order's id, the same for each retry")
        if len(record.order_id) > LONGEST_ID:
            size = len(record.order_id)
            message = f"order_id: {_quoted(record.order_id)} has {size} characters; send at most {LONGEST_ID}"
            raise Fault(Reason.BAD_ORDER_ID, message)
        raw = self._present(fields, "amount", "purchase")
        try:
            minor_units(raw, self._digits)
        except AmountError as error:
            reason = Reason.WRONG_TYPE if isinstance(error, AmountTypeError) else Reason.BAD_AMOUNT
            raise Fault(reason, f"amount: {shown(raw)} {error}") from None
        record.amount = fields["amount"]
        record.currency = self._string(fields, "currency", "purchase")
        if record.currency.upper() != self._currency:
            raise Fault(
                Reason.FOREIGN_CURRENCY,
                f"currency: {_quoted(record.currency)} is not the reporting currency {self._currency}; convert the "
                "amount before sending, or set the currency",
            )

    def _present(self, fields: dict[str, msgspec.Raw], name: str, kind: str) -> bytes:
        raw = bytes(fields.get(name, _NONE))
        if raw in (b"", b"null"):
            state = "it is missing" if not raw else "it is null"
            needed = self._needed.get(kind, self._needed["visit"])
            raise Fault(Reason.MISSING_FIELD, f"{name}: {state}; every {kind} needs {needed}")
        return raw

    def _string(self, fields: dict[str, msgspec.Raw], name: str, kind: str) -> str:
        raw = self._present(fields, name, kind)
        try:
            return _text(raw)
        except msgspec.ValidationError:
            raise Fault(Reason.WRONG_TYPE, f"{name}: {shown(raw)} is not a string; send it in quotes") from None
        except ValueError as error:
            raise Fault(Reason.NOT_JSON, f"{name}: {shown(raw)} is not UTF-8 ({error}); encode it as UTF-8") from None


def _object(value: bytes | None) -> dict[str, msgspec.Raw]:
    if value is None:
        raise Fault(
            Reason.NO_VALUE, "value: the record has none (a tombstone); events are not deleted, send a JSON object"
        )
    try:
        return _fields(value)
    except msgspec.ValidationError:
        message = f"value: {shown(value)} is not a JSON object; send one object per record"
        raise Fault(Reason.WRONG_TYPE, message) from None
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise Fault(Reason.NOT_JSON, _not_json(value, str(error))) from None
    except RecursionError:
        raise Fault(Reason.NOT_JSON, _not_json(value, "nested too deeply")) from None


def _not_json(value: bytes, why: str) -> str:
    return f"value: {shown(value) or 'nothing'} is not JSON ({why}); send one JSON object in UTF-8 per record"


def _check_user(user_id: str, actor: str) -> None:
    size = len(user_id.encode())
    if size == 0:
        raise Fault(Reason.BAD_USER_ID, f"{actor}: it is empty; send the id of the {_who(actor)}, also as the key")
    if size > LONGEST_USER_ID:
        raise Fault(
            Reason.BAD_USER_ID,
            f"{actor}: {_quoted(user_id)} has {size} bytes; send at most {LONGEST_USER_ID}",
        )
    if "\0" in user_id:
        raise Fault(Reason.BAD_USER_ID, f"{actor}: {_quoted(user_id)} has a NUL character; send an id without")


def _check_key(key: bytes | None, user_id: str, actor: str) -> None:
    if key is None:
        raise Fault(
            Reason.KEY_MISMATCH,
            f"key: it is missing; send the {actor} {_quoted(user_id)} as the key; it keeps a {_who(actor)} on one "
            "partition",
        )
    if key != user_id.encode():
        raise Fault(
            Reason.KEY_MISMATCH,
            f"key: {shown(key)} is not the {actor} {_quoted(user_id)}; send the {actor} in UTF-8 as the key, "
            "without quotes",
        )


def _who(actor: str) -> str:
    return "user" if actor == ACTOR else "one it names"


def _quoted(text: str) -> str:
    return f'"{shown(text.encode())}"'
