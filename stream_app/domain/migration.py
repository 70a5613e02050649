"""What becomes of state that was counted under another configuration: nothing, a rewriting of rows, or a new count.

Rows give what they hold: fewer dimensions, fewer definitions, either in another order or under another name, another
inactivity window (the ring of days covers every one that can be set), another form of rows. They do not give what was
thrown away when they were counted: a dimension's values, the times of events (only their local days, weeks and months).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stream_app.domain.fingerprint import differences
from stream_app.domain.rows import RING_DAYS, ROW_FORMATS, Layout


@dataclass(frozen=True)
class Same:
    """The state is of this configuration."""


@dataclass(frozen=True)
class Migrate:
    """The stored rows give the state of this configuration.

    Attributes:
        layout: where in the stored rows everything is found.
        words: what differs.
        rewrite: every stored row must be written anew; else a marker of this configuration is enough.
        figures: the figures change with it; else only the form of rows does.
    """

    layout: Layout
    words: str
    rewrite: bool
    figures: bool


@dataclass(frozen=True)
class Rebuild:
    """The stored rows do not give it: events have to be counted anew.

    Attributes:
        words: why.
    """

    words: str


class _Definition(NamedTuple):
    name: str
    start: str
    returns: str
    inactivity_days: int


class _Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fingerprint, read."""

    format: int
    horizon: dict[str, int]
    definitions: list[_Definition]
    timezone: str
    week_start: str
    dimensions: list[str]
    currency: str


def plan(stored: str, present: str) -> Same | Migrate | Rebuild:
    """What state of the fingerprint `stored` needs so that it is of the fingerprint `present`."""
    if stored == present:
        return Same()
    try:
        before, after = (msgspec.json.decode(text, type=_Configuration) for text in (stored, present))
    except msgspec.MsgspecError:
        return Rebuild(differences(stored, present))  # of a version that this one does not know
    if before.format not in ROW_FORMATS:
        return Rebuild(f"its rows have form {before.format}, this version reads {_either(ROW_FORMATS)}")
    reasons = [
        f"{what} was {_text(old)} and is {_text(new)}"
        for what, old, new in (
            ("horizon", before.horizon, after.horizon),
            ("timezone", before.timezone, after.timezone),
            ("week_start", before.week_start, after.week_start),
            ("currency", before.currency, after.currency),
        )
        if old != new
    ]
    added = [name for name in after.dimensions if name not in before.dimensions]
    if added:
        reasons.append(f"dimensions not kept so far: {', '.join(added)}")
    places = _definitions(before, after, reasons)
    if reasons:
        return Rebuild("; ".join(reasons))
    layout = Layout(
        places, tuple(map(before.dimensions.index, after.dimensions)), len(before.definitions), len(before.dimensions)
    )
    told = _told(before, after, places)
    return Migrate(
        layout,
        "; ".join(told) or differences(stored, present),
        rewrite=before.format != after.format or _moved(layout, before),
        figures=msgspec.structs.replace(before, format=after.format) != after,
    )


def _definitions(before: _Configuration, after: _Configuration, reasons: list[str]) -> tuple[int, ...]:
    """The stored place of each present definition: that of its name, else one free that counts the same."""
    names = [d.name for d in before.definitions]
    free = [d for d in before.definitions if d.name not in {d.name for d in after.definitions}]
    places: list[int] = []
    for definition in after.definitions:
        counts = definition[1:3]
        if definition.inactivity_days >= RING_DAYS:
            reasons.append(f"definition {definition.name}: rows keep {RING_DAYS} days, fewer than its inactivity_days")
        if definition.name in names:
            old = before.definitions[names.index(definition.name)]
            if old[1:3] != counts:
                reasons.append(f"definition {definition.name}: it counted {_text(old[1:3])} and counts {_text(counts)}")
            places.append(names.index(definition.name))
            continue
        same = next((d for d in free if d[1:3] == counts), None)
        if same is None:
            reasons.append(f"definition {definition.name}: it was not kept so far")
            continue
        free.remove(same)
        places.append(names.index(same.name))
    return tuple(places)


def _told(before: _Configuration, after: _Configuration, places: tuple[int, ...]) -> list[str]:
    """What a migration changes, in words."""
    told: list[str] = []
    gone = [name for name in before.dimensions if name not in after.dimensions]
    if gone:
        told.append(f"dimensions no longer kept: {', '.join(gone)}")
    elif before.dimensions != after.dimensions:
        told.append("dimensions: they have another order")
    for place, definition in enumerate(before.definitions):
        if place not in places:
            told.append(f"definition {definition.name}: it is no longer kept")
    for place, definition in zip(places, after.definitions, strict=True):
        old = before.definitions[place]
        if old.name != definition.name:
            told.append(f"definition {old.name}: it is called {definition.name}")
        if old.inactivity_days != definition.inactivity_days:
            days = f"{old.inactivity_days} days and is {definition.inactivity_days} days"
            told.append(f"definition {definition.name}: inactivity_days was {days}")
    if list(places) != sorted(places):
        told.append("definitions: they have another order")
    if before.format != after.format:
        told.append(f"rows had form {before.format} and have form {after.format}")
    return told


def _moved(layout: Layout, before: _Configuration) -> bool:
    same = layout.definitions == tuple(range(layout.stored_definitions))
    return not same or layout.dimensions != tuple(range(len(before.dimensions)))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _either(values: tuple[int, ...]) -> str:
    return " and ".join(map(str, values))
