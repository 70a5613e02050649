"""A reader in memory, for tests of what shows figures."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from stream_app.stores.base import Alerts, StoreUnavailable

if TYPE_CHECKING:
    import asyncio

    from stream_app.domain.alerts import Command
    from stream_app.domain.metrics import Snapshot
    from stream_app.stores.base import Wanted


class FakeReader:
    """Gives what it was given last; fails while `down`, and holds its answer back while `held`.

    Attributes:
        now: the snapshot.
        found: the alerts; those with `"current": false` are history.
        silences: the silences.
        down: raise StoreUnavailable.
        held: while set to an event, answers wait for it.
        reads: how often a snapshot was asked for.
    """

    def __init__(self, snapshot: Snapshot | None = None, alerts: list[dict[str, Any]] | None = None) -> None:
        self.now = snapshot
        self.found = alerts or []
        self.silences: list[dict[str, Any]] = []
        self.down = False
        self.held: asyncio.Event | None = None
        self.reads = 0

    async def snapshot(self) -> Snapshot | None:
        self.reads += 1
        await self._answer()
        return self.now

    async def alerts(self) -> Alerts:
        await self._answer()
        rows = [{name: value for name, value in row.items() if name != "current"} for row in self.found]
        now = [row for row, found in zip(rows, self.found, strict=True) if found["current"]]
        return Alerts(now, self.silences, [row for row in rows if row not in now])

    async def history(self, wanted: Wanted, last: int) -> list[dict[str, Any]]:
        await self._answer()
        begin, end = wanted.begin or 0, float("inf") if wanted.end is None else wanted.end
        past = [row for row in (await self.alerts()).latest if wanted.fits(row)]
        return [row for row in past if begin <= milliseconds(row["at"]) < end][:last]

    async def _answer(self) -> None:
        if self.held is not None:
            await self.held.wait()
        if self.down:
            raise StoreUnavailable("redis: 'redis://cache:6379' does not answer; start it")


class Taken:
    """Takes commands, as the log of commands does; `fails` is raised instead."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.fails: Exception | None = None

    async def __call__(self, command: Command) -> None:
        if self.fails is not None:
            raise self.fails
        self.commands.append(command)


def milliseconds(instant: str) -> int:
    return int(dt.datetime.fromisoformat(instant).timestamp() * 1000)


def silence(
    name: str = "5171e9ce", *, begins: int = 0, ends: int = 4_000_000_000_000, **changes: Any
) -> dict[str, Any]:
    """A silence as the reader gives it."""
    command = {"id": name, "action": "silence", "at": begins, "author": "ada", "reason": "a deployment", "rule": None,
               "segment": {}, "ends": ends, "begins": begins, "silence": None}  # fmt: skip
    return {"command": command | changes, "begins": begins, "ends": ends}


def deed(action: str = "acknowledge", **changes: Any) -> dict[str, Any]:
    """What somebody did about alerts, a row of the history."""
    kind = "acknowledgement" if action == "acknowledge" else "silence"
    return {
        "kind": kind, "id": "deed", "command": "c", "action": action, "at": "2026-03-29T08:00:00Z", "author": "ada",
        "reason": "I look", "rule": "pro-day-7", "segment": {},
        "begins": None, "ends": None, "silence": None, "changes": [], "state": None,
        "current": False,
    } | changes  # fmt: skip


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
        "count": 30,
        "reason": "below",
        "began": "2026-03-19",
        "ends": None,
        "to": ["console"],
        "figure": "retention",
        "measure": "rate",
        "side": "below",
        "health": "ok",
        "test": "sequential",
        "baseline": None,
        "evidence": 3.1,
        "promise": "1 per year",
        "low": 0.1549,
        "high": 0.2890,
        "users_at_risk": 31,
        "revenue_at_risk": 124_050,
        "currency": "USD",
        "flapping": False,
        "cohorts": 3,
        "note": None,
        "acknowledged": None,
        "latest": {
            "cohort": "2026-03-21",
            "at": "2026-03-29T00:00:00Z",
            "value": 0.2143,
            "threshold": 0.3,
            "group": 140,
        },
        "current": True,
    } | changes
