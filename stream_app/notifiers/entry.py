"""One notification and where it stands, ready to be stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Change, Notice, NoticeKind, Standing
from stream_app.notifiers.base import Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping


class Status(StrEnum):
    """Where an entry stands."""

    OWED = "owed"
    POSTING = "posting"
    SENT = "sent"
    REJECTED = "rejected"


OPEN = (Status.OWED, Status.POSTING)


@dataclass(frozen=True)
class Entry:
    """One notification: a notice to one target. Times are seconds since the epoch.

    Attributes:
        id: the notice's id.
        target: where it goes.
        number: position in the order of all entries.
        notice: what to tell; None once it is settled.
        root: id of the notice whose message this one belongs under.
        status: where it stands.
        added_at: when it became owed.
        attempts: posts begun.
        not_before: when it may next be acted on.
        first_try: when the first post began.
        settled_at: when it was sent or rejected.
        receipt: where it went.
        note: what was last said about it.
    """

    id: str
    target: str
    number: int
    notice: Notice | None
    added_at: float
    root: str | None = None
    status: Status = Status.OWED
    attempts: int = 0
    not_before: float = 0.0
    first_try: float | None = None
    settled_at: float | None = None
    receipt: Receipt | None = None
    note: str | None = None

    @property
    def key(self) -> str:
        """Identity: a notice is told to a target once."""
        return f"{self.id} {self.target}"

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "status": self.status.value,
            "notice": None if self.notice is None else self.notice.to_json(),
            "receipt": None if self.receipt is None else [self.receipt.channel, self.receipt.ts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The entry as it was stored; keys of later versions are ignored, those of earlier ones understood."""
        if "root" not in data:  # version 0.5 and before: one change a message
            change = data.get("change")
            data = {**data, "root": data["began"], "notice": change and _of(Change.from_json(change)).to_json()}
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        notice, receipt = data.get("notice"), data.get("receipt")
        return cls(
            **known
            | {
                "status": Status(data["status"]),
                "notice": None if notice is None else Notice.from_json(notice),
                "receipt": None if receipt is None else Receipt(*receipt),
            }
        )


def _of(change: Change) -> Notice:
    """The notice that a single change was before there were groups."""
    kind = NoticeKind.OPENED if change.ends is None else NoticeKind.CLOSED
    return Notice(change.id, change.rule, kind, change.at, (change,), (Standing(change),), change.ends, change.to)
