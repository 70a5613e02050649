"""What an alert says, in sentences that every notifier shares."""

from __future__ import annotations

import datetime as dt
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from stream_app.domain.alerts import Health, Reason, State
from stream_app.domain.alerts.rule import BEHIND, STALLED, VOLUME
from stream_app.notifiers import terms
from stream_app.reports.words import period_name

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change

MAX_VALUE = 80
#: What is said of an alert that cannot be judged, or can again.
_HEALTH = {
    Reason.NO_DATA: "has no data",
    Reason.ERROR: "cannot be judged",
    Reason.DATA_BACK: "is judged again",
}
#: What to do about an event stream.
_CHECK = "Check the producers"
_WITHDRAWN = (Reason.RULE_CHANGED, Reason.RULE_REMOVED)
#: Of the alerts on the event stream itself: what is said of it when they fire, and when they end.
_STREAM = {
    VOLUME: ("has too few users", "is whole again"),
    STALLED: ("has stopped", "moves again"),
    BEHIND: ("is behind", "has caught up"),
}


def clean(text: str, limit: int = MAX_VALUE) -> str:
    """Text of others made safe to show: one line, no control or direction characters, not longer than `limit`."""
    shown = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * limit])
    shown = " ".join(shown.split())
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def about_health(change: Change) -> bool:
    """Whether it tells that an alert cannot be judged, or can again, and nothing of the figure."""
    return change.reason in _HEALTH


def withdrawn(change: Change) -> bool:
    """Whether the alert is no longer judged as it was."""
    return change.reason in _WITHDRAWN


def headline(change: Change) -> str:
    """What happened, in two or three words: `Retention fell`."""
    topic = terms.term(change).topic
    if withdrawn(change):
        return "Alert withdrawn"
    if about_health(change):
        return f"{topic} {_HEALTH[change.reason]}"
    if change.rule in _STREAM:
        return f"The event stream{_of_kind(change)} {_STREAM[change.rule][0 if change.state is State.FIRING else 1]}"
    above = change.side == "above"
    return {
        State.FIRING: f"{topic} {'rose' if above else 'fell'}",
        State.PENDING: f"{topic} may be {'rising' if above else 'falling'}",
        State.RESOLVED: f"{topic} recovered",
        State.INACTIVE: f"{topic} is as it should be",
    }[change.state]


def title(change: Change) -> str:
    """What happened and to which rule: `Retention fell: pro-day-7`."""
    return f"{headline(change)}: {clean(change.rule, 100)}"


def who(change: Change) -> str:
    """The segment: `plan = pro`, or `all users`; of the event stream `events of repurchase`, or `all events`."""
    if change.figure == "stream":
        return f"events{_of_kind(change)}" if change.segment else "all events"
    parts = [f"{clean(name)} = {clean(value)}" for name, value in sorted(change.segment.items())]
    return ", ".join(parts) or "all users"


def figure(change: Change) -> str:
    """The figure's name: `Day-7 retention`."""
    grain = change.grain
    return terms.term(change).name.format(Grain=grain.capitalize(), grain=grain, index=change.index)


def of_whom(change: Change) -> str:
    """` of plan = pro`, or nothing where the figure is of the event stream itself."""
    return "" if change.figure == "stream" else f" of {who(change)}"


def verb(change: Change) -> str:
    """What the figure did: `fell to`."""
    if change.state is State.FIRING:
        return "rose to" if change.side == "above" else "fell to"
    return "is back at" if change.state is State.RESOLVED else "is at"


def distance(change: Change, *, short: bool = False) -> str:
    """How far it is from its threshold: `9.0 points below the threshold of 30.0 %`; empty without either.

    Args:
        change: what is told.
        short: for a line in a list: `9.0 points below 30.0 %`.
    """
    value, threshold = change.value, change.threshold
    if value is None or threshold is None:
        return ""
    limit = terms.values(change, value, threshold)[1]
    gap = abs(value - threshold)
    side = "below" if value < threshold else "above"
    place = f"{terms.gap(change, gap)} {side}" if gap else "exactly at"
    usual = "" if change.baseline is None else terms.values(change, change.baseline, threshold)[0]
    if short:
        return f"{place} {limit}" + (f" (baseline {usual})" if usual else "")
    return f"{place} the {limit} that its baseline of {usual} allows" if usual else f"{place} the threshold of {limit}"


def value(change: Change) -> str:
    """The figure as it is written beside its threshold: `21.0 %`; `unknown` without one."""
    if change.value is None:
        return "unknown"
    given = [change.value] if change.threshold is None else [change.value, change.threshold]
    return terms.values(change, *given)[0]


def interval(change: Change) -> str:
    """The 95 % interval: `18.8 % to 23.4 %`; empty for a value figure."""
    if change.low is None or change.high is None:
        return ""
    return " to ".join(terms.values(change, change.low, change.high))


def verdict(change: Change) -> str:
    """How far it is: `21.0 %, 9.0 points below the threshold of 30.0 %`."""
    return ", ".join(filter(None, [value(change), distance(change)]))


def sentence(change: Change) -> str:
    """The whole matter in one sentence, for a notification's preview or a log line."""
    if change.figure == "stream":
        return stream(change)
    what = f"{figure(change)}{of_whom(change)}"
    odd = condition(change)
    return f"{what} {odd}" if odd else f"{what} {verb(change)} {verdict(change)}{by_now(change)}"


def condition(change: Change) -> str:
    """What is said instead of a value: the alert was withdrawn, or cannot be judged, or can again; else empty."""
    if withdrawn(change):
        return f"is no longer watched as it was: {ending(change)}"
    if change.reason is Reason.ERROR:
        why = clean(change.note or "", 300).rstrip(".")
        return f"cannot be judged: {why}" if why else "cannot be judged; the page says why"
    if change.reason is Reason.NO_DATA:
        for_ = f" for {change.cohorts} closed periods" if change.cohorts > 1 else ""
        until = f", up to {cohort(change, change.cohort)}" if change.cohort else ""
        return f"has had no group large enough to judge{for_}{until}"
    if change.reason is Reason.DATA_BACK:
        return f"is judged again{f', from {cohort(change, change.cohort)} on' if change.cohort else ''}"
    return ""


def by_now(change: Change) -> str:
    """What is added of an alert that was told as firing and cannot be judged any more; else empty."""
    if about_health(change) or change.health is Health.OK:
        return ""
    return "; by now it has no data" if change.health is Health.NO_DATA else "; by now it cannot be judged"


def stream(change: Change) -> str:
    """The sentence of an alert on the event stream itself."""
    if withdrawn(change):
        why = "no rule is about it, or it was turned off" if change.segment else "it was turned off in the rules"
        return f"The event stream{_of_kind(change)} is no longer watched for this: {why}"
    over = change.state is not State.FIRING
    value, limit = change.value or 0.0, change.threshold or 0.0
    if change.rule == VOLUME:
        share = f", {value:.0%} of the usual {change.group:,}".replace("%", " %") if change.group else ""
        users = f"active users{_of_kind(change)}{' again' if over else ''}"
        told = f"{change.cohort} had {change.count or 0:,} {users}{share}"
        what = "rules on these events" if change.segment else "retention rules"
        if over:
            return told
        return f"{told} (alert below {limit * 100:g} %); {what} skip that day. {_CHECK} and the dead letters"
    if change.rule == STALLED:
        if over:
            return "The watermark moves again, and closed periods are judged"
        return f"The watermark has not moved for {terms.span(value)}: no period closes, and no rule is judged. {_CHECK}"
    behind = f"The watermark is {terms.span(value)} behind the clock"
    return f"{behind} (alert from {terms.span(limit)} on){' again' if over else ''}"


def _of_kind(change: Change) -> str:
    """` of repurchase`, or nothing where all events are meant."""
    return "".join(f" of {clean(name)}" for name in change.segment.values())


def ending(change: Change) -> str:
    """Why an alert was withdrawn."""
    if change.reason is Reason.RULE_REMOVED:
        return "its rule was removed, or this segment taken out of it"
    return "its rule was changed"


def at_risk(change: Change) -> str:
    """Users and revenue at risk: `112 users, 3,400.00 USD`; empty where neither is known."""
    said = []
    if change.users_at_risk:
        said.append(f"{change.users_at_risk:,} {'user' if change.users_at_risk == 1 else 'users'}")
    if change.revenue_at_risk:
        said.append(terms.money(change.revenue_at_risk, change.currency))
    return ", ".join(said)


def cohort(change: Change, start: str) -> str:
    """The judged cohort or period: `the cohort of 2026-02-27`, `the week of 2026-02-23`."""
    name = period_name(change.grain, start)
    if has_cohorts(change):
        return f"the cohort of {'the week of ' if change.grain == 'week' else ''}{name}"
    return f"the week of {name}" if change.grain == "week" else name


def has_cohorts(change: Change) -> bool:
    """Whether the figure is of cohorts, and not of periods."""
    return (change.figure, change.measure) in {("retention", "rate"), ("value", "ltv")}


def facts(change: Change) -> list[tuple[str, str]]:
    """What else to know, as names and values: what was judged, how sure it is, what it costs, and since when."""
    if change.figure == "stream":
        rows = [("Watermark", change.cohort)] if change.rule != VOLUME and change.cohort else []
        return [*rows, ("Since", change.began)] if change.began and change.state is State.FIRING else rows
    what = terms.term(change)
    group = what.group.format(grain=change.grain)
    judged = filter(None, [clean(change.definition), change.cohort and cohort(change, change.cohort)])
    rows = [("Judged", ", ".join(judged))]
    if change.count is not None and what.counted:
        rows.append((what.counted, f"{change.count:,} of {change.group:,}"))
    elif change.group:
        rows.append((f"Group ({group})", f"{change.group:,}"))
    if interval(change):
        rows.append(("95 % interval", interval(change)))
    if at_risk(change) and change.state is State.FIRING:
        rows.append(("At risk", at_risk(change)))
    rows += _since(change)
    if change.evidence is not None and change.state is State.FIRING:
        rows.append(("Evidence against chance", terms.odds(change.evidence)))
    if change.flapping:
        rows.append(("Flapping", "it changes often: it stays firing until it is calm"))
    return rows


def _since(change: Change) -> list[tuple[str, str]]:
    if change.began is None or about_health(change):
        return []
    side, start = change.side.capitalize(), cohort(change, change.began)
    if change.state in (State.FIRING, State.PENDING):
        lasting = f" ({change.cohorts} judged)" if change.cohorts > 1 else ""
        return [(f"{side} since", f"{start}{lasting}")]
    return [(f"Was {change.side} since", start)] if change.began != change.cohort else []


def epoch(at: str) -> int:
    """An instant (RFC 3339) in seconds since the epoch."""
    return int(dt.datetime.fromisoformat(at).timestamp())


def link(change: Change, public_url: str | None) -> str | None:
    """The page that shows the cell that was judged; None without a public address."""
    if not public_url:
        return None
    page = f"{public_url.rstrip('/')}/"
    if not change.definition:
        return page
    shown = {"figure": change.figure} if change.figure != "retention" else {}
    shown |= {"definition": change.definition, "grain": change.grain}
    for name, value in list(change.segment.items())[:1]:
        shown |= {"segment": name, "value": value} if len(value) <= MAX_VALUE else {"segment": name}
    if (change.figure, change.measure) == ("retention", "rate"):
        shown |= {"cohort": change.cohort, "index": str(change.index)}
    return f"{page}#{urlencode(shown)}"
