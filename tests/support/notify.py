"""Changes to tell, and a clock that only tests move."""

from __future__ import annotations

from typing import Any

from stream_app.domain.alerts import Change, Reason, State

START = 1_900_000_000.0


def change(number: int = 1, **fields: Any) -> Change:
    values: dict[str, Any] = {
        "id": f"{number:032x}",
        "rule": "pro-day-7",
        "segment": {"plan": "pro"},
        "state": State.FIRING,
        "at": "2026-03-09T00:00:00Z",
        "definition": "engagement",
        "grain": "day",
        "index": 7,
        "cohort": "2026-03-01",
        "value": 0.21,
        "threshold": 0.30,
        "group": 1240,
        "retained": 260,
        "reason": Reason.BELOW,
        "since": "2026-02-27",
        "to": ("slack:#retention",),
    }
    return Change(**(values | fields))


def resolved(number: int, began: Change, **fields: Any) -> Change:
    values = {"state": State.RESOLVED, "reason": Reason.RECOVERED, "value": 0.342, "threshold": 0.33, "to": began.to}
    return change(number, **(values | {"began": began.id, "cohort": "2026-03-05"} | fields))


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
