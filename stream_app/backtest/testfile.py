"""Test files of rules: YAML text to what is given and what is expected, with every problem listed at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import yaml

from stream_app.backtest import runs
from stream_app.backtest.testcase import Case, Expected, FiringAt, GivenCells, TestFile
from stream_app.domain.alerts.change import Change
from stream_app.domain.alerts.rulefields import Fields
from stream_app.domain.alerts.rules import RulesError
from stream_app.domain.alerts.yamlnodes import NodeReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.backtest.testcase import Wanted

FILE = ("rules", "config", "tests")
CASE = ("name", "events", "format", "map", "set", "until", "cells", "volume", "told", "changes", "firing", "messages")
CELLS = ("rule", "from", "segment", "groups", "counted", "values")
VOLUME = ("from", "users")
FIRING = ("at", "alerts")
ALERT = ("rule", "segment")
MESSAGE = ("at", "rule", "kind", "changes", "firing", "to")
CHANGE = tuple(Change.__dataclass_fields__)
EXPECTED = ("told", "changes", "firing", "messages")
_NULL = "tag:yaml.org,2002:null"


def load_tests(text: str, source: str) -> TestFile:
    """What a test file says.

    Raises:
        RulesError: with every problem of the file.
    """
    reader = NodeReader()
    root = reader.parse(text)
    found = None
    if root is not None:
        found = _Reader(reader).file(root)
    if found is None or reader.problems:
        raise RulesError(source, [replace(one, field=one.field.lstrip(".")) for one in reader.problems])
    return found


class _Reader:
    """Reads a test file's nodes."""

    def __init__(self, reader: NodeReader) -> None:
        self._reader = reader

    def _fields(self, node: yaml.Node, path: str, allowed: Sequence[str], needed: Sequence[str] = ()) -> Fields:
        fields = Fields(self._reader, node, path, self._reader.mapping(node, path, allowed))
        if isinstance(node, yaml.MappingNode):
            for key in needed:
                if not fields.has(key):
                    fields.wrong(key, "is missing")
        return fields

    def file(self, root: yaml.Node) -> TestFile:
        fields = self._fields(root, "", FILE, ("rules", "tests"))
        cases = [self._case(node, path) for node, path in self._items(fields, "tests", "tests")]
        return TestFile(fields.text("rules", "the path of a rules file") or "",
                        fields.text("config", "the path of a settings file"), cases)  # fmt: skip

    def _case(self, node: yaml.Node, path: str) -> Case:
        fields = self._fields(node, path, CASE, ("name",))
        if isinstance(node, yaml.MappingNode):
            if fields.has("events") == fields.has("cells"):
                fields.wrong("cells", "give either cells or events")
            if not any(map(fields.has, EXPECTED)):
                fields.wrong("told", f"is missing; a test needs one of {', '.join(EXPECTED)}")
            if fields.has("cells"):
                fields.refuse(("format", "map", "set"), "it is about a file of events")
            else:
                fields.refuse(("volume",), "a file of events has its own")
        return Case(
            line=node.start_mark.line + 1,
            name=fields.text("name", "a name") or "",
            events=fields.text("events", "the path of a file of events"),
            form=fields.choice("format", ("jsonl", "csv", "parquet")),
            columns=self._texts(fields, "map"),
            constants=self._texts(fields, "set"),
            until=fields.text("until", "a date or an instant"),
            cells=[self._cells(*one) for one in self._items(fields, "cells", "cells")],
            volume=self._volume(fields),
            told=self._expected(fields, "told", CHANGE),
            changes=self._expected(fields, "changes", CHANGE),
            firing=[self._firing(*one) for one in self._items(fields, "firing", "instants and what fires then")],
            messages=self._expected(fields, "messages", MESSAGE),
        )

    def _cells(self, node: yaml.Node, path: str) -> GivenCells:
        fields = self._fields(node, path, CELLS, ("rule", "from", "groups"))
        groups = fields.written("groups", runs.EXAMPLE, runs.whole) or []
        counted = fields.written("counted", runs.EXAMPLE, runs.whole)
        values = fields.written("values", runs.EXAMPLE, runs.numbers)
        if isinstance(node, yaml.MappingNode) and fields.has("counted") == fields.has("values"):
            fields.wrong("counted", "give either counted (of a share) or values (of a value figure)")
        length = len(counted or values or groups)
        if len(groups) == 1:
            groups = groups * length  # one number is that of all
        if len(groups) != length:
            fields.wrong("groups", f"are {len(groups)} and not {length}; write as many, or a single number")
        elif any(x is not None and x > (n or 0) for x, n in zip(counted or (), groups, strict=False)):
            fields.wrong("counted", "is more than its group somewhere")
        return GivenCells(
            node.start_mark.line + 1, fields.text("rule", "a rule's name") or "",
            fields.text("from", "a date or an instant") or "", self._texts(fields, "segment"), groups, counted, values,
        )  # fmt: skip

    def _volume(self, fields: Fields) -> tuple[str, list[int | None]] | None:
        if not fields.has("volume"):
            return None
        inner = self._fields(*fields.at("volume"), VOLUME, VOLUME)
        return inner.text("from", "a date") or "", inner.written("users", runs.EXAMPLE, runs.whole) or []

    def _firing(self, node: yaml.Node, path: str) -> FiringAt:
        fields = self._fields(node, path, FIRING, FIRING)
        alerts = self._expected(fields, "alerts", ALERT) or []
        return FiringAt(node.start_mark.line + 1, fields.text("at", "a date or an instant") or "", alerts)

    def _expected(self, fields: Fields, key: str, allowed: Sequence[str]) -> list[Expected] | None:
        if not fields.has(key):
            return None
        found = []
        for node, path in self._items(fields, key, "what is expected"):
            entries = self._reader.mapping(node, path, allowed)
            wanted = {name: self._wanted(value, f"{path}.{name}") for name, (_, value) in entries.items()}
            found.append(Expected(node.start_mark.line + 1, wanted))
        return found

    def _wanted(self, node: yaml.Node, path: str) -> Wanted:
        if isinstance(node, yaml.MappingNode):
            return self._pairs(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._reader.text(one, path, "a text") or "" for one in node.value]
        if isinstance(node, yaml.ScalarNode) and node.tag == _NULL and node.style is None:
            return None
        return self._reader.text(node, path, "a value") or ""

    def _texts(self, fields: Fields, key: str) -> dict[str, str]:
        if not fields.has(key):
            return {}
        node, path = fields.at(key)
        if isinstance(node, yaml.MappingNode):
            return self._pairs(node, path)
        self._reader.wrong(node, path, "must be names and values, such as {plan: pro}")
        return {}

    def _pairs(self, node: yaml.MappingNode, path: str) -> dict[str, str]:
        names = [name.value for name, _ in node.value if isinstance(name, yaml.ScalarNode)]
        entries = self._reader.mapping(node, path, names)
        found = {
            name: self._reader.text(value, f"{path}.{name}", "a value") or "" for name, (_, value) in entries.items()
        }
        return dict(found)

    def _items(self, fields: Fields, key: str, what: str) -> list[tuple[yaml.Node, str]]:
        if not fields.has(key):
            return []
        node, path = fields.at(key)
        items = self._reader.sequence(node, path, what) or []
        return [(one, f"{path}[{place}]") for place, one in enumerate(items)]
