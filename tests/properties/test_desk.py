"""The desk under any order of changes, commands, ticks and repeated judgements."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.desk import CALENDAR, DAY, HOUR, RULE, START, Desk, data_back, fires, no_data, resolves, withdraws

from stream_app.domain.alerts import Change, Hold, Hours, Reason, Sending, State
from stream_app.domain.alerts.command import Action
from stream_app.domain.alerts.group import bad
from stream_app.domain.alerts.notice import NoticeKind
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from stream_app.domain.alerts import Group, Notice

PLANS = ["a", "b", "c"]
MESSAGES = (NoticeKind.OPENED, NoticeKind.CHANGED, NoticeKind.CLOSED, NoticeKind.REPEATED)
plans = st.sampled_from(PLANS)


class AnyOrder(RuleBasedStateMachine):
    """Alerts that go their ways, at a clock that goes on; what is told is compared with what there was to tell."""

    @initialize(
        hours=st.sampled_from([None, "Mon-Fri 09:00-18:00", "daily 12:00-13:00"]),
        at_most=st.sampled_from([None, (1, 86_400.0), (3, 3600.0)]),
        repeat=st.sampled_from([None, 3600.0, 86_400.0]),
    )
    def begin(self, hours: str | None, at_most: tuple[int, float] | None, repeat: float | None) -> None:
        self.desk = Desk(Sending(repeat, at_most, None if hours is None else Hours.parse(hours)))
        self.now, self.day, self.commands = START, 0, 0
        self.firing: dict[str, Change] = {}
        self.without: dict[str, Change] = {}
        self.given: dict[str, Change] = {}
        self.last: tuple[Change, ...] = ()
        self.before: tuple[Group | None, int, int, int] | None = None
        self.sent: list[int] = []

    @rule(moves=st.lists(st.tuples(plans, st.sampled_from(["state", "health", "anew"])), max_size=5))
    def judge(self, moves: list[tuple[str, str]]) -> None:
        """A day closes: some alerts fire, recover, are withdrawn, have no data, or have it again."""
        self.day += 1
        self.now = max(self.now, START + self.day * DAY)
        changes: list[Change] = []
        for plan, what in dict(moves).items():
            fired, missing = self.firing.get(plan), self.without.get(plan)
            state = State.INACTIVE if fired is None else State.FIRING
            if what == "health":
                changes.append(data_back(plan, self.day, state) if missing else no_data(plan, self.day, state))
                self.without.pop(plan, None) if missing else self.without.update({plan: changes[-1]})
            elif fired is None:
                changes.append(self.firing.setdefault(plan, fires(plan, self.day)))
                self.without.pop(plan, None)
            elif what == "anew":
                changes.append(withdraws(fired, self.day, Reason.RULE_CHANGED))
                self.firing[plan] = fires(plan, self.day)
                changes.append(self.firing[plan])
                self.without.pop(plan, None)
            else:
                changes.append(resolves(self.firing.pop(plan), self.day))
                self.without.pop(plan, None)
        self.given |= {one.id: one for one in changes}
        self.last = tuple(changes)
        before = self.desk.group, len(self.desk.notices), len(self.desk.withheld), len(self.sent)
        self._at(*changes)
        self.before = before

    @rule(hours=st.integers(0, 30))
    def judge_again(self, hours: int) -> None:
        """The worker dies before it has written, and another judges the same cells, later."""
        if self.before is None:
            return
        first = self.desk.notices[self.before[1] :]
        self.desk.group = self.before[0]
        del self.desk.notices[self.before[1] :], self.desk.withheld[self.before[2] :], self.sent[self.before[3] :]
        self.now += hours * HOUR
        again = self._at(*self.last)
        ids = {tuple(change.id for change in notice.changes): notice.id for notice in first if notice.changes}
        for notice in again:
            assert ids.get(tuple(change.id for change in notice.changes), notice.id) == notice.id

    @rule(hours=st.integers(0, 30))
    def tick(self, hours: int) -> None:
        self.now += hours * HOUR
        self._at()

    @rule(begins=st.integers(0, 40), length=st.integers(1, 80), plan=st.none() | plans)
    def silence(self, begins: int, length: int, plan: str | None) -> None:
        begin = self.now + begins * HOUR
        segment = {} if plan is None else {"plan": plan}
        self._command(Action.SILENCE, begins=begin, ends=begin + length * HOUR, segment=segment)

    @rule(which=st.integers(0, 5))
    def unsilence(self, which: int) -> None:
        self._command(Action.UNSILENCE, silence=f"c{which}")

    @rule(plan=st.none() | plans, length=st.none() | st.integers(1, 80))
    def acknowledge(self, plan: str | None, length: int | None) -> None:
        ends = None if length is None else self.now + length * HOUR
        self._command(Action.ACKNOWLEDGE, segment={} if plan is None else {"plan": plan}, ends=ends)

    @invariant()
    def each_change_is_told_waits_or_is_withheld_once(self) -> None:
        told = Counter(change.id for notice in self.desk.notices for change in notice.changes)
        withheld = Counter(change.id for change, _ in self.desk.withheld)
        waiting = Counter(change.id for change, _ in self._waiting.values())
        assert told + withheld + waiting == Counter(self.given.keys())

    @invariant()
    def ids_are_unique(self) -> None:
        assert len({notice.id for notice in self.desk.notices}) == len(self.desk.notices)

    @invariant()
    def what_is_told_is_what_lasts_unless_something_holds_it(self) -> None:
        """Taken together, what was told and what waits say what fires and what has no data now."""
        told = [change for notice in self.desk.notices for change in notice.changes]
        group = self.desk.group
        members = {} if group is None else group.members
        assert all(one.change in told for one in members.values())
        known = {key: one.change for key, one in members.items()} | {k: one for k, (one, _) in self._waiting.items()}
        firing = {one.id for one in known.values() if bad(one) and one.reason is not Reason.NO_DATA}
        assert firing == {one.id for one in self.firing.values()}

    @invariant()
    def a_thread_is_open_as_long_as_something_told_lasts(self) -> None:
        threads = [notice for notice in self.desk.notices if notice.kind in (NoticeKind.OPENED, NoticeKind.CLOSED)]
        assert [notice.kind for notice in threads] == [NoticeKind.OPENED, NoticeKind.CLOSED] * (len(threads) // 2) + [
            NoticeKind.OPENED
        ] * (len(threads) % 2)
        group = self.desk.group
        lasting = group is not None and any(bad(one.change) for one in group.members.values())
        assert lasting == (group is not None and group.root is not None) == (len(threads) % 2 == 1)
        if lasting:
            assert group is not None
            assert group.root == threads[-1].id

    @property
    def _waiting(self) -> dict[str, tuple[Change, Hold]]:
        return {} if self.desk.group is None else dict(self.desk.group.waiting)

    def _command(self, action: Action, **more: object) -> None:
        self.desk.command(self.now, action, id=f"c{self.commands}", **more)
        self.commands += 1
        self._at()

    def _at(self, *changes: Change) -> list[Notice]:
        self.before = None  # what was written stays
        told = self.desk.at(self.now, *changes)
        self.sent += [self.now for notice in told if notice.kind in MESSAGES]
        self._nothing_is_sent_while_held([notice for notice in told if notice.kind in MESSAGES])
        self._nothing_waits_without_a_hold()
        self._nothing_seen_is_repeated(told)
        return told

    def _nothing_is_sent_while_held(self, told: list[Notice]) -> None:
        assert self._open or not told
        assert self._left >= 0
        for change in (change for notice in told for change in notice.changes):
            assert not (bad(change) and self._silenced(change))

    def _nothing_waits_without_a_hold(self) -> None:
        for change, hold in self._waiting.values():
            if hold is Hold.SILENCED:
                assert self._silenced(change)
            elif hold is Hold.HOURS:
                assert not self._open
            else:
                assert hold is Hold.CAP
                assert self._left == 0

    def _nothing_seen_is_repeated(self, told: list[Notice]) -> None:
        for notice in told:
            seen = [one.acknowledged for one in notice.standing if one.acknowledged is not None]
            assert all(one["ends"] is None or one["ends"] > rfc3339(self.now) for one in seen)
            if notice.kind is NoticeKind.REPEATED:
                lasting = [one for one in notice.standing if bad(one.change)]
                assert any(one.acknowledged is None and not self._silenced(one.change) for one in lasting)

    def _silenced(self, change: Change) -> bool:
        return any(s.holds(self.now) and s.command.covers(RULE, change.segment) for s in self.desk.silences)

    @property
    def _left(self) -> float:
        """How many messages the cap leaves."""
        at_most = self.desk.sending.at_most
        if at_most is None:
            return math.inf
        return at_most[0] - sum(one > self.now - at_most[1] * 1000 for one in self.sent)

    @property
    def _open(self) -> bool:
        hours = self.desk.sending.hours
        return hours is None or hours.open(CALENDAR, self.now)


TestAnyOrder = AnyOrder.TestCase
