"""One notification and where it stands, ready to be stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Change
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
    """One notification: a change to one target. Times are seconds since the epoch.

    Attributes:
        id: the change's id.
        target: where it goes.
        number: position in the order of all entries.
        change: what to tell; None once it is settled.
        began: id of the change whose message this one belongs under.
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
    change: Change | None
    added_at: float
    began: str | None = None
    status: Status = Status.OWED
    attempts: int = 0
    not_before: float = 0.0
    first_try: float | None = None
    settled_at: float | None = None
    receipt: Receipt | None = None
    note: str | None = None

    @property
    def key(self) -> str:
        """Identity: a change is told to a target once."""
        return f"{self.id} {self.target}"

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return plain | {
            "status": self.status.value,
            "change": None if self.change is None else self.change.to_json(),
            "receipt": None if self.receipt is None else [self.receipt.channel, self.receipt.ts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """The entry as it was stored; keys of later versions are ignored."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        change, receipt = data.get("change"), data.get("receipt")
        return cls(
            **known
            | {
                "status": Status(data["status"]),
                "change": None if change is None else Change.from_json(change),
                "receipt": None if receipt is None else Receipt(*receipt),
            }
        )
