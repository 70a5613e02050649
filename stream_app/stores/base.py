"""What every store of snapshots has in common: its error, and what a reader of one can rely on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stream_app.domain.errors import StreamAppError

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot


class StoreUnavailable(StreamAppError):  # noqa: N818  a state, not a mistake: it passes
    """The store does not answer. Counting goes on; what is owed is written when it is back.

    Operator action: start the store or correct its address; nothing is lost meanwhile.
    """


class SnapshotReader(Protocol):
    """Gives the latest figures to whoever shows them.

    A reader keeps what it decoded: as long as nothing was published, `snapshot` returns the same object.
    """

    async def snapshot(self) -> Snapshot | None:
        """The latest snapshot, None if none was published.

        Raises:
            StoreUnavailable: the store does not answer.
        """

    async def alerts(self) -> list[dict[str, Any]]:
        """Alerts now firing or pending (`"current": true`), then past changes, latest first.

        Raises:
            StoreUnavailable: the store does not answer.
        """
