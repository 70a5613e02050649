"""Short ways to write changes and to send what they bring."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts import Change, Group, Health, Reason, Sending, Silence, State, apply, dispatch
from stream_app.domain.alerts.command import Action, Command
from stream_app.domain.events import rfc3339
from stream_app.domain.periods import Calendar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Curve, Dispatch, Hold, Notice

RULE = "pro-day-7"
#: Thursday 1 January 2026 at midnight, in UTC.
START = 1_767_225_600_000
HOUR = 3_600_000
DAY = 24 * HOUR
CALENDAR = Calendar("UTC")


def change(
    plan: str = "pro", state: State = State.FIRING, day: int = 0, *, reason: Reason = Reason.BELOW, **more: Any
) -> Change:
    """A change of the alert on a plan, of a cell that closed `day` days after the start. Its id says what it is."""
    name = hashlib.sha256(orjson.dumps([plan, state, reason, day])).hexdigest()[:32]
    values: dict[str, Any] = {
        "id": name, "rule": RULE, "segment": {"plan": plan}, "state": state, "at": rfc3339(START + day * DAY),
        "definition": "engagement", "grain": "day", "index": 7, "cohort": rfc3339(START + (day - 8) * DAY)[:10],
        "value": 0.21, "threshold": 0.3, "group": 240, "count": 50, "reason": reason, "began": None,
        "to": ("console",), "users_at_risk": 20,
    }  # fmt: skip
    return Change(**(values | more))


def fires(plan: str = "pro", day: int = 0, **more: Any) -> Change:
    return change(plan, State.FIRING, day, **more)


def resolves(fired: Change, day: int = 1, **more: Any) -> Change:
    values = {"state": State.RESOLVED, "day": day, "reason": Reason.RECOVERED, "ends": fired.id} | more
    return change(fired.segment["plan"], **values)


def withdraws(fired: Change, day: int = 1, reason: Reason = Reason.RULE_REMOVED) -> Change:
    return resolves(fired, day, state=State.INACTIVE, reason=reason)


def no_data(plan: str = "pro", day: int = 0, state: State = State.INACTIVE, **more: Any) -> Change:
    return change(plan, state, day, reason=Reason.NO_DATA, health=Health.NO_DATA, value=None, count=None, **more)


def data_back(plan: str = "pro", day: int = 1, state: State = State.INACTIVE) -> Change:
    return change(plan, state, day, reason=Reason.DATA_BACK)


def silence(begins: int, ends: int, *, rule: str | None = RULE, name: str = "s", **segment: str) -> Silence:
    command = Command(name, Action.SILENCE, begins, "mia", "known", rule=rule, segment=segment, ends=ends)
    return Silence(command, begins, ends)


class Desk:
    """A rule's desk over time. The group goes through JSON at each step, as it does in the service."""

    def __init__(self, sending: Sending | None = None, to: Sequence[str] = ("console",)) -> None:
        self.sending, self.to = sending or Sending(), tuple(to)
        self.group: Group | None = None
        self.silences: list[Silence] = []
        self.notices: list[Notice] = []
        self.withheld: list[tuple[Change, Hold]] = []

    def at(self, now: int, *changes: Change, curves: dict[str, Curve] | None = None) -> list[Notice]:
        """The notices of one dispatch."""
        before = self.group
        told = self._dispatch(before, now, changes, curves)
        assert told == self._dispatch(before, now, changes, curves)
        self.group = None if told.group is None else Group.from_json(orjson.loads(orjson.dumps(told.group.to_json())))
        assert self.group == told.group
        self.notices += told.notices
        self.withheld += told.withheld
        return told.notices

    def _dispatch(
        self, group: Group | None, now: int, changes: Sequence[Change], curves: dict[str, Curve] | None
    ) -> Dispatch:
        return dispatch(
            RULE, self.sending, self.to, group, changes, now=now, calendar=CALENDAR, silences=self.silences,
            curves=curves, promise="1 per year",
        )  # fmt: skip

    def command(self, now: int, action: Action, **more: Any) -> str:
        """Applies a command, and answers what was said of it."""
        values: dict[str, Any] = {"id": f"c{now}", "author": "mia", "reason": "seen", "rule": RULE, "at": now} | more
        applied = apply(Command(action=action, **values), self.silences, self.groups, now)
        by_id = {one.command.id: one for one in (*self.silences, *applied.silences)}
        self.silences = list(by_id.values())
        if RULE in applied.groups:
            self.group = applied.groups[RULE]
        return applied.said

    @property
    def groups(self) -> dict[str, Group]:
        return {} if self.group is None else {RULE: self.group}


def plain(notice: Notice) -> tuple[str, list[str]]:
    """A notice in short: its kind, and what it tells."""
    told = [f"{one.segment['plan']} {one.state.value}" for one in notice.changes]
    return notice.kind.value, told


def risk(given: Change, users: int, revenue: int | None = None) -> Change:
    return replace(given, users_at_risk=users, revenue_at_risk=revenue)
