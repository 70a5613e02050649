"""The messages that changes would have been: each rule's desk, with event time as its clock."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from stream_app.domain.alerts import dispatch
from stream_app.domain.alerts.curves import curves
from stream_app.domain.alerts.instants import instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Change, Course, Group, Hold, Notice, Sending
    from stream_app.domain.periods import Calendar


class Sent(NamedTuple):
    """A message, and the instant (ms of event time) at which it would have been sent."""

    at: int
    notice: Notice


class Told(NamedTuple):
    """What became of a rule's changes.

    Attributes:
        sent: its messages.
        withheld: changes that nobody was told of, and why.
    """

    sent: list[Sent]
    withheld: list[tuple[Change, Hold]]


def messages(
    rule: str,
    sending: Sending,
    to: Sequence[str],
    changes: Sequence[Change],
    *,
    until: int | None,
    calendar: Calendar,
    course: Course | str | None = None,
    promise: str | None = None,
) -> Told:
    """The messages of one rule, up to an instant.

    Args:
        rule: its name.
        sending: how its alerts are told.
        to: its targets.
        changes: its changes, in order of `at`.
        until: the end (ms): what waits then is not told. None: there are no changes.
        calendar: in whose time zone hours are meant.
        course: of its figure, for pictures.
        promise: its budget of false alarms as it was written.
    """
    told = Told([], [])
    group: Group | None = None
    ahead = [(at, list(news)) for at, news in groupby(changes, lambda change: round(1000 * instant(change)))]
    now = 0
    while True:
        look = _next_look(group, sending, calendar, now)
        news: list[Change] = []
        if ahead and (look is None or ahead[0][0] <= look):
            now, news = ahead.pop(0)
        elif look is not None and until is not None and look <= until:
            now = look
        else:
            return told
        done = dispatch(
            rule, sending, to, group, news, now=now, calendar=calendar, curves=curves(news, course), promise=promise
        )
        group = done.group
        told.sent.extend(Sent(now, notice) for notice in done.notices)
        told.withheld.extend(done.withheld)


def _next_look(group: Group | None, sending: Sending, calendar: Calendar, now: int) -> int | None:
    """The first instant (ms) after `now` at which time alone could have something told; None: at none.

    At some of them nothing is told after all, as something else holds it; then there is a later one.
    """
    if group is None:
        return None
    found = []
    repeats = group.root is not None and sending.repeat is not None
    if repeats and sending.repeat is not None and group.sent:
        found.append(group.sent[-1] + round(1000 * sending.repeat))
    if group.waiting or repeats:
        if sending.at_most is not None and len(group.sent) >= sending.at_most[0]:
            most, seconds = sending.at_most
            found.append(sorted(group.sent)[-most] + round(1000 * seconds))
        if sending.hours is not None and not sending.hours.open(calendar, now):
            found.append(sending.hours.next_open(calendar, now))
    return min((one for one in found if one > now), default=None)
