"""What becomes of state that was counted under another configuration: nothing, a rewriting of rows, or a new count.

Rows give what they hold: fewer dimensions, any definitions over the filters that are kept, in any order and under any
name, another inactivity window (the ring of days covers every one that can be set), fewer hours, no orders, another
form of rows. They do not give what was thrown away when they were counted: a dimension's values, the times of events
(only their local days, weeks and months, and the first hours), events that no filter meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from stream_app.domain.fingerprint import ACTOR, differences
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


_Where = tuple[tuple[str, str], ...]


class _More(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a definition has beyond events and window."""

    start_where: _Where = ()
    return_where: _Where = ()
    min_active: int = 1


class _Definition(NamedTuple):
    name: str
    start: str
    returns: str
    inactivity_days: int
    more: _More = _More()

    @property
    def counts(self) -> tuple[str, str, _More]:
        """What it counts, whatever it is called."""
        return self.start, self.returns, self.more

    @property
    def filters(self) -> tuple[_Filter, _Filter]:
        """What it needs of the rows."""
        return _Filter(self.start, self.more.start_where), _Filter(self.returns, self.more.return_where)

    @property
    def text(self) -> str:
        """What it counts, in words."""
        more = [] if self.more == _More() else [{k: v for k, v in msgspec.to_builtins(self.more).items() if v}]
        return _text([self.start, self.returns, *more])


class _Filter(NamedTuple):
    event: str
    where: _Where = ()


class _Configuration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fingerprint, read."""

    format: int
    horizon: dict[str, int]
    definitions: list[_Definition]
    timezone: str
    week_start: str
    dimensions: list[str]
    currency: str
    filters: list[_Filter] | None = None
    hour_days: int = 0
    hour_slack: int = 0
    orders: bool = False
    actor: str = ACTOR

    @property
    def kept(self) -> list[_Filter]:
        """The filters that rows are of, in their order; those of the versions before are one a definition."""
        return [_Filter(d.returns) for d in self.definitions] if self.filters is None else self.filters


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
    reasons = _missing(before, after)
    if reasons:
        return Rebuild("; ".join(reasons))
    layout = Layout(
        tuple(map(before.kept.index, after.kept)),
        tuple(map(before.dimensions.index, after.dimensions)),
        len(before.kept),
        len(before.dimensions),
        before.hour_days,
    )
    same = (before.format, before.hour_days, before.orders) == (after.format, after.hour_days, after.orders)
    return Migrate(
        layout,
        "; ".join(_told(before, after)) or differences(stored, present),
        # Records of orders that are no longer kept lie before what is rewritten: nobody ever reads them again.
        rewrite=not same or _moved(layout),
        figures=msgspec.structs.replace(before, format=after.format) != after,
    )


def _missing(before: _Configuration, after: _Configuration) -> list[str]:
    """Why the stored rows do not give what is to be kept."""
    reasons = [
        f"{what} was {_text(old)} and is {_text(new)}"
        for what, old, new in (
            ("horizon", before.horizon, after.horizon),
            ("timezone", before.timezone, after.timezone),
            ("week_start", before.week_start, after.week_start),
            ("currency", before.currency, after.currency),
            ("actor", before.actor, after.actor),
        )
        if old != new
    ]
    added = [name for name in after.dimensions if name not in before.dimensions]
    if added:
        reasons.append(f"dimensions not kept so far: {', '.join(added)}")
    known = {definition.name: definition for definition in before.definitions}
    for definition in after.definitions:
        if definition.inactivity_days >= RING_DAYS:
            reasons.append(f"definition {definition.name}: rows keep {RING_DAYS} days, fewer than its inactivity_days")
        if not set(definition.filters) <= set(before.kept):
            old = known.get(definition.name)
            what = f"it counted {old.text} and counts {definition.text}" if old else "it was not kept so far"
            reasons.append(f"definition {definition.name}: {what}")
    if after.orders and not before.orders:
        reasons.append("orders were not kept so far (to go on without them, set orders: false)")
    if after.hour_days and before.hour_days and after.hour_slack != before.hour_slack:
        reasons.append(f"hour_slack was {before.hour_slack} and is {after.hour_slack}: the time zone's rules changed")
    if after.hour_days > before.hour_days:
        kept = f"hours were kept of {before.hour_days} days" if before.hour_days else "hours were not kept so far"
        reasons.append(f"{kept} (to go on so, set hour_days: {before.hour_days})")
    return reasons


def _paired(before: _Configuration, after: _Configuration) -> list[int | None]:
    """The stored place of each present definition: that of its name, else one free that counts the same."""
    names = [d.name for d in before.definitions]
    taken = {d.name for d in after.definitions}
    free = {place: d for place, d in enumerate(before.definitions) if d.name not in taken}
    places: list[int | None] = []
    for definition in after.definitions:
        place = next((p for p, d in free.items() if d.counts == definition.counts), None)
        if definition.name in names:
            place = names.index(definition.name)
        elif place is not None:
            del free[place]
        places.append(place)
    return places


def _told(before: _Configuration, after: _Configuration) -> list[str]:
    """What a migration changes, in words."""
    told: list[str] = []
    places = _paired(before, after)
    gone = [name for name in before.dimensions if name not in after.dimensions]
    if gone:
        told.append(f"dimensions no longer kept: {', '.join(gone)}")
    elif before.dimensions != after.dimensions:
        told.append("dimensions: they have another order")
    for number, definition in enumerate(before.definitions):
        if number not in places:
            told.append(f"definition {definition.name}: it is no longer kept")
    for place, definition in zip(places, after.definitions, strict=True):
        if place is None:
            told.append(f"definition {definition.name}: it is new, over what is kept")
            continue
        old = before.definitions[place]
        if old.name != definition.name:
            told.append(f"definition {old.name}: it is called {definition.name}")
        if old.counts != definition.counts:
            told.append(f"definition {definition.name}: it counted {old.text} and counts {definition.text}")
        if old.inactivity_days != definition.inactivity_days:
            days = f"{old.inactivity_days} days and is {definition.inactivity_days} days"
            told.append(f"definition {definition.name}: inactivity_days was {days}")
    known = [place for place in places if place is not None]
    if known != sorted(known):
        told.append("definitions: they have another order")
    if before.hour_days != after.hour_days:
        told.append(f"hours are kept of {after.hour_days} days, no longer of {before.hour_days}")
    if before.orders and not after.orders:
        told.append("orders are no longer kept")
    if before.format != after.format:
        told.append(f"rows had form {before.format} and have form {after.format}")
    return told


def _moved(layout: Layout) -> bool:
    same = layout.filters == tuple(range(layout.stored_filters))
    return not same or layout.dimensions != tuple(range(layout.stored_dimensions))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _either(values: tuple[int, ...]) -> str:
    return " and ".join(map(str, values))
