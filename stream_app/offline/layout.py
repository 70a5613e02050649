"""Which column of a flat file holds which field, and what stands for a field that no column holds."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.offline.records import Reading, Wanted

log = logging.getLogger(__name__)

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the fields of an event are found.

    Attributes:
        columns: by field, the column that holds it.
        constants: by field, its value in every row.
        conditions: by property of a condition, the columns that may hold it, the first before the others.
    """

    columns: Mapping[str, str]
    constants: Mapping[str, str]
    conditions: Mapping[str, tuple[str, ...]]

    @property
    def needed(self) -> list[str]:
        """The columns to read, each once."""
        of_conditions = (column for columns in self.conditions.values() for column in columns)
        return list(dict.fromkeys((*self.columns.values(), *of_conditions)))


def layout_of(path: str, names: Sequence[str], reading: Reading, wanted: Wanted) -> Layout:
    """Finds the columns, and says on the log what stands for those that are not there.

    Args:
        path: how messages call the file.
        names: its columns; one within another with a point.
        reading: the columns and constants that were given.
        wanted: what is needed.

    Raises:
        ConfigurationError: a column that was given or is needed is not there, or is there twice.
    """
    found = _Finding(path, names, reading, wanted.actor)
    found.need("user_id")
    found.need("occurred_at")
    for field in ("type", "event_id", "amount", "currency", "order_id"):
        found.want(field)
    for dimension in wanted.dimensions:
        found.need(f"segment.{dimension}", dimension)
    conditions = {name: found.condition(name) for where in wanted.conditions for name, _ in where}
    missing = _defaults(found, wanted)
    if missing:
        log.warning("%s: there is no column for %s.", path, "; ".join(missing))
    return Layout(found.columns, found.constants, conditions)


def check_given(reading: Reading) -> None:
    """Refuses what does not go together.

    Raises:
        ConfigurationError: of a constant.
    """
    for field, value in reading.constants.items():
        if field in reading.columns:
            raise ConfigurationError(f"--set: {field} is in --map too; give one of the two")
        if field in {"user_id", "occurred_at", "event_id", "order_id"}:
            raise ConfigurationError(f"--set: {field}={value}: it differs from event to event; use --map")


def _defaults(found: _Finding, wanted: Wanted) -> list[str]:
    """Sets what stands for fields that are not there; says so."""
    said: list[str] = []
    if not found.has("type"):
        found.constants["type"] = "purchase" if found.has("amount") else "visit"
        said.append(f"type, every row is a {found.constants['type']}")
    if not found.has("event_id"):
        said.append("event_id, which is made of the row's number")
    if found.constants.get("type") == "visit":
        return said
    if not found.has("amount"):
        if wanted.orders:
            raise found.error("amount", "there is no column of that name, and this figure needs it")
        found.constants["amount"] = "0"
        said.append("amount, which is taken as 0")
    if not found.has("currency"):
        said.append(f"currency, amounts are taken as {wanted.currency}")
    if not found.has("order_id") and wanted.orders:
        said.append("order_id, each row is an order of its own")
    return said


class _Finding:
    """Finds columns by field."""

    def __init__(self, path: str, names: Sequence[str], reading: Reading, actor: str) -> None:
        self._path, self._names, self._given, self._actor = path, names, reading.columns, actor
        self.constants = dict(reading.constants)
        self.columns: dict[str, str] = {}
        check_given(reading)
        for field, column in reading.columns.items():
            if column not in names:
                raise self._missing(f"--map {field}={column}", column, "give one of them")

    def has(self, field: str) -> bool:
        """Whether a column or a constant gives it."""
        return field in self.columns or field in self.constants

    def want(self, field: str, *others: str) -> bool:
        """Finds a field, by the column given for it or by its own name; whether there is one."""
        if field in self.constants:
            return True
        usual = self._actor if field == "user_id" else field
        for column in [self._given[field]] if field in self._given else [usual, *others]:
            if column in self._names:
                if self._names.count(column) > 1:
                    raise ConfigurationError(f"{self._path}: there are two columns {column!r}; rename one")
                self.columns[field] = column
                return True
        return False

    def need(self, field: str, *others: str) -> None:
        """Finds a field that has to be there."""
        if not self.want(field, *others):
            name = others[-1] if others else self._actor if field == "user_id" else field
            raise self._missing(name, name, f"write --map {field}=COLUMN")

    def condition(self, name: str) -> tuple[str, ...]:
        """The columns of a property: among the properties, then by the event's own field, then by the segment."""
        places = [self._given.get(field, field) for field in (f"properties.{name}", name, f"segment.{name}")]
        found = tuple(dict.fromkeys(column for column in places if column in self._names))
        if not found:
            raise self._missing(f"condition on {name!r}", name, f"write --map properties.{name}=COLUMN")
        return found

    def error(self, field: str, what: str) -> ConfigurationError:
        """What to say of a field."""
        return self._missing(f"{field}: {what}", field, f"write --map {field}=COLUMN")

    def _missing(self, what: str, name: str, do: str) -> ConfigurationError:
        near = get_close_matches(name, self._names, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(self._names[:_SHOWN]) + (" ..." if len(self._names) > _SHOWN else "")
        return ConfigurationError(f"{self._path}: {what}: no such column; {hint}there are {known}; {do}")
