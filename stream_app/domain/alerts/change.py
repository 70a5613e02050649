"""What is said and remembered of an alert: its changes and its state, both ready for JSON."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts.sequential import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """What an alert is in. Resolved is inactive after a firing: it lasts until the next breach."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RESOLVED = "resolved"


class Health(StrEnum):
    """Whether an alert can be judged at all, apart from its state, which stays what it was."""

    OK = "ok"
    NO_DATA = "no_data"
    ERROR = "error"


class Reason(StrEnum):
    """Why a step ended as it did."""

    NOT_JUDGED = "not_judged"
    BELOW = "below"  # on the bad side of its bound, with side above too
    STILL_BELOW = "still_below"
    NOT_LONG_ENOUGH = "not_long_enough"
    NOT_BELOW = "not_below"
    NOT_YET_RECOVERED = "not_yet_recovered"
    RECOVERED = "recovered"
    GROUP_TOO_SMALL = "group_too_small"
    LEARNING = "learning"  # too little history for a baseline or the overdispersion
    NOT_ENOUGH_EVIDENCE = "not_enough_evidence"
    FLAPPING = "flapping"  # good again, but it has changed too often to say so
    STREAM_OUTAGE = "stream_outage"  # the stream was not whole in the judged period
    NO_DATA = "no_data"
    DATA_BACK = "data_back"
    ERROR = "error"
    RULE_CHANGED = "rule_changed"
    RULE_REMOVED = "rule_removed"


@dataclass(frozen=True)
class Change:
    """An alert's change of state or health: one line of the `alerts` topic.

    Attributes:
        id: deterministic; judging the same cell again gives the same id.
        rule: the rule's name.
        segment: dimension -> value, empty for all users.
        state: the new state.
        at: the instant (RFC 3339) the judged cell closed.
        definition: name of the retention definition; empty for the stream's own alerts.
        grain: of the periods.
        index: the period index; 0 for figures of periods.
        cohort: local date the judged cohort's period, or the judged period, begins on.
        value: the figure; None without data.
        threshold: what it was compared with: the bound, `resolve` for a resolved alert, or what a baseline allows.
        group: the denominator, users of the cohort.
        count: how many of them are in the numerator; None for a value figure.
        reason: why.
        began: local date of the estimated start of the drop: of the run of breaches, or by the sequential test.
        ends: id of the change to firing that this one ends; None for others.
        to: targets of the rule; empty for what only the topic gets (pending, and inactive after it).
        figure: its name.
        measure: which figure of it.
        side: `below` or `above`.
        health: whether it can be judged.
        test: `threshold` or `sequential`.
        baseline: what a relative rule's figure is compared with; None for others.
        evidence: the e-value of a sequential test, 1 / alpha or more at a firing (as log10); None for others.
        promise: the budget of false alarms as it was written; None without one.
        low, high: the figure's 95 % interval (Wilson); None for a value figure.
        users_at_risk: users that are missing to the threshold in the cohorts since the drop began; None: not a share.
        revenue_at_risk: what such users bring, in minor units; None where it is not known.
        currency: of that.
        flapping: it changes too often: it stays firing until it is calm.
        cohorts: how many judged cells the drop has lasted for; of a change to no data, how many closed without any.
        note: what is wrong, with health error.
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
    value: float | None
    threshold: float | None
    group: int
    count: int | None
    reason: Reason
    began: str | None
    ends: str | None = None
    to: tuple[str, ...] = ()
    figure: str = "retention"
    measure: str = "rate"
    side: str = "below"
    health: Health = Health.OK
    test: str = "threshold"
    baseline: float | None = None
    evidence: float | None = None
    promise: str | None = None
    low: float | None = None
    high: float | None = None
    users_at_risk: int | None = None
    revenue_at_risk: int | None = None
    currency: str | None = None
    flapping: bool = False
    cohorts: int = 1
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        plain |= {"segment": dict(self.segment), "to": list(self.to)}
        return plain | {"state": self.state.value, "reason": self.reason.value, "health": self.health.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Change:
        """The change of a line; keys of later versions are ignored, those of earlier ones understood."""
        if "ends" not in data:  # version 0.5 and before: `began` was the id of the firing, `since` the start
            data = {**data, "ends": data["began"], "began": data["since"], "count": data["retained"]}
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known |= {"state": State(data["state"]), "reason": Reason(data["reason"]), "to": tuple(data["to"])}
        return cls(**known | {"health": Health(data.get("health", "ok"))})


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
        value: the latest cell's figure; None where it was skipped.
        group: the latest cell's denominator.
        threshold: what it was compared with.
        streak: judged breaches in a row.
        since: start of the first cohort of the streak, kept while firing.
        fired: the change to firing that has not been resolved.
        generation: how often the rule was changed; part of the ids, so that an alert can be told of again.
        health: whether it can be judged.
        missing: closed periods in a row without a group large enough.
        note: what is wrong, with health error.
        evidence: of a sequential test.
        good: judged cells in a row, while firing, that were good again.
        flips: how many judged cells ago the alert fired, latest first, for flap detection.
        shortfall: users that are missing to the threshold since the drop began.
        cohorts: judged cells since the drop began.
        trouble: the change that told of no data or an error, until it is over.
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
    threshold: float | None = None
    streak: int = 0
    since: str | None = None
    fired: Change | None = field(default=None)
    generation: int = 0
    health: Health = Health.OK
    missing: int = 0
    note: str | None = None
    evidence: Evidence | None = None
    good: int = 0
    flips: tuple[int, ...] = ()
    shortfall: float = 0.0
    cohorts: int = 0
    trouble: Change | None = None

    @property
    def key(self) -> str:
        """Identity of the alert."""
        return alert_key(self.rule, self.segment)

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "segment": dict(self.segment),
            "state": self.state.value,
            "reason": self.reason.value,
            "health": self.health.value,
            "fired": None if self.fired is None else self.fired.to_json(),
            "trouble": None if self.trouble is None else self.trouble.to_json(),
            "evidence": None if self.evidence is None else self.evidence.to_json(),
            "flips": list(self.flips),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AlertState:
        """The state as it was stored; keys of later versions are ignored, those that are missing have their default."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        fired, evidence, trouble = data.get("fired"), data.get("evidence"), data.get("trouble")
        return cls(
            **known
            | {
                "state": State(data["state"]),
                "reason": Reason(data["reason"]),
                "health": Health(data.get("health", "ok")),
                "fired": None if fired is None else Change.from_json(fired),
                "trouble": None if trouble is None else Change.from_json(trouble),
                "evidence": None if evidence is None else Evidence.from_json(evidence),
                "flips": tuple(data.get("flips", ())),
            }
        )


def id_of(*parts: object) -> str:
    """An id that follows from its parts, which are ready for JSON: 128 bits, as hexadecimal digits."""
    return hashlib.sha256(orjson.dumps(parts)).hexdigest()[:32]


def alert_key(rule: str, segment: Mapping[str, str]) -> str:
    """The identity of an alert, rule and segment, as text."""
    return orjson.dumps([rule, *sorted(segment.items())]).decode()
