"""A notification: one message of one rule, on one or many segments; and the standing of the rule's alerts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import Change

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoticeKind(StrEnum):
    """What a notice is for."""

    OPENED = "opened"  # a group begins to fire: a message of its own
    CHANGED = "changed"  # more segments fire, or some have recovered, while others still fire: a reply
    CLOSED = "closed"  # the last one has recovered: a reply
    REPEATED = "repeated"  # nothing new, but it still fires: a reply
    EDITED = "edited"  # acknowledged, silenced: the message shows it, nobody is told


@dataclass(frozen=True)
class Standing:
    """One alert of a group as it is now.

    Attributes:
        change: the change that was told of last.
        acknowledged: who has seen it and why, `{"author", "reason", "at", "ends"}`; None. With `ends` null, or without,
            it ends with the firing.
        silenced: the silence that holds it, `{"id", "author", "reason", "ends"}`; None.
    """

    change: Change
    acknowledged: Mapping[str, Any] | None = None
    silenced: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"change": self.change.to_json(), "acknowledged": self.acknowledged, "silenced": self.silenced}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Standing:
        """As it was stored."""
        return cls(Change.from_json(data["change"]), data.get("acknowledged"), data.get("silenced"))


@dataclass(frozen=True)
class Curve:
    """The judged figure over the latest cohorts of one alert, for a picture.

    Attributes:
        segment: whose.
        points: `[start, value, group]` each, oldest first, at most 60.
        threshold: the bound at the last point.
        began: start of the drop; None.
    """

    segment: Mapping[str, str]
    points: tuple[tuple[str, float, int], ...]
    threshold: float | None
    began: str | None

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON."""
        points = [list(point) for point in self.points]
        return {"segment": dict(self.segment), "points": points, "threshold": self.threshold, "began": self.began}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """As it was stored."""
        return cls(data["segment"], tuple((p[0], p[1], p[2]) for p in data["points"]), data["threshold"], data["began"])


@dataclass(frozen=True)
class Notice:
    """One message to every target of a rule.

    Attributes:
        id: deterministic: of a single change the change's own, else of all it tells.
        rule: the rule's name.
        kind: what it is for.
        at: when what it tells happened (RFC 3339): the closing of the judged cells, or of a repetition the wall clock.
        changes: what it tells, worst first: most revenue at risk, then most users. Empty if repeated or edited.
        standing: all alerts of the group as they are then, worst first; those that recovered are in it until it closes.
        root: id of the notice it belongs under; None for one that opens a group.
        to: targets.
        curve: of the worst alert; None.
        labels: of the rule.
        note: of the rule.
        promise: of the rule, as it was written.
        over: what had been told of the health of alerts, and ends since they fire, have recovered or are withdrawn.
    """

    id: str
    rule: str
    kind: NoticeKind
    at: str
    changes: tuple[Change, ...]
    standing: tuple[Standing, ...] = ()
    root: str | None = None
    to: tuple[str, ...] = ()
    curve: Curve | None = None
    labels: tuple[tuple[str, str], ...] = ()
    note: str | None = None
    promise: str | None = None
    over: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "kind": self.kind.value,
            "changes": [change.to_json() for change in self.changes],
            "standing": [one.to_json() for one in self.standing],
            "to": list(self.to),
            "curve": None if self.curve is None else self.curve.to_json(),
            "labels": dict(self.labels),
            "over": [change.to_json() for change in self.over],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Notice:
        """The notice as it was stored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        curve = data.get("curve")
        return cls(
            **known
            | {
                "kind": NoticeKind(data["kind"]),
                "changes": tuple(Change.from_json(change) for change in data["changes"]),
                "standing": tuple(Standing.from_json(one) for one in data["standing"]),
                "to": tuple(data["to"]),
                "curve": None if curve is None else Curve.from_json(curve),
                "labels": tuple(dict(data["labels"]).items()),
                "over": tuple(Change.from_json(change) for change in data.get("over", ())),
            }
        )

    @property
    def now(self) -> tuple[Standing, ...]:
        """The alerts that still fire."""
        return tuple(one for one in self.standing if one.change.state == "firing")
