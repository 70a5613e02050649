"""The fingerprint of a configuration: everything that the meaning of stored rows and counters depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stream_app.domain.filters import filters_of
from stream_app.domain.periods import HORIZON, KEPT
from stream_app.domain.rows import RING_DAYS, ROW_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar

#: The field with the id that is counted, unless another is set.
ACTOR = "user_id"


def fingerprint(
    definitions: Sequence[Definition],
    calendar: Calendar,
    dimensions: Sequence[str],
    currency: str,
    row_format: int = ROW_FORMAT,
    *,
    hour_days: int = 0,
    orders: bool = False,
    actor: str = ACTOR,
) -> str:
    """A text that differs where state counted under one configuration has another meaning under the other.

    It is readable JSON, so that a message can show both, and `domain.migration` can tell what lies between them.

    Args:
        definitions: the retention definitions.
        calendar: the business time zone and week start.
        dimensions: names within `segment`.
        currency: the reporting currency.
        row_format: the form that rows are written in.
        hour_days: of how many days since a user's first event the active hours are kept.
        orders: whether orders are kept.
        actor: the field with the id that is counted.
    """
    filters = filters_of(definitions)
    # What the versions before did not have is named only where it is there: without it, state is as theirs.
    usual = [(d.returns, ()) for d in definitions]
    added: dict[str, object] = {}
    if [(f.event, f.where) for f in filters] != usual:
        added["filters"] = [[f.event, f.where] for f in filters]
    if hour_days:
        added["hour_days"] = hour_days
        if calendar.hour_slack:  # rows then have room for an hour more, which new rules of the zone may change
            added["hour_slack"] = calendar.hour_slack
    if orders:
        added["orders"] = orders
    if actor != ACTOR:
        added["actor"] = actor
    return orjson.dumps(
        {
            "format": row_format,
            "horizon": {grain.value: HORIZON[grain] for grain in KEPT} | {"ring": RING_DAYS},
            "definitions": [[d.name, d.start, d.returns, d.inactivity_days, *_more(d)] for d in definitions],
            "timezone": calendar.timezone,
            "week_start": calendar.week_start,
            "dimensions": list(dimensions),
            "currency": currency,
        }
        | added
    ).decode()


def _more(definition: Definition) -> list[dict[str, object]]:
    """What a definition has beyond events and window."""
    more: dict[str, object] = {}
    if definition.start_where:
        more["start_where"] = definition.start_where
    if definition.return_where:
        more["return_where"] = definition.return_where
    if definition.min_active > 1:
        more["min_active"] = definition.min_active
    return [more] if more else []


def row_format(stored: str) -> int:
    """The form of the rows of state with this fingerprint; the present one where it does not say."""
    try:
        return int(orjson.loads(stored)["format"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return ROW_FORMAT


def of_figures(stored: str) -> str:
    """The fingerprint of the figures that state gives: the form of its rows does not change them.

    Format 1 stands for every form, because the first version wrote it: during a rolling upgrade each shows the
    other's figures.

    >>> of_figures('{"format":2,"timezone":"UTC"}')
    '{"format":1,"timezone":"UTC"}'
    """
    try:
        return orjson.dumps(orjson.loads(stored) | {"format": 1}).decode()
    except (orjson.JSONDecodeError, TypeError):
        return stored


def differences(stored: str, now: str) -> str:
    """What differs between two fingerprints, in words; what cannot be read differs as a whole.

    >>> differences('{"timezone":"UTC","currency":"USD"}', '{"timezone":"Asia/Tokyo","currency":"USD"}')
    'timezone was "UTC" and is "Asia/Tokyo"'
    """
    try:
        before, after = orjson.loads(stored), orjson.loads(now)
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return f"it was {stored!r} and is {now!r}"
    return ", ".join(f"{n} was {_text(before.get(n))} and is {_text(after.get(n))}" for n in names)


def _text(value: object) -> str:
    return orjson.dumps(value).decode()
