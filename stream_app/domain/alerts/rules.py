"""Rules files: YAML text to rules, with every problem of the file listed at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from stream_app.domain.alerts.rule import EVERY, Rule
from stream_app.domain.alerts.yamlnodes import NodeReader, Problem, suggest
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.periods import HORIZON, KEPT, Grain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_app.domain.events import Definition

    Entries = dict[str, tuple[yaml.Node, yaml.Node]]

KEYS = ("name", "definition", "grain", "index", "segment", "below", "min_group", "resolve", "for", "to")
REQUIRED = ("name", "definition", "grain", "index", "below")
MAX_SHARE = 1.5
MAX_NAME = 100
DEFAULT_MIN_GROUP = 100
MAX_COUNT = {"min_group": 10**12, "for": HORIZON[Grain.DAY]}

_CHANNEL = re.compile(r"slack:(#[^\s#,:<>@]{1,80}|[CGD][A-Z0-9]{8,20})")


class RulesError(ConfigurationError):
    """A rules file is wrong. Operator action: correct the lines that the message lists.

    Attributes:
        problems: everything that is wrong, in the order of lines.
    """

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        if len(self.problems) == 1:
            message = f"{source}: {self.problems[0]}"
        else:
            lines = "".join(f"\n  {problem}" for problem in self.problems)
            message = f"{source}: {len(self.problems)} problems{lines}"
        super().__init__(message)


def load_rules(
    text: str, *, source: str, definitions: Iterable[Definition], dimensions: Sequence[str]
) -> tuple[Rule, ...]:
    """The rules of a file.

    Args:
        text: the file's content.
        source: the file's name, for messages.
        definitions: the retention definitions that are kept.
        dimensions: the segment dimensions that are kept.

    Raises:
        RulesError: with every problem of the file, each with its line and field.
    """
    reader = NodeReader()
    root = reader.parse(text)
    rules: list[Rule] = []
    if root is not None:
        entries = reader.mapping(root, "", ("rules",))
        if "rules" in entries:
            parser = _RuleParser(reader, [d.name for d in definitions], dimensions)
            for position, node in enumerate(reader.sequence(entries["rules"][1], "rules", "rules") or ()):
                rule = parser.rule(node, f"rules[{position}]")
                if rule is not None:
                    rules.append(rule)
        elif not reader.problems:
            reader.wrong(root, "rules", "is missing; write a list of rules under it")
    if reader.problems:
        raise RulesError(source, reader.problems)
    return tuple(rules)


class _RuleParser:
    """Turns one list item into a rule; remembers names, so that none is given twice."""

    def __init__(self, reader: NodeReader, definitions: Sequence[str], dimensions: Sequence[str]) -> None:
        self._reader = reader
        self._definitions = definitions
        self._dimensions = dimensions
        self._names: dict[str, int] = {}

    def rule(self, node: yaml.Node, path: str) -> Rule | None:
        """The rule, or None where something in it is wrong."""
        reader = self._reader
        before = len(reader.problems)
        entries = reader.mapping(node, path, KEYS)
        for key in REQUIRED:
            if key not in entries and isinstance(node, yaml.MappingNode):
                reader.wrong(node, f"{path}.{key}", f"is missing; a rule needs {', '.join(REQUIRED)}")
        name = self._name(entries, path)
        definition = self._choice(entries, path, "definition", self._definitions)
        grain = self._choice(entries, path, "grain", [g.value for g in KEPT])
        index = self._index(entries, path, grain)
        below, resolve = self._shares(entries, path)
        min_group = self._count(entries, path, "min_group", DEFAULT_MIN_GROUP)
        steps = self._count(entries, path, "for", 1)
        segment = self._segment(entries, path)
        to = self._targets(entries, path)
        if len(reader.problems) > before:
            return None
        # Without a problem every required value is there.
        assert name is not None and definition is not None and grain is not None  # noqa: S101, PT018 - for mypy
        assert index is not None and below is not None and resolve is not None  # noqa: S101, PT018
        return Rule(name, definition, Grain(grain), index, below, resolve, min_group, steps, segment, to)

    def _name(self, entries: Entries, path: str) -> str | None:
        if "name" not in entries:
            return None
        node, field = entries["name"][1], f"{path}.name"
        name = self._reader.text(node, field, "a name")
        if name is None:
            return None
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
            self._reader.wrong(node, field, f"{name[:MAX_NAME]!r} must be 1 to {MAX_NAME} printable characters")
        elif name in self._names:
            self._reader.wrong(
                node, field, f"{name!r} is already the name of the rule in line {self._names[name]}; choose another"
            )
        self._names.setdefault(name, node.start_mark.line + 1)
        return name

    def _choice(self, entries: Entries, path: str, key: str, allowed: Sequence[str]) -> str | None:
        if key not in entries:
            return None
        node, field = entries[key][1], f"{path}.{key}"
        value = self._reader.text(node, field, f"one of {', '.join(allowed)}")
        if value is None or value in allowed:
            return value
        self._reader.wrong(
            node, field, f"{value!r} is not a {key}; {suggest(value, allowed)}allowed: {', '.join(allowed)}"
        )
        return None

    def _index(self, entries: Entries, path: str, grain: str | None) -> int | None:
        if "index" not in entries:
            return None
        node, field = entries["index"][1], f"{path}.index"
        if getattr(node, "value", None) == "0":
            self._reader.wrong(
                node, field, "0 is the cohort's own period, where every user counts as retained (100 %); use 1 or more"
            )
            return None
        # With a wrong grain the widest horizon applies: that problem is listed, and no other follows from it.
        last = HORIZON[Grain(grain) if grain in KEPT else Grain.DAY] - 1
        return self._reader.integer(node, field, 1, last)

    def _shares(self, entries: Entries, path: str) -> tuple[float | None, float | None]:
        found: dict[str, float | None] = {"below": None, "resolve": None}
        for key in found:
            if key in entries:
                node, field = entries[key][1], f"{path}.{key}"
                share = self._reader.number(node, field, f"a share above 0 and up to {MAX_SHARE}, such as 0.30")
                if share is not None and not 0 < share <= MAX_SHARE:
                    hint = f"; for {share:g} % write {share / 100:g}" if MAX_SHARE < share <= 100 * MAX_SHARE else ""
                    self._reader.wrong(
                        node, field, f"{share:g} is not a share: it must be above 0 and up to {MAX_SHARE}{hint}"
                    )
                    share = None
                found[key] = share
        below, resolve = found["below"], found["resolve"]
        if "resolve" not in entries:
            return below, below
        if below is not None and resolve is not None and resolve < below:
            self._reader.wrong(
                entries["resolve"][1], f"{path}.resolve", f"{resolve:g} is less than below ({below:g}); use it or more"
            )
        return below, resolve

    def _count(self, entries: Entries, path: str, key: str, default: int) -> int:
        if key not in entries:
            return default
        value = self._reader.integer(entries[key][1], f"{path}.{key}", 1, MAX_COUNT[key])
        return default if value is None else value

    def _segment(self, entries: Entries, path: str) -> tuple[str, str] | None:
        if "segment" not in entries:
            return None
        node, field = entries["segment"][1], f"{path}.segment"
        if not self._dimensions:
            self._reader.wrong(node, field, "no dimension is configured; set `dimensions` or leave the segment out")
            return None
        parts = self._reader.mapping(node, field, self._dimensions)
        if len(parts) > 1:
            self._reader.wrong(node, field, f"names {len(parts)} dimensions; name one, such as {{plan: pro}}")
        if node.value == []:
            self._reader.wrong(node, field, f"is empty; leave it out for all users, or name one of {self._allowed}")
        for dimension, (_, value_node) in parts.items():
            what = f"one value, '{EVERY}' for every value, or '(none)' for users without one"
            value = self._reader.text(value_node, f"{field}.{dimension}", what)
            if value is not None:
                return dimension, value
        return None

    @property
    def _allowed(self) -> str:
        return ", ".join(self._dimensions)

    def _targets(self, entries: Entries, path: str) -> tuple[str, ...]:
        if "to" not in entries:
            return ("console",)
        node, field = entries["to"][1], f"{path}.to"
        items = (
            [node]
            if isinstance(node, yaml.ScalarNode)
            else self._reader.sequence(node, field, "targets, such as [console]")
        )
        if items == []:
            self._reader.wrong(node, field, "names no target; use console or slack:#channel")
        targets: list[str] = []
        for item in items or ():
            target = self._reader.text(item, field, "console or slack:#channel")
            if target is None:
                continue
            if target != "console" and not _CHANNEL.fullmatch(target):
                self._reader.wrong(item, field, f"{target!r} is not a target; {_target_hint(target)}")
            elif target in targets:
                self._reader.wrong(item, field, f"{target!r} is there twice; keep one")
            else:
                targets.append(target)
        return tuple(targets)


def _target_hint(target: str) -> str:
    name = target.removeprefix("slack:").lstrip("#").strip()
    if (target.startswith(("slack:", "#"))) and _CHANNEL.fullmatch(f"slack:#{name}"):
        return f"did you mean 'slack:#{name}'?"
    return f"{suggest(target, ['console', 'slack:#channel'])}use console or slack:#channel"
