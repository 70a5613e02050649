"""Checks every setting by itself and beside the others, and says what is wrong in sentences."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from stream_app.settings.values import Parser

# Greedy up to the last "@": a password written without escapes may hold any sign.
_USER = re.compile(r"(?<=//).*@|^(?!.*//).*@")
#: Characters of a value in a message.
_LONGEST_SHOWN = 200
_PASSWORD = re.compile(r"(?<=[?&]password=)[^&]*", re.IGNORECASE)


@dataclass(frozen=True)
class Spec:
    """What is known of a setting besides its default.

    Attributes:
        parse: brings a value to its one form, or raises ValueError with what to do.
        help: the meaning, as docs/settings.md has it.
        unit: of the number, where it is one.
        option: the command-line option that sets it.
        secret: the value is never shown.
        address: the value may hold a user name and password, which are never shown.
        internal: set by the program, not by a file or the environment.
        show: makes a value ready for JSON, where it is none by itself.
    """

    parse: Parser
    help: str
    unit: str = ""
    option: str | None = None
    secret: bool = False
    address: bool = False
    internal: bool = False
    show: Callable[[Any], object] | None = None


def shown(spec: Spec, value: object) -> object:
    """A value as people may see it: JSON-ready, without secrets and passwords."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if spec.secret:
        return "***"
    if isinstance(value, list | tuple):
        return [shown(spec, item) for item in value]
    if isinstance(value, dict):
        return {str(shown(spec, str(key))): shown(spec, item) for key, item in value.items()}
    return _PASSWORD.sub("***", _USER.sub("***@", str(value))) if spec.address else str(value)


def problem(name: str, spec: Spec, value: object, origin: str | None, what: object) -> str:
    """One sentence: the setting, its value, where it came from, what to do."""
    text = repr(shown(spec, value))
    text = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"
    return f"{name}: {text}{f' ({origin})' if origin else ''} {what}"


def listed(problems: Sequence[str]) -> str:
    """One message of all problems."""
    if len(problems) == 1:
        return problems[0]
    heading = f"{len(problems)} things in the configuration are wrong:"
    return "\n".join([heading, *(f"  - {text}" for text in problems)])


def resolve(
    specs: Mapping[str, Spec], given: Mapping[str, object], origins: Mapping[str, str]
) -> tuple[dict[str, Any], list[str]]:
    """Parse every value and check what must hold between them.

    Args:
        specs: by name, every setting there is.
        given: by name, the raw value of every setting.
        origins: by name, where the value came from; a missing one is left out of the message.

    Returns:
        The values that parsed, and every problem found.
    """
    parsed: dict[str, Any] = {}
    wrong: list[tuple[str, object]] = []
    for name, spec in specs.items():
        try:
            parsed[name] = spec.parse(given[name])
        except ValueError as error:
            wrong.append((name, error))
    wrong += _conflicts(parsed)
    return parsed, [problem(name, specs[name], given[name], origins.get(name), what) for name, what in wrong]


def _conflicts(parsed: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Settings that do not fit others, and what is wrong; one that did not parse conflicts with none."""
    commit, session = parsed.get("commit_interval"), parsed.get("session_timeout")
    if commit and session and 2 * commit > session:
        what = f"is more than half of session_timeout, {session:g}: a session must hold two commits"
        yield "commit_interval", f"{what}; lower the one or raise the other"
    partials = parsed.get("partials_interval")
    if commit and partials and partials < commit:
        what = f"is less than commit_interval, {commit:g}: counters go out with a commit"
        yield "partials_interval", f"{what}; raise the one or lower the other"
    top, most = parsed.get("top_values"), parsed.get("max_values")
    if top and most and top > most:
        yield "top_values", f"is more than max_values, {most}: no more can be shown than are kept; lower it"
    if parsed.get("state_format") == 1:  # rows and records that the version before does not know
        if parsed.get("orders"):
            yield "orders", "cannot be kept in state_format 1; set orders: false until every worker is of this version"
        if parsed.get("hour_days"):
            what = "cannot be kept in state_format 1; set hour_days: 0 until every worker is of this version"
            yield "hour_days", f"days of hours {what}"
    if parsed.get("smtp_url") and "smtp_from" in parsed and parsed["smtp_from"] is None:
        yield "smtp_from", "is not set, and smtp_url is; name the sender, such as alerts@example.com"
    taken: dict[str, str] = {}
    for name in ("visits_topic", "purchases_topic", "alerts_topic", "dead_letters_topic"):
        other = taken.setdefault(parsed[name], name) if name in parsed else name
        if other != name and {name, other} != {"visits_topic", "purchases_topic"}:
            yield name, f"is the topic of {other} too: only visits and purchases may share one; name another"
