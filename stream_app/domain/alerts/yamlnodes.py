"""YAML read node by node: every value keeps its line, and every problem of a file is found at once.

Values are taken as they are written, so that `{country: NO}` is Norway and not a boolean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_INTEGER = re.compile(r"[-+]?\d{1,15}")
_NUMBER = re.compile(r"[-+]?(\d{1,15}(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")
_NULL = "tag:yaml.org,2002:null"
_BOOL = "tag:yaml.org,2002:bool"
_MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a file: its line (from 1), the field's path and what to do."""

    line: int
    field: str
    message: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.field}" if self.field else f"line {self.line}"
        return f"{place}: {self.message}"


def suggest(value: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? ` where something allowed is close, and otherwise nothing."""
    near = get_close_matches(value.lower(), list(allowed), 1)
    return f"did you mean {near[0]!r}? " if near else ""


class NodeReader:
    """Reads values out of YAML nodes and collects what is wrong; each method answers None for a wrong value."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, node: yaml.Node, field: str, message: str) -> None:
        """Notes a problem at the node's line."""
        self.problems.append(Problem(node.start_mark.line + 1, field, message))

    def parse(self, text: str) -> yaml.Node | None:
        """The root node of a document, None where the text is empty or not YAML."""
        try:
            node: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            said = " ".join(part for part in (error.context, error.problem) if part)
            hint = "; a star must be quoted: '*'" if "alias" in said else ""
            self.problems.append(Problem(mark.line + 1 if mark else 1, "", f"not valid YAML: {said}{hint}"))
            return None
        except yaml.YAMLError as error:
            self.problems.append(Problem(1, "", f"not valid YAML: {' '.join(str(error).split())}"))
            return None
        except RecursionError:
            self.problems.append(Problem(1, "", "not valid rules: nested too deeply"))
            return None
        if node is None:
            self.problems.append(Problem(1, "", "is empty; write a list of rules under the key 'rules'"))
        return node

    def mapping(self, node: yaml.Node, field: str, allowed: Sequence[str]) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """The entries of a mapping, key -> (key's node, value's node); unknown and repeated keys are problems."""
        found: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        if not isinstance(node, yaml.MappingNode):
            self.wrong(node, field, f"must be a mapping with the keys {', '.join(allowed)}")
            return found
        for key_node, value in self.entries(node, field):
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            path = f"{field}.{key}" if field else key
            if key not in allowed:
                self.wrong(key_node, path, f"unknown key {key!r}; {suggest(key, allowed)}allowed: {', '.join(allowed)}")
            elif key in found:
                first = found[key][0].start_mark.line + 1
                self.wrong(key_node, path, f"key {key!r} is already given in line {first}; keep one of the two")
            else:
                found[key] = (key_node, value)
        return found

    def entries(self, node: yaml.MappingNode, field: str) -> list[tuple[yaml.Node, yaml.Node]]:
        """The entries of a mapping with those that it merges (`<<: *name`), unless it has such a key itself.

        Each keeps the line it is written in, which of a merged one is that of the other mapping.
        """
        found = [entry for entry in node.value if entry[0].tag != _MERGE]
        merges = [value for key, value in node.value if key.tag == _MERGE]
        if not merges:
            return found
        known = {key.value for key, _ in found if isinstance(key, yaml.ScalarNode)}
        for other in self._merged(merges, field, node):
            new = [entry for entry in other if isinstance(entry[0], yaml.ScalarNode) and entry[0].value not in known]
            known.update(key.value for key, _ in new)
            found += new
        return found

    def _merged(
        self, merges: Iterable[yaml.Node], field: str, into: yaml.MappingNode
    ) -> Iterator[list[tuple[yaml.Node, yaml.Node]]]:
        """The entries of what is merged, those that count first before the others; each mapping once."""
        seen: set[int] = set()
        waiting = [*merges][::-1]
        while waiting:
            one = waiting.pop()
            if isinstance(one, yaml.SequenceNode):
                waiting += one.value[::-1]
            elif not isinstance(one, yaml.MappingNode) or one is into:
                self.wrong(one, field, "<< takes another mapping, such as <<: *name, or a list of them")
            elif id(one) not in seen:
                seen.add(id(one))
                yield [entry for entry in one.value if entry[0].tag != _MERGE]
                waiting += [value for key, value in one.value if key.tag == _MERGE][::-1]

    def sequence(self, node: yaml.Node, field: str, what: str) -> list[yaml.Node] | None:
        """The items of a list."""
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        self.wrong(node, field, f"must be a list of {what}")
        return None

    def text(self, node: yaml.Node, field: str, what: str) -> str | None:
        """A scalar as it is written; booleans spelled `true` or `false` become lower case, as in JSON."""
        if not isinstance(node, yaml.ScalarNode):
            self.wrong(node, field, f"must be {what}, not a list or a mapping")
            return None
        if node.tag == _NULL and node.style is None:
            self.wrong(node, field, f"is empty; write {what} (in quotes if it begins with '#' or is 'null')")
            return None
        value = str(node.value)
        return value.lower() if node.tag == _BOOL and value.lower() in ("true", "false") else value

    def integer(self, node: yaml.Node, field: str, low: int, high: int) -> int | None:
        """A whole number from `low` to `high`."""
        raw = self._plain(node)
        if raw is not None and _INTEGER.fullmatch(raw) and low <= int(raw) <= high:
            return int(raw)
        self.wrong(node, field, f"{self._shown(node)} must be a whole number from {low} to {high}, without quotes")
        return None

    def number(self, node: yaml.Node, field: str, wanted: str) -> float | None:
        """A finite decimal number."""
        raw = self._plain(node)
        if raw is not None and _NUMBER.fullmatch(raw):
            return float(raw)
        hint = ""
        if isinstance(node, yaml.ScalarNode) and _NUMBER.fullmatch(str(node.value).rstrip("% ")):
            number = str(node.value).rstrip("% ")
            hint = f"; write {float(number) / 100:g}" if "%" in node.value else f"; write {number} without quotes"
        self.wrong(node, field, f"{self._shown(node)} must be {wanted}{hint}")
        return None

    @staticmethod
    def _plain(node: yaml.Node) -> str | None:
        return str(node.value) if isinstance(node, yaml.ScalarNode) and node.style is None else None

    @staticmethod
    def _shown(node: yaml.Node) -> str:
        return repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or mapping"
