"""The fingerprint of a configuration: everything that the meaning of stored rows and counters depends on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from stream_app.domain.periods import HORIZON
from stream_app.domain.rows import RING_DAYS, ROW_FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar


def fingerprint(definitions: Sequence[Definition], calendar: Calendar, dimensions: Sequence[str], currency: str) -> str:
    """A text that differs where state counted under one configuration has another meaning under the other.

    It is readable JSON, so that a message can show both.
    """
    return orjson.dumps(
        {
            "format": ROW_FORMAT,
            "horizon": {grain.value: periods for grain, periods in HORIZON.items()} | {"ring": RING_DAYS},
            "definitions": [[d.name, d.start, d.returns, d.inactivity_days] for d in definitions],
            "timezone": calendar.timezone,
            "week_start": calendar.week_start,
            "dimensions": list(dimensions),
            "currency": currency,
        }
    ).decode()


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
