"""Rows of the history: changes of alerts, and what people did about them.

A row of a change is its line of the alerts topic, as it has always been stored: it does not say what kind it is of.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import id_of
from stream_app.domain.alerts.command import Action
from stream_app.domain.alerts.group import OF_HEALTH
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.alerts.command import Command


class Kind(StrEnum):
    """What a row of the history tells."""

    CHANGE = "change"  # an alert's state changed
    HEALTH = "health"  # an alert cannot be judged, or can again; its state is what it was
    SILENCE = "silence"  # somebody began a silence, or ended one
    ACKNOWLEDGEMENT = "acknowledgement"  # somebody said that they have seen what fires


#: The kinds that are of alerts, and not of what people did.
OF_ALERTS = (Kind.CHANGE, Kind.HEALTH)


def kind_of(row: Mapping[str, Any]) -> str:
    """What a row tells: a `Kind`, or what a later version calls it.

    >>> kind_of({"state": "firing", "reason": "no_data"}), kind_of({"state": "firing", "reason": "below"})
    ('health', 'change')
    """
    if "kind" in row:
        return str(row["kind"])
    return (Kind.HEALTH if row.get("reason") in OF_HEALTH else Kind.CHANGE).value


def with_kind(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as the API gives it: it says its kind."""
    return {"kind": kind_of(row), **row}


def row_of(
    command: Command,
    *,
    rule: str | None,
    segment: Mapping[str, str],
    begins: int | None = None,
    ends: int | None = None,
    changes: Sequence[str] = (),
) -> dict[str, Any]:
    """The row of a command that did something, JSON-ready.

    Its id follows from the command: that of a silence or its end is the command's own. Who asks twice to acknowledge,
    as it was not known whether it was heard, may do so before and after something else fires: these are two rows.

    Args:
        command: what was asked for.
        rule: whose alerts it is about; None: of every rule.
        segment: dimensions and values that these have; empty: whatever their segment.
        begins: of a silence, when it began, or is to (ms).
        ends: when the silence or the acknowledgement ends, or was ended (ms); None: with the firing.
        changes: of an acknowledgement, the ids of the changes that were seen.
    """
    silence = {Action.SILENCE: command.id, Action.UNSILENCE: command.silence}.get(command.action)
    return {
        "kind": (Kind.ACKNOWLEDGEMENT if silence is None else Kind.SILENCE).value,
        "id": id_of(command.id, *changes) if changes else command.id,
        "command": command.id,
        "action": command.action.value,
        "at": rfc3339(command.at),
        "author": command.author,
        "reason": command.reason,
        "rule": rule,
        "segment": dict(segment),
        "begins": None if begins is None else rfc3339(begins),
        "ends": None if ends is None else rfc3339(ends),
        "silence": silence,
        "changes": list(changes),
        "state": None,  # for readers that know of no kinds: it is no firing
    }
