"""Rules files: YAML text to rules, with every problem of the file listed at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from stream_app.domain.alerts import spans
from stream_app.domain.alerts.rule import STREAM_ALERTS, Quality, Rule, RuleSet
from stream_app.domain.alerts.rulebound import read_bound, read_test
from stream_app.domain.alerts.rulefields import Fields, is_off
from stream_app.domain.alerts.rulefigure import read_figure, read_segment
from stream_app.domain.alerts.rulekeys import DEFAULTS, FILE, KEYS, QUALITY, REQUIRED
from stream_app.domain.alerts.yamlnodes import NodeReader, Problem
from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_app.domain.alerts.rulefields import Entries
    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar

MAX_NAME = 100
#: The highest `min_group`, and `no_data`.
MOST_USERS, MOST_MISSING = 10**12, 10_000
VOLUME_EXAMPLES = "a share of the usual volume above 0 and below 1, such as 0.5"


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
    text: str, *, source: str, definitions: Iterable[Definition], dimensions: Sequence[str], calendar: Calendar
) -> RuleSet:
    """What a rules file says.

    Args:
        text: the file's content.
        source: the file's name, for messages.
        definitions: the retention definitions that rules can name.
        dimensions: the segment dimensions that are kept.
        calendar: what counting is done by.

    Raises:
        RulesError: with every problem of the file, each with its line and field.
    """
    reader = NodeReader()
    root = reader.parse(text)
    found = RuleSet()
    if root is not None:
        found = _File(reader, tuple(definitions), dimensions, calendar).read(root)
    if reader.problems:
        raise RulesError(source, reader.problems)
    return found


class _File:
    """Reads a file's mapping; remembers the names of rules, so that none is given twice."""

    def __init__(
        self, reader: NodeReader, definitions: Sequence[Definition], dimensions: Sequence[str], calendar: Calendar
    ) -> None:
        self._reader = reader
        self._definitions = definitions
        self._dimensions = dimensions
        self._calendar = calendar
        self._names: dict[str, int] = {}

    def read(self, root: yaml.Node) -> RuleSet:
        """The rules and what is said of the stream; of use only if the reader has no problem."""
        reader = self._reader
        entries = reader.mapping(root, "", FILE)
        if "rules" not in entries:
            if not reader.problems:
                reader.wrong(root, "rules", "is missing; write a list of rules under it")
            return RuleSet()
        defaults = self._defaults(entries)
        rules = []
        for position, node in enumerate(reader.sequence(entries["rules"][1], "rules", "rules") or ()):
            rule = self._rule(node, f"rules[{position}]", defaults)
            if rule is not None:
                rules.append(rule)
        return RuleSet(tuple(rules), self._quality(entries))

    def _defaults(self, entries: Entries) -> Entries:
        if "defaults" not in entries:
            return {}
        node = entries["defaults"][1]
        found = self._reader.mapping(node, "defaults", DEFAULTS)
        fields = Fields(self._reader, node, "defaults", found)
        # Read here as well, so that what is wrong is found also where no rule takes it.
        _judging(fields, self._dimensions)
        read_test(fields, None)
        return found

    def _rule(self, node: yaml.Node, path: str, defaults: Entries) -> Rule | None:
        """The rule, or None where something in it is wrong."""
        reader = self._reader
        before = len(reader.problems)
        fields = Fields(reader, node, path, reader.mapping(node, path, KEYS), defaults)
        if not isinstance(node, yaml.MappingNode):
            return None
        for key in REQUIRED:
            if not fields.has(key):
                fields.wrong(key, f"is missing; a rule needs {', '.join(REQUIRED)} and a bound")
        name = self._name(fields)
        segment = read_segment(fields, self._dimensions)
        judged = read_figure(fields, self._definitions, self._calendar)
        common = _judging(fields, self._dimensions)
        if judged is None:
            return None
        tested = read_test(fields, judged)
        bound = read_bound(fields, judged, tested.test, segment, self._dimensions)
        if len(reader.problems) > before:
            return None
        return Rule(**vars(judged) | vars(tested) | vars(bound) | common, name=name, segment=segment)

    def _name(self, fields: Fields) -> str:
        name = fields.text("name", "a name")
        if name is None:
            return ""
        if not name.strip() or not name.isprintable() or len(name) > MAX_NAME:
            fields.wrong("name", f"{name[:MAX_NAME]!r} must be 1 to {MAX_NAME} printable characters")
        elif name in STREAM_ALERTS:
            fields.wrong("name", f"{name!r} is the name of an alert on the stream itself; choose another one")
        elif name in self._names:
            there = f"{name!r} is already the name of the rule in line {self._names[name]}"
            if fields.node.start_mark.line <= fields.at("name")[0].start_mark.line <= fields.node.end_mark.line:
                fields.wrong("name", f"{there}; names are unique")
            else:
                self._reader.wrong(
                    fields.node, f"{fields.path}.name", f"{there}, from which it is merged; write another"
                )
        else:
            self._names[name] = fields.at("name")[0].start_mark.line + 1
        return name

    def _quality(self, entries: Entries) -> Quality:
        if "quality" not in entries:
            return Quality()
        node, reader = entries["quality"][1], self._reader
        if is_off(node):
            return Quality(volume=None, stalled=None, behind=None)
        fields = Fields(reader, node, "quality", reader.mapping(node, "quality", QUALITY))
        usual = Quality()
        return Quality(
            to=fields.targets() or (),
            volume=fields.switched("volume", VOLUME_EXAMPLES, _volume) if fields.has("volume") else usual.volume,
            stalled=_span(fields, "stalled", usual.stalled),
            behind=_span(fields, "behind", usual.behind),
            sending=fields.sending(self._dimensions),
        )


def _judging(fields: Fields, dimensions: Sequence[str]) -> dict[str, Any]:
    """What is read of rules and of defaults alike."""
    flapping = fields.written("flapping", "so many firings in so many judged cells, such as 3 in 20", spans.some_of)
    return {
        "min_group": fields.integer("min_group", 1, MOST_USERS) or usual("min_group"),
        "no_data": fields.integer("no_data", 1, MOST_MISSING) or usual("no_data"),
        "flapping": flapping or usual("flapping"),
        "to": fields.targets() or usual("to"),
        "sending": fields.sending(dimensions),
    }


def usual(field: str) -> Any:
    """What a rule has in a field that its file does not give."""
    return Rule.__dataclass_fields__[field].default


def _span(fields: Fields, key: str, without: float | None) -> float | None:
    return fields.switched(key, spans.SPAN_EXAMPLES, spans.seconds) if fields.has(key) else without


def _volume(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0.0 < share < 1.0:
        raise ValueError(f"{text!r} must be {VOLUME_EXAMPLES}")
    return share
