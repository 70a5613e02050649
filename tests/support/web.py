"""A reader in memory, for tests of what shows figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.stores.base import StoreUnavailable

if TYPE_CHECKING:
    import asyncio

    from stream_app.domain.metrics import Snapshot


class FakeReader:
    """Gives what it was given last; fails while `down`, and holds its answer back while `held`.

    Attributes:
        now: the snapshot.
        found: the alerts.
        down: raise StoreUnavailable.
        held: while set to an event, answers wait for it.
        reads: how often a snapshot was asked for.
    """

    def __init__(self, snapshot: Snapshot | None = None, alerts: list[dict[str, Any]] | None = None) -> None:
        self.now = snapshot
        self.found = alerts or []
        self.down = False
        self.held: asyncio.Event | None = None
        self.reads = 0

    async def snapshot(self) -> Snapshot | None:
        self.reads += 1
        await self._answer()
        return self.now

    async def alerts(self) -> list[dict[str, Any]]:
        await self._answer()
        return self.found

    async def _answer(self) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise StoreUnavailable("redis: 'redis://cache:6379' does not answer; start it")


def alert(**changes: Any) -> dict[str, Any]:
    """An alert as the reader gives it."""
    return {
        "id": "c0ffee",
        "rule": "pro-day-7",
        "segment": {"plan": "pro"},
        "state": "firing",
        "at": "2026-03-29T00:00:00Z",
        "definition": "engagement",
        "grain": "day",
        "index": 7,
        "cohort": "2026-03-21",
        "value": 0.2143,
        "threshold": 0.3,
        "group": 140,
        "retained": 30,
        "reason": "below",
        "since": "2026-03-19",
        "began": None,
        "to": ["console"],
        "current": True,
    } | changes
