"""What a notice says as a whole: its headline, its one sentence, and a line for each of its alerts."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import NoticeKind, Standing, State
from stream_app.domain.alerts.group import bad
from stream_app.notifiers import terms, wording

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.alerts import Change, Notice

_NAMED = 5
FELL, BACK, WITHDRAWN, TROUBLE, CALM = "🔴", "🟢", "⚪", "🟠", "🟡"


def mark(change: Change) -> str:
    """A sign for what an alert is in, to be seen before anything is read."""
    if wording.withdrawn(change):
        return WITHDRAWN
    if wording.about_health(change):
        return TROUBLE if bad(change) else BACK
    return {State.FIRING: FELL, State.RESOLVED: BACK, State.PENDING: CALM, State.INACTIVE: BACK}[change.state]


def standing(notice: Notice) -> tuple[Standing, ...]:
    """The alerts of the group, worst first; those that are told where the notice says nothing of a group."""
    return notice.standing or tuple(map(Standing, notice.changes))


def open_ones(notice: Notice) -> tuple[Standing, ...]:
    """The alerts of the group that somebody should look at: they fire, or cannot be judged."""
    return tuple(one for one in standing(notice) if bad(one.change))


def headline(changes: Sequence[Change]) -> str:
    """What happened, of one alert or of several: `Retention fell in 3 segments`."""
    first = changes[0]
    said = wording.headline(first)
    alike = sum(wording.headline(one) == said for one in changes)
    if len(changes) == 1:
        return said
    if first.figure == "stream":  # each is of a kind of event, which it names
        return f"{said}, and {len(changes) - 1} more"
    return f"{said} in {alike} segments" if alike == len(changes) else f"{said} in {alike} of {len(changes)} segments"


def group_title(notice: Notice) -> str:
    """The headline of a group's message as it stands now: `Retention fell in 2 of 3 segments: pro-day-7`."""
    all_ = [one.change for one in standing(notice)]
    now = [one.change for one in open_ones(notice)]
    rule = wording.clean(notice.rule, 80)
    if not all_:
        return f"Alert: {rule}"
    if not now:
        return f"{headline(all_)}: {rule}"
    if len(now) == len(all_) or now[0].figure == "stream":
        return f"{headline(now)}: {rule}"
    return f"{wording.headline(now[0])} in {len(now)} of {len(all_)} segments: {rule}"


def group_mark(notice: Notice) -> str:
    """The sign of the worst alert of a group."""
    shown = [one.change for one in open_ones(notice) or standing(notice)]
    return mark(shown[0]) if shown else WITHDRAWN


def news(notice: Notice) -> str:
    """What a notice adds to its group: `Retention fell in 2 more segments, 1 recovered`."""
    if notice.kind is NoticeKind.REPEATED:
        return f"Reminder: {group_title(notice)}"
    if notice.kind is NoticeKind.EDITED or not notice.changes:
        return group_title(notice)
    said: dict[str, int] = {}
    for change in notice.changes:
        said[wording.headline(change)] = said.get(wording.headline(change), 0) + 1
    more = " more" if notice.kind is NoticeKind.CHANGED else ""
    parts = [
        f"{what} in {number}{more if what.endswith((' fell', ' rose')) else ''} segments" if number > 1 else what
        for what, number in said.items()
    ]
    return f"{', '.join(parts)}: {wording.clean(notice.rule, 80)}"


def sentence(notice: Notice) -> str:
    """The whole matter in one sentence: of one alert, what became of it; of several, that of the worst."""
    changes = notice.changes or tuple(one.change for one in open_ones(notice) or standing(notice))
    if not changes:
        return group_title(notice)
    if len(changes) == 1:
        said = wording.sentence(changes[0])
    elif any(bad(change) for change in changes):
        said = f"worst: {wording.sentence(changes[0])}"
    else:
        names = [wording.who(change) for change in changes]
        said = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    if notice.kind is NoticeKind.CHANGED:
        said += f"; {tally(notice)} now"
    risk = total_at_risk(notice)
    return f"{said}; {risk} at risk" if risk and notice.kind is not NoticeKind.CLOSED else said


def preview(notice: Notice) -> str:
    """What is read on a locked telephone: of one alert its rule and sentence, of several what is new and the worst."""
    if len(standing(notice)) <= 1 and len(notice.changes or standing(notice)) == 1:
        again = "Reminder: " if notice.kind is NoticeKind.REPEATED else ""
        return f"{again}{wording.clean(notice.rule, 80)}: {sentence(notice)}"
    return f"{news(notice)}: {sentence(notice)}"


def tally(notice: Notice) -> str:
    """How the alerts of a group stand: `2 of 3 firing, 1 not judged`."""
    all_, open_ = standing(notice), open_ones(notice)
    firing = sum(one.change.state is State.FIRING and not wording.about_health(one.change) for one in open_)
    said = f"{firing} of {len(all_)} firing"
    return f"{said}, {len(open_) - firing} not judged" if len(open_) > firing else said


def total_at_risk(notice: Notice) -> str:
    """Users and revenue at risk in all alerts of a group that fire; empty where it is not known."""
    firing = [one.change for one in standing(notice) if one.change.state is State.FIRING]
    users = sum(change.users_at_risk or 0 for change in firing)
    money = [change for change in firing if change.revenue_at_risk]
    said = [f"{users:,} {'user' if users == 1 else 'users'}"] if users else []
    if money:
        said.append(terms.money(sum(change.revenue_at_risk or 0 for change in money), money[0].currency))
    return ", ".join(said)


def line(change: Change) -> list[str]:
    """One alert in a list, as parts: who, the value, and the rest."""
    odd = wording.condition(change)
    if odd or change.figure == "stream":
        return [wording.who(change), "", odd or wording.stream(change)]
    low = wording.interval(change)
    said = [f"({low})" if low else "", f"{wording.distance(change, short=True)}{wording.by_now(change)}"]
    said = [" ".join(filter(None, said)), f"group of {change.group:,}" if change.group else ""]
    if change.state is State.FIRING:
        risk = wording.at_risk(change)
        said += [f"{risk} at risk" if risk else "", f"since {change.began}" if change.began else ""]
    return [wording.who(change), wording.value(change), " · ".join(filter(None, said))]


def marks(notice: Notice) -> list[str]:
    """Who has seen the alerts and who keeps them silent, each once: `Acknowledged by anna: looking`."""
    shown: dict[str, int] = {}
    open_ = open_ones(notice)
    for one in open_:
        for said in (seen(one.acknowledged), kept_silent(one.silenced)):
            if said:
                shown[said] = shown.get(said, 0) + 1
    return [said if number == len(open_) else f"{said} ({number} of {len(open_)})" for said, number in shown.items()]


def seen(acknowledged: Mapping[str, Any] | None) -> str:
    """Who has seen an alert, until when that counts, and what they make of it; empty if nobody has."""
    if not acknowledged:
        return ""
    until = f" until {moment(acknowledged['ends'])}" if acknowledged.get("ends") else ""
    return f"Acknowledged by {_by(acknowledged, until)}"


def kept_silent(silenced: Mapping[str, Any] | None) -> str:
    """Who keeps an alert silent, until when and why; empty if nobody does."""
    return f"Silenced until {moment(silenced['ends'])} by {_by(silenced)}" if silenced else ""


def moment(value: float | str) -> str:
    """An instant (ms, or RFC 3339) as it is read: `2026-03-09 07:00 UTC`."""
    at = dt.datetime.fromisoformat(value) if isinstance(value, str) else dt.datetime.fromtimestamp(value / 1000, dt.UTC)
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def _by(given: Mapping[str, Any], until: str = "") -> str:
    reason = wording.clean(str(given.get("reason") or ""), 200)
    return wording.clean(str(given.get("author") or "somebody")) + until + (f": {reason}" if reason else "")
