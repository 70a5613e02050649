"""Segment dimensions that no record of JSON lines has: a misspelt one must not count everybody as `(none)`."""

from __future__ import annotations

import logging
from difflib import get_close_matches
from typing import TYPE_CHECKING

import msgspec

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import NO_VALUE
from stream_app.offline.mapped import places_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_app.domain.events import EventBatch
    from stream_app.offline.records import Reading, Wanted

log = logging.getLogger(__name__)

#: Records of a block whose names are looked at, and names that are remembered and told.
_SAMPLE, _MOST_NAMES, _SHOWN = 100, 1000, 10
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Unnamed:
    """Watches for dimensions without a value, a block at a time; nothing is done once each has had one.

    Args:
        path: how messages call the file.
        reading: the paths and constants that were given.
        wanted: names the dimensions.
    """

    def __init__(self, path: str, reading: Reading, wanted: Wanted) -> None:
        self._path, self._reading = path, reading
        given = enumerate(wanted.dimensions)
        self._open = {place: name for place, name in given if f"segment.{name}" not in reading.constants}
        self._places = {name: places_of(reading, name) for name in self._open.values()}
        self._there: set[str] = set()  # dimensions that records have, if without a value
        self._combos: Sequence[tuple[str, ...]] = ()
        self._looked, self._events = 0, False
        # Names in segments and beside them, in the order they were met.
        self._names: dict[str, None] = {}
        self._fields: dict[str, None] = {}

    def look(self, values: Iterable[bytes], batch: EventBatch) -> None:
        """Looks at a block: its lines, and the events made of them."""
        if not self._open:
            return
        self._events = self._events or len(batch) > 0
        if batch.combos is not self._combos:  # it grows, or another one has begun
            self._combos, self._looked = batch.combos, 0
        for combo in self._combos[self._looked :]:
            self._open = {place: name for place, name in self._open.items() if combo[place] == NO_VALUE}
        self._looked = len(self._combos)
        if self._open:
            for value, _ in zip(values, range(_SAMPLE), strict=False):
                self._note(value)

    def _note(self, value: bytes) -> None:
        """Remembers the names that a record has."""
        fields = _fields(value)
        segment = _fields(fields.get("segment"))
        for names, found in ((self._fields, fields), (self._names, segment)):
            if len(names) < _MOST_NAMES:
                names.update(dict.fromkeys(found))
        for name in self._open.values():
            if name not in self._there and any(_has(fields, place) for place in self._places[name]):
                self._there.add(name)

    def tell(self) -> None:
        """Says what is wrong, at the end of the file.

        Raises:
            ConfigurationError: no record has one of the dimensions.
        """
        for name in self._open.values() if self._events else ():
            if name not in self._there:
                raise ConfigurationError(f"{self._path}: segment {name}: {self._why(name)}")
            log.warning("%s: segment %s: no record has a value of it; every user is %s.", self._path, name, NO_VALUE)

    def _why(self, name: str) -> str:
        path = self._reading.columns.get(f"segment.{name}")
        if path is not None:
            return f"there is nothing at {path!r} in any record looked at; correct --map segment.{name}={path}"
        if name in self._fields:
            return f"no record has it in its segment, but as a field beside; write --map segment.{name}={name}"
        # Where fields are mapped, those beside the segment are looked at, too.
        known = dict(self._names) if self._reading.as_sent else {**self._names, **self._fields}
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        shown = ", ".join([*known][:_SHOWN]) + (" ..." if len(known) > _SHOWN else "")
        there = f"the names there are {shown}" if shown else "the records have no segments"
        return (
            f"no record looked at has this dimension; {hint}{there}; name one that is there, or write "
            f"--map segment.{name}=PATH"
        )


def _fields(value: bytes | msgspec.Raw | None) -> dict[str, msgspec.Raw]:
    """The fields of an object; none of what is no object."""
    if value is None:
        return {}
    try:
        return _object(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}


def _has(fields: dict[str, msgspec.Raw], place: tuple[str, ...]) -> bool:
    """Whether there is something at a place, be it null."""
    *outer, last = place
    for name in outer:
        fields = _fields(fields.get(name))
    return last in fields
