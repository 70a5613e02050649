"""What is said and remembered of an alert: its changes and its state, both ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """What an alert is in. Resolved is inactive after a firing: it lasts until the next breach."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Reason(StrEnum):
    """Why a step ended as it did."""

    NOT_JUDGED = "not_judged"
    BELOW = "below"
    STILL_BELOW = "still_below"
    NOT_LONG_ENOUGH = "not_long_enough"
    NOT_BELOW = "not_below"
    NOT_YET_RECOVERED = "not_yet_recovered"
    RECOVERED = "recovered"
    GROUP_TOO_SMALL = "group_too_small"
    RULE_CHANGED = "rule_changed"
    RULE_REMOVED = "rule_removed"


@dataclass(frozen=True)
class Change:
    """An alert's change of state: one line of the `alerts` topic and, where `to` names targets, a notification each.

    Attributes:
        id: deterministic; judging the same cell again gives the same id.
        rule: the rule's name.
        segment: dimension -> value, empty for all users.
        state: the new state.
        at: the instant (RFC 3339) the judged cell closed.
        definition: name of the retention definition.
        grain: `day`, `week` or `month`.
        index: the period index.
        cohort: local date the judged cohort's period begins on.
        value: the retained share, `retained / group`.
        threshold: what the value was compared with: `below`, or `resolve` for a resolved alert.
        group: users of the cohort.
        retained: how many of them came back.
        reason: why.
        since: the first cohort of the run of breaches, its start.
        began: id of the change to firing that this one ends; None for others.
        to: targets to notify; empty for what only the topic gets (pending, and inactive after it).
    """

    id: str
    rule: str
    segment: Mapping[str, str]
    state: State
    at: str
    definition: str
    grain: str
    index: int
    cohort: str
    value: float
    threshold: float
    group: int
    retained: int
    reason: Reason
    since: str
    began: str | None = None
    to: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        return {
            "id": self.id,
            "rule": self.rule,
            "segment": dict(self.segment),
            "state": self.state.value,
            "at": self.at,
            "definition": self.definition,
            "grain": self.grain,
            "index": self.index,
            "cohort": self.cohort,
            "value": self.value,
            "threshold": self.threshold,
            "group": self.group,
            "retained": self.retained,
            "reason": self.reason.value,
            "since": self.since,
            "began": self.began,
            "to": list(self.to),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        """The change of a line; keys of later versions are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known |= {"state": State(data["state"]), "reason": Reason(data["reason"]), "to": tuple(data["to"])}
        return cls(**known)


@dataclass(frozen=True)
class AlertState:
    """What is remembered of one rule and segment.

    Attributes:
        rule: the rule's name.
        segment: dimension -> value, empty for all users.
        fingerprint: of the rule that judged; another one starts the alert anew.
        state: the state.
        judged: ordinal of the latest cohort that was judged or skipped, None before the first.
        cohort: its start, a local date.
        at: the instant (ms) its cell closed.
        reason: of the latest step.
        value: the latest cell's retained share; None where it was skipped.
        group: the latest cell's users.
        streak: judged breaches in a row.
        since: start of the first cohort of the streak, kept while firing.
        fired: the change to firing that has not been resolved.
        generation: how often the rule was changed; part of the ids, so that an alert can be told of again.
    """

    rule: str
    segment: Mapping[str, str]
    fingerprint: str
    state: State = State.INACTIVE
    judged: int | None = None
    cohort: str | None = None
    at: int | None = None
    reason: Reason = Reason.NOT_JUDGED
    value: float | None = None
    group: int = 0
    streak: int = 0
    since: str | None = None
    fired: Change | None = field(default=None)
    generation: int = 0

    @property
    def key(self) -> str:
        """Identity of the alert."""
        return alert_key(self.rule, self.segment)

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        fired = None if self.fired is None else self.fired.to_json()
        return plain | {
            "segment": dict(self.segment),
            "state": self.state.value,
            "reason": self.reason.value,
            "fired": fired,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AlertState:
        """The state as it was stored; keys of later versions are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fired = None if data.get("fired") is None else Change.from_json(data["fired"])
        return cls(**known | {"state": State(data["state"]), "reason": Reason(data["reason"]), "fired": fired})


def alert_key(rule: str, segment: Mapping[str, str]) -> str:
    """The identity of an alert, rule and segment, as text."""
    return orjson.dumps([rule, *sorted(segment.items())]).decode()
