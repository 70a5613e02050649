"""Alerts and silences as the API gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import Health, State
from stream_app.domain.alerts.command import Silence
from stream_app.domain.alerts.rule import STREAM_ALERTS
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ORDER = (State.FIRING, State.PENDING)


def silences_of(rows: Iterable[Mapping[str, Any]]) -> list[Silence]:
    """Published silences, those that end first first."""
    return sorted(map(Silence.from_json, rows), key=lambda silence: (silence.ends, silence.command.id))


def silence_row(silence: Silence, now: int) -> dict[str, Any]:
    """A silence as it is shown at an instant (ms)."""
    command = silence.command
    return {
        "id": command.id,
        "state": "active" if silence.holds(now) else "pending" if now < silence.begins else "expired",
        "rule": command.rule,
        "segment": dict(command.segment or {}),
        "begins": rfc3339(silence.begins),
        "ends": rfc3339(silence.ends),
        "author": command.author,
        "reason": command.reason,
        "at": rfc3339(command.at),
    }


def with_silence(row: Mapping[str, Any], holding: Iterable[Silence]) -> dict[str, Any]:
    """An alert with the silence that holds it the longest."""
    covering = [one for one in holding if one.command.covers(row["rule"], row["segment"])]
    longest = max(covering, key=lambda silence: silence.ends, default=None)
    if longest is None:
        return {**row, "silenced": None}
    command = longest.command
    said = {"id": command.id, "author": command.author, "reason": command.reason, "ends": rfc3339(longest.ends)}
    return {**row, "silenced": said}


def lasting(row: Mapping[str, Any]) -> bool:
    """Whether there is something to acknowledge: the alert fires, or cannot be judged."""
    return row.get("state") == State.FIRING or row.get("health", Health.OK) != Health.OK


def worst_first(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Firing ones by revenue and users at risk, then pending ones, then those that only cannot be judged.

    Those of the stream itself come before all others that fire: what it lacks shows in their figures.
    """
    state = row.get("state")
    place = _ORDER.index(State(state)) if state in _ORDER else len(_ORDER)
    risk = [-(row.get(name) or 0) for name in ("revenue_at_risk", "users_at_risk")]
    return (place, row["rule"] not in STREAM_ALERTS, *risk, row["rule"], sorted(row["segment"].items()))
