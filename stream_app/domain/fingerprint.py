"""The fingerprint of a configuration: everything that the meaning of stored rows and counters depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stream_app.domain.periods import HORIZON, KEPT
from stream_app.domain.rows import RING_DAYS, ROW_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar


def fingerprint(
    definitions: Sequence[Definition],
    calendar: Calendar,
    dimensions: Sequence[str],
    currency: str,
    row_format: int = ROW_FORMAT,
) -> str:
    """A text that differs where state counted under one configuration has another meaning under the other.

    It is readable JSON, so that a message can show both, and `domain.migration` can tell what lies between them.

    Args:
        definitions: the retention definitions.
        calendar: the business time zone and week start.
        dimensions: names within `segment`.
        currency: the reporting currency.
        row_format: the form that rows are written in.
    """
    return orjson.dumps(
        {
            "format": row_format,
            "horizon": {grain.value: HORIZON[grain] for grain in KEPT} | {"ring": RING_DAYS},
            "definitions": [[d.name, d.start, d.returns, d.inactivity_days] for d in definitions],
            "timezone": calendar.timezone,
            "week_start": calendar.week_start,
            "dimensions": list(dimensions),
            "currency": currency,
        }
    ).decode()


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
