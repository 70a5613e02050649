"""What every store of snapshots has in common: its error, and what a reader of one can rely on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from stream_app.domain.alerts.history import OF_ALERTS, Kind, kind_of
from stream_app.domain.errors import StreamAppError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.metrics import Snapshot

    Row = dict[str, Any]


class StoreUnavailable(StreamAppError):  # noqa: N818  a state, not a mistake: it passes
    """The store does not answer. Counting goes on; what is owed is written when it is back.

    Operator action: start the store or correct its address; nothing is lost meanwhile.
    """


@dataclass(frozen=True)
class Alerts:
    """The alerts as they were published last, JSON-ready.

    Attributes:
        now: those that fire, are pending, or cannot be judged; see `domain.alerts.shown`.
        silences: those that are known, in force or not, as `Silence.to_json` gives them.
        latest: what happened last, latest first: rows as in `domain.alerts.history`.
    """

    now: list[Row] = field(default_factory=list)
    silences: list[Row] = field(default_factory=list)
    latest: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """Which rows of the history are asked for; None: whatever.

    Attributes:
        rule: the rule's name; what people did about every rule is about this one, too.
        segment: dimensions and values that the segment must have; empty: whatever it is. What people did about all
            segments is about this one, too.
        state: the new state; only changes of state have one.
        begin, end: instants (ms) of the judgement, or of the command: from, and before.
        kind: what the row tells.
    """

    rule: str | None = None
    segment: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    begin: int | None = None
    end: int | None = None
    kind: Kind | None = None

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row is asked for, apart from its time."""
        kind, rule, segment = kind_of(row), row["rule"], row["segment"]
        if self.kind not in (None, kind) or self.state not in (None, row["state"] if kind == Kind.CHANGE else None):
            return False
        if kind in OF_ALERTS:
            return self.rule in (None, rule) and self.segment.items() <= segment.items()
        about = rule is None or self.rule in (None, rule)
        return about and all(segment.get(name, value) == value for name, value in self.segment.items())


class SnapshotReader(Protocol):
    """Gives the latest figures to whoever shows them.

    A reader keeps what it decoded: as long as nothing was published, `snapshot` returns the same object.
    """

    async def snapshot(self) -> Snapshot | None:
        """The latest snapshot, None if none was published.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    async def alerts(self) -> Alerts:
        """The alerts as they were published last.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    async def history(self, wanted: Wanted, last: int) -> list[Row]:
        """The latest so many rows of the history that are asked for, latest first.

        Raises:
            StoreUnavailable: the store does not answer.
        """
