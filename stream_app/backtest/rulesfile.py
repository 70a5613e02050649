"""A rules file without a service: the dimensions that it names, where no settings say which there are."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from stream_app.domain.alerts import load_rules
from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_app.domain.alerts import RuleSet
    from stream_app.settings import Settings

log = logging.getLogger(__name__)


def read_rules(path: Path | str, settings: Settings) -> tuple[RuleSet, Settings]:
    """What a rules file says, and the settings with the dimensions that hold for it; what is doubtful is logged.

    Args:
        path: the file.
        settings: definitions, time zone and dimensions; where they name none, any dimension may be named.

    Raises:
        RulesError: something in it is wrong.
        ConfigurationError: it cannot be read.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"rules: {str(path)!r} cannot be read: {why}; correct the path") from error
    if not settings.dimensions:
        settings = replace(settings, dimensions=named_dimensions(text))
    found = load_rules(
        text, source=str(path), definitions=settings.definitions, dimensions=settings.dimensions,
        calendar=settings.calendar,
    )  # fmt: skip
    for doubt in found.doubts:
        log.warning("%s: %s.", path, doubt)
    return found, settings


def named_dimensions(text: str) -> tuple[str, ...]:
    """The dimensions that the segments of a rules file name, in its order; of a text that is not YAML none.

    >>> named_dimensions("rules: [{segment: {plan: pro}}, {segment: {country: NO}}, {segment: {plan: free}}]")
    ('plan', 'country')
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return ()  # what is wrong is said where the file is read
    return tuple(dict.fromkeys(_named(root)))


def _named(root: yaml.Node | None) -> Iterator[str]:
    for rules in _values(root, "rules"):
        for rule in rules.value if isinstance(rules, yaml.SequenceNode) else ():
            for segment in _values(rule, "segment"):
                if isinstance(segment, yaml.MappingNode):
                    yield from (key.value for key, _ in segment.value if isinstance(key, yaml.ScalarNode) and key.value)


def _values(node: yaml.Node | None, key: str) -> list[yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return []
    return [value for name, value in node.value if name.value == key]
