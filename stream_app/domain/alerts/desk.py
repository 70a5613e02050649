"""Who is told what when: from changes and the passing of time to messages, at most one open thread a rule.

A change is told at once, unless a silence, the rule's hours or its cap hold it; then it waits. Of what waits for one
alert only the latest counts: a firing that has ended by then is not told, nor is its end. What ends a firing that was
told is told whatever is silenced. Changes of one instant are one message, and so is what has waited.

Nothing here looks at a clock, and no id depends on when something was sent: a repeated judgement gives the same ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream_app.domain.alerts.group import Group, Hold, bad, keys
from stream_app.domain.alerts.instants import batches
from stream_app.domain.alerts.thread import Thread

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from stream_app.domain.alerts.change import Change
    from stream_app.domain.alerts.command import Silence
    from stream_app.domain.alerts.notice import Curve, Notice
    from stream_app.domain.alerts.rule import Sending
    from stream_app.domain.periods import Calendar


class Dispatch(NamedTuple):
    """What became of changes.

    Attributes:
        group: what to remember of the rule's messages; None: nothing.
        notices: what to send, in this order.
        withheld: changes that never will be told, and why.
    """

    group: Group | None
    notices: list[Notice]
    withheld: list[tuple[Change, Hold]]


def dispatch(
    rule_name: str,
    sending: Sending,
    to: Sequence[str],
    group: Group | None,
    changes: Sequence[Change],
    *,
    now: int,
    calendar: Calendar,
    silences: Sequence[Silence] = (),
    curves: Mapping[str, Curve] | None = None,
    promise: str | None = None,
) -> Dispatch:
    """What to send of one rule now: because of changes, or (without any) because time has passed.

    Args:
        rule_name: the rule's name.
        sending: how its alerts are told.
        to: its targets; empty: there is no such rule any more, and only what ends a told firing is told.
        group: what is remembered of its messages.
        changes: its changes in the order of their judgement. Those without targets are for the topic alone, those that
            are known are left out.
        now: the wall clock (ms); in a backtest event time.
        calendar: in whose time zone hours are meant.
        silences: all that there are; those that hold now count.
        curves: of alerts that changed, by `alert_key`.
        promise: the rule's budget of false alarms as it was written.
    """
    group = group or Group()
    holding = [one for one in silences if one.holds(now)]
    thread = Thread(rule_name, sending, tuple(to), group, now, holding, curves or {}, promise)
    shut = sending.hours is not None and not sending.hours.open(calendar, now)
    desk = _Desk(thread, group, shut)
    news = {change.id: change for change in changes if change.to and not desk.knows(change)}.values()
    desk.release({key for change in news for key in keys(change)})
    for batch in batches(news):
        desk.take(batch)
    desk.repeat()
    desk.edit()
    return Dispatch(desk.group, thread.notices, desk.withheld)


class _Desk:
    """The work of one dispatch: what is told, what waits, and what is dropped."""

    def __init__(self, thread: Thread, group: Group, shut: bool) -> None:
        self.withheld: list[tuple[Change, Hold]] = []
        self._thread, self._shut = thread, shut
        self._waiting = dict(group.waiting)

    @property
    def group(self) -> Group | None:
        """What to remember."""
        return self._thread.group(self._waiting)

    def knows(self, change: Change) -> bool:
        """Whether a change was told in the open thread, or waits: it comes a second time."""
        waits = [self._waiting[key][0] for key in keys(change) if key in self._waiting]
        return any(one.id == change.id for one in (*waits, *self._thread.told(change)))

    def release(self, but: Collection[str]) -> None:
        """Tells in one message what waited and is held no longer, except what there is news of."""
        ripe = []
        for key, (change, _) in [*self._waiting.items()]:
            if key in but:
                continue
            hold = self._hold(change)
            if hold is None:
                del self._waiting[key]
                ripe.append(change)
            else:
                self._waiting[key] = change, hold
        self._tell(ripe)

    def take(self, changes: Iterable[Change]) -> None:
        """Changes of one instant: each is told now, waits, or never will be told."""
        free = []
        for change in changes:
            dropped = {key: self._drop(key) for key in keys(change) if key in self._waiting}
            # A firing that nobody remembers is of version 0.5, which had no threads: its end is told under it.
            untold = change.ends is None or keys(change)[0] in dropped
            if untold and not bad(change) and not self._thread.lasts(change):
                self.withheld.append((change, next(iter(dropped.values()), Hold.UNOPENED)))
                continue
            hold = self._hold(change)
            if hold is None:
                free.append(change)
            else:
                self._waiting[keys(change)[0]] = change, hold
        self._tell(free)

    def repeat(self) -> None:
        """Says again what still fires, where nobody has seen it."""
        if not self._shut and not self._thread.capped and self._thread.unseen and self._thread.overdue:
            self._thread.repeat()

    def edit(self) -> None:
        """Brings the first message up to date with acknowledgements and silences, where no other message did."""
        if self._thread.stale:
            self._thread.edit()

    def _tell(self, changes: Sequence[Change]) -> None:
        together: list[Change] = []
        alone: list[Change] = []
        for change in changes:
            (together if bad(change) or self._thread.lasts(change) else alone).append(change)
        if together:
            self._thread.say(together)
        for change in alone:
            if self._thread.capped:
                self._waiting[keys(change)[0]] = change, Hold.CAP
            else:
                self._thread.end(change)

    def _drop(self, key: str) -> Hold:
        """What waited is never told, as there is something later of the same alert."""
        change, hold = self._waiting.pop(key)
        self._thread.forget(key)
        self.withheld.append((change, hold))
        return hold

    def _hold(self, change: Change) -> Hold | None:
        if bad(change) and self._thread.gone:
            return Hold.RULE_GONE
        if bad(change) and self._thread.silenced(change):
            return Hold.SILENCED
        if self._shut:
            return Hold.HOURS
        return Hold.CAP if self._thread.capped else None
