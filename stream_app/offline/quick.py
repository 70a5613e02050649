"""The quick way from a JSON object of another form to a record: for objects that have what they should."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from stream_app.offline.mapping import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_app.offline.records import Wanted

#: What is said of fields that were made up.
NO_TYPE = "type, by whether there is an amount"
NO_EVENT_ID = "event_id, which is made of the line's number"
NO_ORDER_ID = "order_id, each line is an order of its own"
NO_CURRENCY = "currency, amounts are taken as the reporting one"

_IDS = frozenset({"user_id", "event_id", "order_id"})
_TEXTS = frozenset({"type", "currency"})
_NULL = b"null"
_PLACES = range(len(FIELDS) + 1)


class Quick:
    """Makes records of objects, each field from one path.

    Args:
        decode: makes a struct of an object.
        pick: gives the values of the fields of `mapping.FIELDS`, and then those of the dimensions, of such a struct.
        constants: by place among these, a value that every record has.
        elsewhere: the places of those that may lie elsewhere, too.
        wanted: what is needed.
        made: takes what was made up, in words.
    """

    def __init__(
        self, decode: Callable[[bytes], Any], pick: Callable[[Any], tuple[Any, ...]], constants: Mapping[int, str],
        elsewhere: Sequence[int], wanted: Wanted, made: set[str],
    ) -> None:  # fmt: skip
        self._decode, self._pick, self._constants, self._made = decode, pick, constants, made
        names = [wanted.actor if field == "user_id" else field for field in FIELDS]
        self._form = msgspec.defstruct(
            "Record", [f"f{place}" for place in range(len(names))] + [("segment", Any, UNSET)],
            rename=dict(zip((f"f{place}" for place in range(len(names))), names, strict=True)), gc=False,
        )  # fmt: skip
        values = {f"d{place}": name for place, name in enumerate(wanted.dimensions)}
        self._segment = (
            msgspec.defstruct("Segment", [(name, Any) for name in values], rename=values, gc=False) if values else None
        )
        self._elsewhere = elsewhere
        self._currency = wanted.currency
        self._encode = msgspec.json.Encoder().encode

    def record(self, value: bytes, line: int) -> bytes | None:
        """The record of an object; None where it needs a closer look."""
        try:
            fields = self._pick(self._decode(value))
        except (msgspec.MsgspecError, ValueError, RecursionError, AttributeError):
            return None
        if self._constants:
            fields = tuple(map(self._constants.get, _PLACES, fields))
        kind, event_id, user, time, order, amount, currency, *segment = fields
        if user is None or any(value is UNSET for value in segment):
            return None
        for place in self._elsewhere:
            one = fields[place]
            if one is None or _absent(one):
                return None
        if kind is UNSET or kind is None:
            kind = "visit" if _absent(amount) else "purchase"
            self._made.add(NO_TYPE)
        if event_id is UNSET or event_id is None:
            event_id = f"{line:015d}"
            self._made.add(NO_EVENT_ID)
        if kind == "purchase":
            if order is UNSET or order is None:
                order = f"{line:015d}"
                self._made.add(NO_ORDER_ID)
            if currency is UNSET or currency is None:
                currency = self._currency
                self._made.add(NO_CURRENCY)
        if type(event_id) is int or type(user) is int or type(order) is int:
            event_id, user, order = (str(one) if type(one) is int else one for one in (event_id, user, order))
        dimension = self._segment(*segment) if self._segment is not None else UNSET
        return self._encode(self._form(kind, event_id, user, time, order, amount, currency, dimension))


def quick(
    paths: Mapping[str, Sequence[tuple[str, ...]]], constants: Mapping[str, bytes], wanted: Wanted, made: set[str]
) -> Quick | None:
    """The quick way for these paths, None where there is none: one path leads through another's end.

    Args:
        paths: by field, where it may lie; the first is looked at.
        constants: by field, its JSON in every record.
        wanted: what is needed.
        made: takes what was made up, in words.
    """
    fields = [*FIELDS, *(f"segment.{name}" for name in wanted.dimensions)]
    tree: dict[str, Any] = {}
    for field in (field for field in fields if field not in constants):
        *outer, last = paths[field][0]
        node = tree
        for name in outer:
            node = node.setdefault(name, {})
            if not isinstance(node, dict):
                return None
        if last in node:
            return None
        text = str | None | UnsetType
        node[last] = (text | int) if field in _IDS else text if field in _TEXTS else (Raw | UnsetType)
    form, attributes = _struct(tree, ())
    return Quick(
        msgspec.json.Decoder(form).decode,
        # What is constant is looked up nowhere; its place is taken by the user's id until then.
        operator.attrgetter(*(attributes[paths["user_id" if field in constants else field][0]] for field in fields)),
        {place: _constant(constants[field]) for place, field in enumerate(fields) if field in constants},
        [place for place, field in enumerate(fields) if len(paths[field]) > 1 and field not in constants],
        wanted,
        made,
    )


def _absent(value: object) -> bool:
    return value is UNSET or (type(value) is Raw and bytes(value) == _NULL)


def _constant(text: bytes) -> str:
    value: str = msgspec.json.decode(text)
    return value


def _struct(tree: Mapping[str, Any], path: tuple[str, ...]) -> tuple[type[msgspec.Struct], dict[tuple[str, ...], str]]:
    """A struct that reads a tree of fields, and the attributes at which it has them."""
    fields: list[tuple[str, Any, Any]] = []
    attributes: dict[tuple[str, ...], str] = {}
    rename = {}
    for place, (name, inner) in enumerate(tree.items()):
        own = f"f{place}"
        rename[own] = name
        if isinstance(inner, dict):
            form, below = _struct(inner, (*path, name))
            attributes |= {at: f"{own}.{attribute}" for at, attribute in below.items()}
            fields.append((own, form | UnsetType, UNSET))
        else:
            attributes[*path, name] = own
            fields.append((own, inner, UNSET))
    return msgspec.defstruct("Object", fields, rename=rename, gc=False), attributes
