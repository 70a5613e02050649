"""Changes and notices to tell, and a clock that only tests move."""

from __future__ import annotations

import hashlib
from typing import Any

from stream_app.domain.alerts import Change, Curve, Notice, NoticeKind, Reason, Standing, State

START = 1_900_000_000.0
#: A curve that falls after the tenth of its twenty days.
CURVE = Curve(
    {"plan": "pro"},
    tuple((f"2026-02-{day:02d}", 0.34 if day <= 10 else 0.21, 1200 + day) for day in range(1, 21)),
    0.30,
    "2026-02-11",
)


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
        "count": 260,
        "reason": Reason.BELOW,
        "began": "2026-02-27",
        "to": ("slack:#retention",),
        "low": 0.188,
        "high": 0.234,
        "users_at_risk": 112,
    }
    return Change(**(values | fields))


def ended(of: Change) -> dict[str, Any]:
    """What is otherwise in the change that ends one."""
    return {
        "state": State.RESOLVED, "reason": Reason.RECOVERED, "at": "2026-03-13T00:00:00Z", "segment": of.segment,
        "value": 0.342, "threshold": 0.33, "count": 424, "low": 0.316, "high": 0.369, "users_at_risk": None,
        "ends": of.id, "cohort": "2026-03-05",
    }  # fmt: skip


def resolved(number: int, began: Change, **fields: Any) -> Change:
    return change(number, **(ended(began) | {"to": began.to} | fields))


def notice(*changes: Change, kind: NoticeKind = NoticeKind.OPENED, **fields: Any) -> Notice:
    """A notice of changes, as the desk makes it; all of them stand."""
    one_id = changes[0].id if len(changes) == 1 else hashlib.sha256("".join(c.id for c in changes).encode()).hexdigest()
    values: dict[str, Any] = {
        "id": one_id[:32],
        "rule": changes[0].rule if changes else "pro-day-7",
        "kind": kind,
        "at": changes[0].at if changes else "2026-03-09T00:00:00Z",
        "changes": changes,
        "standing": tuple(map(Standing, changes)),
        "to": changes[0].to if changes else ("slack:#retention",),
    }
    return Notice(**(values | fields))


def opened(number: int = 1, **fields: Any) -> Notice:
    """The notice of one alert that begins to fire; `fields` are of the change."""
    return notice(change(number, **fields))


def closed(number: int, first: Notice, **fields: Any) -> Notice:
    """The notice of its end; `fields` are of the change."""
    return notice(resolved(number, first.changes[0], **fields), kind=NoticeKind.CLOSED, root=first.id)


class Clock:
    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
