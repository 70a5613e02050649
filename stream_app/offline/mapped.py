"""JSON objects of another form to records as the service takes them: fields elsewhere, or left out."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from stream_app.offline.layout import check_given
from stream_app.offline.mapping import FIELDS
from stream_app.offline.quick import NO_CURRENCY, NO_EVENT_ID, NO_ORDER_ID, NO_TYPE, quick

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_app.offline.records import Reading, Wanted

log = logging.getLogger(__name__)

_NONE = msgspec.Raw(b"")
_MISSING = (b"", b"null")
_NUMBER = tuple(b"%c" % character for character in b"-0123456789")
_IDS = ("user_id", "event_id", "order_id")
_objects = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Mapped:
    """Brings objects to the form of a record, value for value as it was sent.

    A field is taken from the path that was given for it, or from its own place. What is left out is made up: the ids of
    event and order of the line's number, the reporting currency, and the type by whether there is an amount.

    Args:
        reading: the paths and constants that were given.
        wanted: what is needed.
    """

    def __init__(self, reading: Reading, wanted: Wanted) -> None:
        check_given(reading)
        self._constants = {field: json.dumps(value).encode() for field, value in reading.constants.items()}
        self._paths: dict[str, list[tuple[str, ...]]] = {}
        for field in FIELDS:
            usual = wanted.actor if field == "user_id" else field
            self._paths[field] = _places(reading, field, [(usual,)])
        self._dimensions = {f"segment.{name}": json.dumps(name).encode() for name in wanted.dimensions}
        for field, dimension in zip(self._dimensions, wanted.dimensions, strict=True):
            self._paths[field] = places_of(reading, dimension)
        self._properties = sorted({name for where in wanted.conditions for name, _ in where})
        for name in self._properties:
            places = [("properties", name), *self._paths.get(name, [(name,)]), ("segment", name)]
            self._paths[f"properties.{name}"] = _places(reading, f"properties.{name}", places)
        self._actor = wanted.actor
        self._currency = json.dumps(wanted.currency).encode()
        self._own = {self._actor, *FIELDS} - ({"user_id"} - {self._actor})
        self._read = _reader([path for paths in self._paths.values() for path in paths])
        self._made: set[str] = set()
        self._quick = None if self._properties else quick(self._paths, self._constants, wanted, self._made)

    def records(self, values: Sequence[bytes], lines: Sequence[int]) -> list[bytes]:
        """The records of some lines; what is no object stays as it is."""
        record = self._record
        if self._quick is None:
            return [record(value, line) for value, line in zip(values, lines, strict=True)]
        quick = self._quick.record
        return [quick(value, line) or record(value, line) for value, line in zip(values, lines, strict=True)]

    def tell(self, path: str) -> None:
        """Says on the log what was made up."""
        if self._made:
            log.warning("%s: records were without %s.", path, "; ".join(sorted(self._made)))

    def _record(self, value: bytes, line: int) -> bytes:
        try:
            found = self._read(value)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return value
        fields: dict[str, bytes] = {}
        for field, paths in self._paths.items():
            raw = self._constants.get(field, b"")
            for path in paths if not raw else ():
                raw = found(path)
                if raw not in _MISSING:
                    break
            if raw not in _MISSING:
                fields[field] = b'"' + raw + b'"' if field in _IDS and raw[:1] in _NUMBER else raw
        if "type" not in fields:
            fields["type"] = b'"purchase"' if "amount" in fields else b'"visit"'
            self._made.add(NO_TYPE)
        if "event_id" not in fields:
            fields["event_id"] = b'"%015d"' % line
            self._made.add(NO_EVENT_ID)
        if fields["type"] == b'"purchase"':
            if "order_id" not in fields:
                fields["order_id"] = b'"%015d"' % line
                self._made.add(NO_ORDER_ID)
            if "currency" not in fields:
                fields["currency"] = self._currency
                self._made.add(NO_CURRENCY)
        return self._joined(fields)

    def _joined(self, fields: dict[str, bytes]) -> bytes:
        if "user_id" in fields:
            fields[self._actor] = fields.pop("user_id")
        parts = [b'"%b":%b' % (field.encode(), raw) for field, raw in fields.items() if field in self._own]
        values = [b"%b:%b" % (name, fields[field]) for field, name in self._dimensions.items() if field in fields]
        if values:
            parts.append(b'"segment":{%b}' % b",".join(values))
        inner = [
            b"%b:%b" % (json.dumps(name).encode(), fields[f"properties.{name}"])
            for name in self._properties
            if f"properties.{name}" in fields
        ]
        if inner:
            parts.append(b'"properties":{%b}' % b",".join(inner))
        return b"{%b}" % b",".join(parts)


def places_of(reading: Reading, dimension: str) -> list[tuple[str, ...]]:
    """Where the value of a segment dimension may lie."""
    beside = [] if reading.as_sent else [(dimension,)]
    return _places(reading, f"segment.{dimension}", [("segment", dimension), *beside])


def _places(reading: Reading, field: str, usual: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Where a field may lie: the given path, as one within another or as a whole name, or the usual places."""
    if field not in reading.columns:
        return usual
    given = reading.columns[field]
    return list(dict.fromkeys([tuple(given.split(".")), (given,)]))


def _reader(paths: Sequence[tuple[str, ...]]) -> Callable[[bytes], Callable[[tuple[str, ...]], bytes]]:
    """Reads an object into something that gives the raw value at each of the paths."""
    tops = list(dict.fromkeys(path[0] for path in paths))
    names = {top: f"f{place}" for place, top in enumerate(tops)}
    form = msgspec.defstruct(
        "Object", [(name, msgspec.Raw, _NONE) for name in names.values()],
        rename={name: top for top, name in names.items()}, gc=False,
    )  # fmt: skip
    decode = msgspec.json.Decoder(form).decode

    def read(value: bytes) -> Callable[[tuple[str, ...]], bytes]:
        record: Any = decode(value)

        def at(path: tuple[str, ...]) -> bytes:
            raw = bytes(getattr(record, names[path[0]]))
            for name in path[1:]:
                if raw[:1] != b"{":
                    return b""
                raw = bytes(_objects(raw).get(name, _NONE))
            return raw

        return at

    return read
