"""What is remembered of a rule's messages: what was told, what waits and why, ready for JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import Change, Health, Reason, State, alert_key
from stream_app.domain.alerts.notice import Curve, Standing

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a key of `Group.members` and `Group.waiting` ends in, where it is about the health of an alert, not its state.
HEALTH = " health"
#: The reasons of changes that are of an alert's health alone: its state is what it was.
OF_HEALTH = (Reason.NO_DATA, Reason.DATA_BACK, Reason.ERROR)


class Hold(StrEnum):
    """Why a change is not told now; of one that never will be, why that is."""

    SILENCED = "silenced"
    HOURS = "hours"  # outside the hours of its rule
    CAP = "cap"  # its rule has sent as many messages as it may
    RULE_GONE = "rule_gone"  # its rule is not in the file any more; what withdraws it has not come yet
    UNOPENED = "unopened"  # it ends nothing that was told, or that has not been ended


@dataclass(frozen=True)
class Group:
    """The messages of one rule: at most one thread is open.

    Keys are those of alerts; what is told of an alert's health (no data, error) has a key of its own, with `HEALTH`.

    Attributes:
        root: id of the notice that opened the thread; None while nothing that was told of lasts.
        members: what was told last, by key; those that have recovered stay until the thread is closed.
        waiting: what is to be told once it may, by key: of each the latest change, and what holds it.
        sent: instants (ms) of the latest messages: those that count for the cap, and the last one of an open thread.
        to: targets that were told in this thread.
        seen: who has acknowledged what still waits, by key, as in `Standing`.
        curves: of the worst alert that was told, and of the worst that waits, by key of the alert.
        edits: how often the first message was brought up to date without another one.
        marks: a digest of the acknowledgements and silences that it shows.
        labels: those of the rule; of one that is gone, what they were.
    """

    root: str | None = None
    members: Mapping[str, Standing] = field(default_factory=dict)
    waiting: Mapping[str, tuple[Change, Hold]] = field(default_factory=dict)
    sent: tuple[int, ...] = ()
    to: tuple[str, ...] = ()
    seen: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    edits: int = 0
    marks: str = ""
    labels: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        return {
            "root": self.root,
            "members": {key: one.to_json() for key, one in self.members.items()},
            "waiting": {key: [change.to_json(), hold.value] for key, (change, hold) in self.waiting.items()},
            "sent": list(self.sent),
            "to": list(self.to),
            "seen": {key: dict(who) for key, who in self.seen.items()},
            "curves": {key: curve.to_json() for key, curve in self.curves.items()},
            "edits": self.edits,
            "marks": self.marks,
            "labels": dict(self.labels),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Group:
        """As it was stored."""
        return cls(
            root=data["root"],
            members={key: Standing.from_json(one) for key, one in data["members"].items()},
            waiting={key: (Change.from_json(one), Hold(hold)) for key, (one, hold) in data["waiting"].items()},
            sent=tuple(data["sent"]),
            to=tuple(data["to"]),
            seen=dict(data["seen"]),
            curves={key: Curve.from_json(curve) for key, curve in data["curves"].items()},
            edits=data["edits"],
            marks=data["marks"],
            labels=tuple(data.get("labels", {}).items()),  # version 0.5 and before kept none
        )


def bad(change: Change) -> bool:
    """Whether it begins something: the alert fires, or cannot be judged. Else it ends it."""
    return change.health is not Health.OK if change.reason in OF_HEALTH else change.state is State.FIRING


def keys(change: Change) -> tuple[str, ...]:
    """What it is about: an alert's health alone, or its state and with it its health.

    Who fires, has recovered or is withdrawn is judged again: that ends what was said of its health.
    """
    key = alert_key(change.rule, change.segment)
    return (key + HEALTH,) if change.reason in OF_HEALTH else (key, key + HEALTH)


def worst_first(change: Change) -> tuple[Any, ...]:
    """A key to sort by: what fires, what cannot be judged, what has recovered; in it revenue, then users at risk."""
    place = (0 if change.state is State.FIRING else 1) if bad(change) else 2
    return (
        place, -(change.revenue_at_risk or 0), -(change.users_at_risk or 0), sorted(change.segment.items()), change.id
    )  # fmt: skip
