"""How the alerts of an open thread stand: which last, who has seen them, what silences them, and which is the worst."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts.change import alert_key
from stream_app.domain.alerts.group import HEALTH, bad, worst_first
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stream_app.domain.alerts.change import Change
    from stream_app.domain.alerts.command import Silence
    from stream_app.domain.alerts.notice import Curve, Standing

    Members = Mapping[str, Standing]


def silencing(change: Change, silences: Iterable[Silence]) -> Mapping[str, Any] | None:
    """Which of the silences in force holds an alert, as in `Standing`; of several the one that lasts longest."""
    holding = [one for one in silences if one.command.covers(change.rule, change.segment)]
    if not holding:
        return None
    longest = max(holding, key=lambda one: (one.ends, one.command.id))
    command = longest.command
    return {"id": command.id, "author": command.author, "reason": command.reason, "ends": rfc3339(longest.ends)}


def marked(members: Members, silences: Sequence[Silence], now: int) -> dict[str, Standing]:
    """Members with the silences in force that hold those that last, and the acknowledgements that have not run out."""
    return {
        key: replace(
            one,
            acknowledged=None if run_out(one.acknowledged, now) else one.acknowledged,
            silenced=silencing(one.change, silences) if bad(one.change) else None,
        )
        for key, one in members.items()
    }


def ends(acknowledged: Mapping[str, Any]) -> int | None:
    """When an acknowledgement, as in `Standing`, ends (ms); None: with the firing, as those of version 0.5 do."""
    at = acknowledged.get("ends")
    return None if at is None else round(dt.datetime.fromisoformat(at).timestamp() * 1000)


def run_out(acknowledged: Mapping[str, Any] | None, now: int) -> bool:
    """Whether there was an acknowledgement and its time is over."""
    end = None if acknowledged is None else ends(acknowledged)
    return end is not None and end <= now


def digest(members: Members) -> str:
    """Of the acknowledgements and silences of what lasts; empty where there are none."""
    shown = [
        [key, one.acknowledged, one.silenced]
        for key, one in sorted(members.items())
        if bad(one.change) and (one.acknowledged is not None or one.silenced is not None)
    ]
    return hashlib.sha256(orjson.dumps(shown, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16] if shown else ""


def view(members: Members) -> tuple[Standing, ...]:
    """One line an alert, worst first. Of one that fires and has no data either, the line of its firing says so."""
    lines: dict[str, Standing] = {}
    for key, one in members.items():
        alert = key.removesuffix(HEALTH)
        state, health = members.get(alert), members.get(alert + HEALTH)
        if state is None or health is None:
            lines[alert] = one
        elif bad(state.change) and bad(health.change):
            lines[alert] = replace(state, change=replace(state.change, health=health.change.health))
        else:
            lines[alert] = health if bad(health.change) else state
    return tuple(sorted(lines.values(), key=lambda one: worst_first(one.change)))


def pictured(changes: Iterable[Change], curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curve of the worst of these changes that has one, by key of its alert; empty where none has."""
    for change in sorted(changes, key=worst_first):
        key = alert_key(change.rule, change.segment)
        if key in curves:
            return {key: curves[key]}
    return {}
