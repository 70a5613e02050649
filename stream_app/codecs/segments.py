"""Segments: a JSON object to the values of the configured dimensions, each distinct one decoded once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from stream_app.codecs.texts import shown
from stream_app.domain.events import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: The longest value of a dimension, in characters.
LONGEST = 256
#: Combinations after which numbering begins anew.
MOST_COMBOS = 100_000
_CACHED = 65_536
_CACHED_BYTES = 1024
_ABSENT = msgspec.Raw(b"null")
_text = msgspec.json.Decoder(str).decode


class SegmentError(ValueError):
    """A segment is not one; the message names the field, its value and what to do."""


@cache
def _reader(dimensions: tuple[str, ...]) -> Callable[[bytes], msgspec.Struct]:
    """Reads the configured dimensions and skips the rest; the names of fields need not be identifiers."""
    names = [f"d{place}" for place in range(len(dimensions))]
    fields = [(name, msgspec.Raw, _ABSENT) for name in names]
    segment = msgspec.defstruct("Segment", fields, rename=dict(zip(names, dimensions, strict=True)), gc=False)
    return msgspec.json.Decoder(segment).decode


class SegmentDecoder:
    """Numbers the combinations of segment values, in the order they are met.

    Args:
        dimensions: the configured dimensions; every other field of a segment is ignored.
    """

    def __init__(self, dimensions: Sequence[str]) -> None:
        self._dimensions = tuple(dimensions)
        self._decode = _reader(self._dimensions)
        self._texts: dict[bytes, str] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        #: The combinations by number; only ever appended to, until `renew` begins a new list.
        self.combos: list[tuple[str, ...]] = []
        #: Raw bytes of a segment -> number, or -1 for a bad one. Bounded; a miss is not an error.
        self.known: dict[bytes, int] = {}

    def renew(self) -> None:
        """Begins a new list of combinations when there are very many, so that ids sent as a segment fill no memory."""
        if len(self.combos) >= MOST_COMBOS:
            self.combos, self._numbers = [], {}
            self.known.clear()

    def number(self, raw: bytes) -> int:
        """The number of a segment's combination, -1 when it is bad; `b""` is a segment that is not there."""
        number = self.known.get(raw)
        if number is not None:
            return number
        try:
            values = self.values(raw)
        except SegmentError:
            number = -1
        else:
            number = self._numbers.setdefault(values, len(self.combos))
            if number == len(self.combos):
                self.combos.append(values)
        # Segments that never repeat, or are long, must not fill the memory.
        if len(raw) <= _CACHED_BYTES:
            if len(self.known) >= _CACHED:
                self.known.clear()
            self.known[raw] = number
        return number

    def values(self, raw: bytes) -> tuple[str, ...]:
        """The values by dimension. A value that is missing, null or empty is `(none)`.

        Numbers and booleans become their JSON text.

        Raises:
            SegmentError: not an object, or the value of a configured dimension is nested or too long.
        """
        if raw in (b"", b"null"):
            return (NO_VALUE,) * len(self._dimensions)
        try:
            fields = msgspec.structs.astuple(self._decode(raw))
        except (ValueError, RecursionError) as error:
            raise SegmentError(
                f'segment: {shown(raw)} is not a JSON object of names and values; send one such as {{"plan": "pro"}}'
            ) from error
        known = self._texts.get
        pairs = zip(self._dimensions, map(bytes, fields), strict=True)
        return tuple([known(data) or self._value(name, data) for name, data in pairs])

    def _value(self, name: str, data: bytes) -> str:
        if data == b"null":
            return NO_VALUE
        if data[:1] in (b"{", b"["):
            raise SegmentError(f"segment.{name}: {shown(data)} is nested; send a string, number or boolean")
        try:
            value = _text(data) if data[:1] == b'"' else data.decode("ascii")
        except ValueError as error:
            raise SegmentError(f"segment.{name}: {shown(data)} is not UTF-8; encode it as UTF-8") from error
        if len(value) > LONGEST:
            raise SegmentError(
                f"segment.{name}: {shown(data)} has {len(value)} characters; send at most {LONGEST}, and no free text"
            )
        if len(self._texts) >= _CACHED:
            self._texts.clear()
        self._texts[data] = value or NO_VALUE
        return value or NO_VALUE
