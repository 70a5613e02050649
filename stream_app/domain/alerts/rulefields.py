"""Reads the fields of one mapping of a rules file: a rule's own, and the defaults where it has none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from stream_app.domain.alerts import spans
from stream_app.domain.alerts.hours import Hours
from stream_app.domain.alerts.rule import Sending
from stream_app.domain.alerts.targets import TARGETS, problem_of
from stream_app.domain.alerts.yamlnodes import suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeVar

    from stream_app.domain.alerts.yamlnodes import NodeReader

    Entries = Mapping[str, tuple[yaml.Node, yaml.Node]]
    T = TypeVar("T")

#: What turns a default, or what would be on, off.
OFF = "off"
MOST_LABELS, MOST_TEXT = 20, 500

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
#: Alertmanager and its templates have these names for what every alert has.
_RESERVED = ("alertname", "rule")


class Fields:
    """The fields of a mapping; every method notes what is wrong and answers None for what is missing or wrong.

    Args:
        reader: collects the problems.
        node: the mapping.
        path: its place in the file, such as `rules[0]`.
        own: its entries.
        defaults: entries of `defaults`.
    """

    def __init__(
        self, reader: NodeReader, node: yaml.Node, path: str, own: Entries, defaults: Entries | None = None
    ) -> None:
        self.reader, self.node, self.path, self.own = reader, node, path, own
        self._defaults = defaults or {}

    def has(self, key: str) -> bool:
        """Whether the field is there, or a default of it."""
        return key in self.own or key in self._defaults

    def at(self, key: str) -> tuple[yaml.Node, str]:
        """The node and the path of a field that is there, or of its default."""
        if key in self.own:
            return self.own[key][1], f"{self.path}.{key}"
        return self._defaults[key][1], f"defaults.{key}"

    def wrong(self, key: str, message: str) -> None:
        """Notes a problem of a field; of one that is not there at the line of the mapping."""
        node, field = self.at(key) if self.has(key) else (self.node, f"{self.path}.{key}")
        self.reader.wrong(node, field, message)

    def refuse(self, keys: Sequence[str], why: str, instead: str = "") -> None:
        """Notes each of the fields that is there: `why`, leave it out, or do something else instead."""
        for key in keys:
            if key in self.own:
                self.wrong(key, f"{why}; leave it out" + (f", or {instead}" if instead else ""))

    def text(self, key: str, what: str) -> str | None:
        """A scalar as it is written."""
        return self.reader.text(*self.at(key), what) if self.has(key) else None

    def choice(self, key: str, allowed: Sequence[str]) -> str | None:
        """One of some words."""
        value = self.text(key, f"one of {', '.join(allowed)}")
        if value is None or value in allowed:
            return value
        self.wrong(key, f"{value!r} is not a {key}; {suggest(value, allowed)}allowed: {', '.join(allowed)}")
        return None

    def integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number."""
        return self.reader.integer(*self.at(key), low, high) if self.has(key) else None

    def number(self, key: str, wanted: str, fits: Callable[[float], bool]) -> float | None:
        """A number that fits."""
        if not self.has(key):
            return None
        value = self.reader.number(*self.at(key), wanted)
        if value is None or fits(value):
            return value
        self.wrong(key, f"{value:g} must be {wanted}")
        return None

    def written(self, key: str, what: str, read: Callable[[str], T]) -> T | None:
        """What `read` makes of the text; it raises ValueError with what is wrong."""
        text = self.text(key, what)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            self.wrong(key, str(error))
            return None

    def switched(self, key: str, what: str, read: Callable[[str], T]) -> T | None:
        """The same of a field that can be `off`, which is None."""
        if self.has(key) and is_off(self.at(key)[0]):
            return None
        return self.written(key, f"{what}, or {OFF}", read)

    def targets(self) -> tuple[str, ...] | None:
        """The targets of `to`, one or a list; None where there is no such field."""
        if not self.has("to"):
            return None
        node, field = self.at("to")
        one = isinstance(node, yaml.ScalarNode)
        items = [node] if one else self.reader.sequence(node, field, "targets, such as [console]")
        if items == []:
            self.reader.wrong(node, field, f"names no target; use {TARGETS}")
        found: list[str] = []
        for item in items or ():
            target = self.reader.text(item, field, TARGETS)
            if target is None:
                continue
            problem = problem_of(target)
            if problem is not None:
                self.reader.wrong(item, field, problem)
            elif target in found:
                self.reader.wrong(item, field, f"{target!r} is there twice; keep one")
            else:
                found.append(target)
        return tuple(found)

    def sending(self, dimensions: Sequence[str]) -> Sending:
        """How alerts are told; `dimensions` are the names that segments have."""
        return Sending(
            repeat=self.switched("repeat", spans.SPAN_EXAMPLES, spans.seconds),
            at_most=self.switched("at_most", "a number of messages, such as 4 per day", _cap),
            hours=self.switched("hours", "hours of weekdays, such as Mon-Fri 09:00-18:00", Hours.parse),
            labels=self._labels(dimensions),
            note=self.written("note", "a sentence", _note),
        )

    def _labels(self, dimensions: Sequence[str]) -> tuple[tuple[str, str], ...]:
        if not self.has("labels"):
            return ()
        node, field = self.at("labels")
        entries = self.reader.entries(node, field) if isinstance(node, yaml.MappingNode) else []
        if not isinstance(node, yaml.MappingNode) or len(entries) > MOST_LABELS:
            self.reader.wrong(
                node, field, f"must be a mapping of at most {MOST_LABELS} names, such as {{team: growth}}"
            )
            return ()
        found: dict[str, str] = {}
        for key, value_node in entries:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            value = self.reader.text(value_node, f"{field}.{name}", "a value")
            if not _LABEL.fullmatch(name):
                message = f"{name!r} is not a name of a label: use letters, digits and _, the first one no digit"
                self.reader.wrong(key, field, message)
            elif name in (*_RESERVED, *dimensions):
                self.reader.wrong(key, f"{field}.{name}", "is what every alert has by itself; choose another name")
            elif name in found:
                self.reader.wrong(key, f"{field}.{name}", "is there twice; keep one")
            elif value is not None:
                if not value.strip() or not value.isprintable() or len(value) > MOST_TEXT:
                    message = f"{value[:60]!r} must be 1 to {MOST_TEXT} printable characters"
                    self.reader.wrong(value_node, f"{field}.{name}", message)
                found[name] = value
        return tuple(found.items())


def is_off(node: yaml.Node) -> bool:
    """Whether a node says `off`."""
    return isinstance(node, yaml.ScalarNode) and node.value.lower() in (OFF, "false")


def _cap(text: str) -> tuple[int, float]:
    count, days = spans.rate(text)
    if count != int(count):
        raise ValueError(f"{text!r} must be a whole number of messages, such as 4 per day")
    return int(count), days * spans.WORDS["day"]


def _note(text: str) -> str:
    note = " ".join(text.split())
    if not note or not note.isprintable() or len(note) > MOST_TEXT:
        raise ValueError(f"{note[:60]!r} must be 1 to {MOST_TEXT} printable characters")
    return note
