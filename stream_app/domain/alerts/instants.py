"""Changes by the instants at which they happened."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import alert_key
from stream_app.domain.alerts.group import keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_app.domain.alerts.change import Change


def instant(change: Change) -> float:
    """When it happened, in seconds since the epoch."""
    return dt.datetime.fromisoformat(change.at).timestamp()


def batches(changes: Iterable[Change]) -> list[list[Change]]:
    """Changes of one instant together, in the order of the instants; those of one alert keep their order.

    Where an alert is told of twice at one instant, such as withdrawn and firing as its rule was changed, the second
    time is in a batch of its own with all others that are.
    """
    found: dict[tuple[float, int], list[Change]] = {}
    latest: dict[str, float] = {}
    layers: dict[tuple[str, float], int] = {}
    for change in changes:
        alert = alert_key(change.rule, change.segment)
        # A changed rule goes back to earlier cells: what it finds there comes after what it had said before.
        at = latest[alert] = max(latest.get(alert, 0.0), instant(change))
        layer = max(layers.get((key, at), 0) for key in keys(change))
        layers |= {(key, at): layer + 1 for key in keys(change)}
        found.setdefault((at, layer), []).append(change)
    return [found[place] for place in sorted(found)]
