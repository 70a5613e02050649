"""Which events meet the conditions of definitions (`where`): each combination of raw values is judged once.

A property is looked up in the event's `properties`, then among its own fields, then in its `segment`; the first place
that has it, and not null, counts. It is compared as text: numbers and booleans by their JSON text; what is nested
equals nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.filters import Where

_CACHED, _CACHED_BYTES = 65_536, 1024
_ABSENT = msgspec.Raw(b"null")
_OBJECTS = ("properties", "segment")
_text = msgspec.json.Decoder(str).decode
_BAD = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)


class Conditions:
    """Judges records.

    Args:
        conditions: at most 32; bit i of a result is that of the i-th one.
    """

    def __init__(self, conditions: Sequence[Where]) -> None:
        self._conditions = tuple(conditions)
        self._names = sorted({name for where in self._conditions for name, _ in where})
        own = [name for name in self._names if name not in _OBJECTS]
        self._record = _reader([*_OBJECTS, *own])
        self._object = _reader(self._names)
        self._known: dict[tuple[bytes, ...], int] = {}

    def matches(self, values: Sequence[bytes | None]) -> NDArray[np.uint32]:
        """Bits by record, shape (n,); 0 for what is no JSON object.

        Args:
            values: n records, JSON in UTF-8.
        """
        decode, known, astuple = self._record.decode, self._known, msgspec.structs.astuple
        found: list[int] = []
        for value in values:
            try:
                key = tuple(map(bytes, astuple(decode(value))))  # type: ignore[arg-type]  # None is refused like others
            except _BAD:
                found.append(0)
                continue
            bits = known.get(key)
            found.append(self._judged(key) if bits is None else bits)
        return np.array(found, np.uint32)

    def of_values(self, values: Sequence[str | None]) -> int:
        """The bits of an event whose properties have these values, None for none, in the order of `names`."""
        texts = dict(zip(self._names, values, strict=True))
        return sum(all(texts[n] == v for n, v in where) << bit for bit, where in enumerate(self._conditions))

    @property
    def names(self) -> list[str]:
        """The properties that conditions are of, in order."""
        return self._names

    def _judged(self, key: tuple[bytes, ...]) -> int:
        own = iter(key[2:])
        fields = [_ABSENT if name in _OBJECTS else next(own) for name in self._names]
        places = (self._fields(key[0]), list(map(bytes, fields)), self._fields(key[1]))
        values = [next((raw for raw in raws if raw != b"null"), b"null") for raws in zip(*places, strict=True)]
        bits = self.of_values([_value(raw) for raw in values])
        if sum(map(len, key)) <= _CACHED_BYTES:  # what never repeats, or is long, must not fill the memory
            if len(self._known) >= _CACHED:
                self._known.clear()
            self._known[key] = bits
        return bits

    def _fields(self, raw: bytes) -> list[bytes]:
        try:
            return list(map(bytes, msgspec.structs.astuple(self._object.decode(raw))))
        except _BAD:
            return [b"null"] * len(self._names)


def _reader(names: Sequence[str]) -> msgspec.json.Decoder[msgspec.Struct]:
    """Reads some fields of an object as they are and skips the rest; their names need not be identifiers."""
    own = [f"f{place}" for place in range(len(names))]
    fields = [(name, msgspec.Raw, _ABSENT) for name in own]
    return msgspec.json.Decoder(
        msgspec.defstruct("Fields", fields, rename=dict(zip(own, names, strict=True)), gc=False)
    )


def _value(raw: bytes) -> str | None:
    if raw == b"null" or raw[:1] in (b"{", b"["):
        return None
    try:
        return _text(raw) if raw[:1] == b'"' else raw.decode("ascii")
    except ValueError:
        return None
