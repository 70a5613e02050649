"""The setting `definitions`: what starts, what returns, under which conditions.

A definition is such as `{name: web, start: {event: purchase, where: {channel: web}}, return: any, where: {country: de},
min_active: 3, inactivity_days: 60}`; only the name is needed. The `where` beside start and return is of both.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stream_app.domain.events import ACTIVITY, ENGAGEMENT, REPURCHASE, Definition
from stream_app.domain.filters import conditions_of, filters_of
from stream_app.domain.rows import RING_DAYS
from stream_app.settings import values

if TYPE_CHECKING:
    from collections.abc import Mapping

#: As many filters as a stored row can name.
MOST_FILTERS = 16
MOST_DEFINITIONS = 64
MOST_MIN_ACTIVE = 184
_SHIPPED = (ENGAGEMENT, REPURCHASE)
#: Stands for the window that the setting `inactivity_days` gives.
_USUAL = 0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_KEYS = ("name", "start", "return", "where", "min_active", "inactivity_days")
_LONGEST_PROPERTY, _LONGEST_VALUE = 64, 256


def definitions(value: object) -> tuple[Definition, ...]:
    """Definitions as they are configured, without those that ship: a list of mappings, or such a list as JSON or YAML.

    Raises:
        ValueError: with the place of what is wrong.
    """
    like = '"name": "web", "start": "visit", "return": "any"'
    found = values.named(value, "definition", like, MOST_DEFINITIONS, _definition)
    filters = filters_of(complete(found, 1))
    if len(filters) > MOST_FILTERS:
        raise ValueError(
            f"needs {len(filters)} kinds of events with conditions (those that ship included); use at most "
            f"{MOST_FILTERS}: definitions with the same start and return share them"
        )
    if len(conditions_of(filters)) > MOST_FILTERS:
        raise ValueError(f"has more than {MOST_FILTERS} conditions; use fewer")
    return found


def complete(configured: tuple[Definition, ...], inactivity_days: int) -> tuple[Definition, ...]:
    """All definitions: those that ship unless replaced by name, then the others; who has no window has this one."""
    named = {definition.name: definition for definition in configured}
    every = [named.pop(shipped.name, replace(shipped, inactivity_days=_USUAL)) for shipped in _SHIPPED]
    every += named.values()
    return tuple(d if d.inactivity_days else replace(d, inactivity_days=inactivity_days) for d in every)


def shown(every: tuple[Definition, ...]) -> list[dict[str, object]]:
    """Definitions as JSON, in the form in which they are configured."""
    found: list[dict[str, object]] = []
    for definition in every:
        entry: dict[str, object] = {"name": definition.name}
        for name, what in (("start", definition.start_filter), ("return", definition.return_filter)):
            entry[name] = {"event": what.event, "where": dict(what.where)} if what.where else what.event
        if definition.min_active > 1:
            entry["min_active"] = definition.min_active
        found.append(entry | {"inactivity_days": definition.inactivity_days})
    return found


def _definition(path: str, given: object) -> Definition:
    if isinstance(given, Definition):  # has gone through this before
        shipped = {s.name: s for s in _SHIPPED}.get(given.name)
        usual = shipped is not None and replace(given, inactivity_days=shipped.inactivity_days) == shipped
        return replace(given, inactivity_days=_USUAL) if usual else given
    fields = _mapping(path, given, _KEYS)
    if "name" not in fields:
        raise ValueError(f"is wrong at {path}: it has no name; give it one")
    name = fields["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"is wrong at {path}.name: {name!r} is no name; use 1 to 64 letters, digits, hyphens and underscores"
        )
    both = _where(f"{path}.where", fields.get("where", {}))
    start, start_where = _filter(f"{path}.start", fields.get("start", "any"), both)
    returns, return_where = _filter(f"{path}.return", fields.get("return", fields.get("start", "any")), both)
    window = _number(path, fields, "inactivity_days", RING_DAYS - 1, usual=_USUAL)
    least = _number(path, fields, "min_active", MOST_MIN_ACTIVE, usual=1)
    return Definition(name, start, returns, window, start_where, return_where, least)


def _filter(path: str, given: object, both: Mapping[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
    fields = {"event": given} if isinstance(given, str) else _mapping(path, given, ("event", "where"))
    event = fields.get("event", "any")
    if event not in ACTIVITY:
        raise ValueError(f"is wrong at {path}: {event!r} is no event; use {', '.join(ACTIVITY[:-1])} or {ACTIVITY[-1]}")
    own = _where(f"{path}.where", fields.get("where", {}))
    for name in own:
        if both.get(name, own[name]) != own[name]:
            raise ValueError(f"is wrong at {path}.where.{name}: the definition's own where has another value; keep one")
    return event, tuple(sorted({**both, **own}.items()))


def _where(path: str, given: object) -> dict[str, str]:
    fields = _mapping(path, given)
    found = {}
    for name, value in fields.items():
        if not 1 <= len(name) <= _LONGEST_PROPERTY or not name.isprintable():
            raise ValueError(f"is wrong at {path}: {name!r} is no property; use 1 to {_LONGEST_PROPERTY} characters")
        if not isinstance(value, str | int | float):
            raise ValueError(f"is wrong at {path}.{name}: {value!r} is no value; use a text, a number, true or false")
        text = value if isinstance(value, str) else json.dumps(value)
        if len(text) > _LONGEST_VALUE:
            raise ValueError(f"is wrong at {path}.{name}: it has {len(text)} characters; use at most {_LONGEST_VALUE}")
        found[name] = text
    return found


def _mapping(path: str, given: object, allowed: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        example = "{name: web, start: visit}" if allowed == _KEYS else "names and values, such as {channel: web}"
        raise ValueError(f"is wrong at {path}: {given!r} is no mapping; write {example}")
    for key in given:
        if allowed is not None and key not in allowed:
            raise ValueError(f"is wrong at {path}: {key!r} is not known; use {', '.join(allowed)}")
    return given


def _number(path: str, fields: Mapping[str, object], name: str, most: int, usual: int) -> int:
    number = fields.get(name)
    if name not in fields:
        return usual
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= most:
        raise ValueError(f"is wrong at {path}.{name}: {number!r} is not a whole number from 1 to {most}")
    return number
