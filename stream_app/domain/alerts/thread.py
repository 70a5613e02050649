"""The messages of one rule: the open thread, what it has told, and the next message of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import id_of
from stream_app.domain.alerts.group import Group, bad, keys, worst_first
from stream_app.domain.alerts.instants import instant
from stream_app.domain.alerts.notice import Notice, NoticeKind, Standing
from stream_app.domain.alerts.standings import digest, marked, pictured, run_out, silencing, view
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.alerts.change import Change
    from stream_app.domain.alerts.command import Silence
    from stream_app.domain.alerts.group import Hold
    from stream_app.domain.alerts.notice import Curve
    from stream_app.domain.alerts.rule import Sending


class Thread:
    """A rule's group while it is worked on; makes notices and remembers that it did.

    Args:
        rule: the rule's name.
        sending: how its alerts are told.
        to: its targets.
        group: what is remembered.
        now: the wall clock (ms).
        silences: those in force.
        curves: of alerts that changed.
        promise: the rule's budget.
    """

    def __init__(
        self,
        rule: str,
        sending: Sending,
        to: tuple[str, ...],
        group: Group,
        now: int,
        silences: Sequence[Silence],
        curves: Mapping[str, Curve],
        promise: str | None,
    ) -> None:
        self.notices: list[Notice] = []
        self._rule, self._sending, self._to, self._promise = rule, sending, to, promise
        self._now, self._silences = now, silences
        self._root, self._heard, self._sent = group.root, group.to, group.sent
        self._members = marked(group.members, silences, now)
        self._seen = {key: who for key, who in group.seen.items() if not run_out(who, now)}
        self._curves = {**group.curves, **curves}
        self._edits, self._marks = group.edits, group.marks
        self._labels = sending.labels if to else group.labels

    def group(self, waiting: Mapping[str, tuple[Change, Hold]]) -> Group | None:
        """What to remember of it and of what waits; None: nothing."""
        window = 0.0 if self._sending.at_most is None else self._sending.at_most[1] * 1000
        counted = tuple(one for one in self._sent if one > self._now - window)
        sent = counted or (self._sent[-1:] if self._root is not None else ())
        if self._root is None and not waiting and not sent:
            return None
        drawn = [one.change for one in self._lasting], [change for change, _ in waiting.values() if bad(change)]
        return Group(
            root=self._root,
            members=self._members,
            waiting=dict(waiting),
            sent=sent,
            to=self._heard,
            seen={key: who for key, who in self._seen.items() if key in waiting},
            curves={key: one for changes in drawn for key, one in pictured(changes, self._curves).items()},
            edits=self._edits,
            marks=self._marks,
            labels=self._labels,
        )

    @property
    def gone(self) -> bool:
        """Whether there is no such rule any more."""
        return not self._to

    @property
    def capped(self) -> bool:
        """Whether the rule has sent as many messages as it may."""
        if self._sending.at_most is None:
            return False
        most, seconds = self._sending.at_most
        return sum(one > self._now - seconds * 1000 for one in self._sent) >= most

    @property
    def overdue(self) -> bool:
        """Whether the last message was so long ago that it is to be repeated."""
        repeat = self._sending.repeat
        return repeat is not None and bool(self._sent) and self._now - self._sent[-1] >= repeat * 1000

    @property
    def unseen(self) -> bool:
        """Whether an alert lasts that nobody has acknowledged and no silence holds."""
        lasting = [one for one in view(self._members) if bad(one.change)]
        return not self.gone and any(one.acknowledged is None and one.silenced is None for one in lasting)

    @property
    def stale(self) -> bool:
        """Whether the first message shows other acknowledgements and silences than there are."""
        return self._root is not None and digest(self._members) != self._marks

    def told(self, change: Change) -> list[Change]:
        """What this thread has told last of the same."""
        return [self._members[key].change for key in keys(change) if key in self._members]

    def lasts(self, change: Change) -> bool:
        """Whether what it is about was told and has not been ended."""
        return any(map(bad, self.told(change)))

    def silenced(self, change: Change) -> bool:
        """Whether a silence holds its alert."""
        return silencing(change, self._silences) is not None

    def forget(self, key: str) -> None:
        """What waited under a key is not told: who has acknowledged it does not matter any more."""
        self._seen.pop(key, None)

    def say(self, changes: Sequence[Change]) -> None:
        """One message of changes, each of which begins something or ends what was told; oldest first."""
        over: list[Change] = []
        for change in changes:
            about, *ended = keys(change)
            self._members[about] = Standing(change, self._seen.pop(about, None) if bad(change) else None)
            former = [self._members.pop(key).change for key in ended if key in self._members]
            over += filter(bad, former)
        self._members = marked(self._members, self._silences, self._now)
        to = self._targets(changes)
        heard = self._heard if any(not bad(change) for change in changes) else ()
        kind = NoticeKind.OPENED if self._root is None else NoticeKind.CHANGED if self._lasting else NoticeKind.CLOSED
        name = changes[0].id if len(changes) == 1 else id_of(*sorted(change.id for change in changes))
        latest = max(changes, key=instant).at
        self._notice(name, kind, latest, changes, to=tuple(dict.fromkeys((*to, *heard))), over=over)
        self._sent = (*self._sent, self._now)
        if kind is NoticeKind.OPENED:
            self._root = name
        elif kind is NoticeKind.CLOSED:
            self._close()

    def end(self, change: Change) -> None:
        """A message of its own for the end of a firing that was told before there were threads, under that one."""
        notice = Notice(
            change.id, self._rule, NoticeKind.CLOSED, change.at, (change,), (Standing(change),), change.ends,
            self._targets((change,)), next(iter(pictured((change,), self._curves).values()), None),
            self._labels, self._sending.note, self._promise,
        )  # fmt: skip
        self.notices.append(notice)
        self._sent = (*self._sent, self._now)

    def repeat(self) -> None:
        """A message that it still fires."""
        name = id_of("repeated", self._root, self._sent[-1])
        self._notice(name, NoticeKind.REPEATED, rfc3339(self._now), (), to=self._to)
        self._sent = (*self._sent, self._now)

    def edit(self) -> None:
        """Brings the first message up to date."""
        self._edits += 1
        name = id_of("edited", self._root, self._edits, digest(self._members))
        self._notice(name, NoticeKind.EDITED, rfc3339(self._now), (), to=self._heard)

    @property
    def _lasting(self) -> list[Standing]:
        return [one for one in self._members.values() if bad(one.change)]

    def _targets(self, changes: Sequence[Change]) -> tuple[str, ...]:
        return self._to or tuple(dict.fromkeys(target for change in changes for target in change.to))

    def _notice(
        self,
        name: str,
        kind: NoticeKind,
        at: str,
        changes: Sequence[Change],
        *,
        to: tuple[str, ...],
        over: Sequence[Change] = (),
    ) -> None:
        drawn = pictured(changes, self._curves) or pictured((one.change for one in self._lasting), self._curves)
        self.notices.append(
            Notice(
                name,
                self._rule,
                kind,
                at,
                tuple(sorted(changes, key=worst_first)),
                view(self._members),
                self._root,
                to,
                next(iter(drawn.values()), None),
                self._labels,
                self._sending.note,
                self._promise,
                tuple(over),
            )
        )
        self._heard = tuple(dict.fromkeys((*self._heard, *to)))
        self._marks = digest(self._members)

    def _close(self) -> None:
        self._root, self._heard, self._members, self._edits, self._marks = None, (), {}, 0, ""
