"""What `stream-app backtest` prints: the changes with their figures, and the messages that would have been sent."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from stream_app.domain.alerts import NoticeKind, Reason, State
from stream_app.domain.events import rfc3339
from stream_app.notifiers import terms, wording
from stream_app.reports.grid import grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream_app.backtest import Backtest, Sent
    from stream_app.domain.alerts import Change, Notice

_HEADING = ("at", "rule", "segment", "to", "cohort", "value", "bound", "group", "began", "users at risk", "revenue")
_NOTHING = "-"


def text(done: Backtest, width: int | None, currency: str) -> str:
    """Everything, in lines of at most so many characters; None: of any number. Money is of that currency."""
    end = "no events" if done.watermark is None else f"events until {rfc3339(done.watermark)}"
    firings = sum(change.state is State.FIRING and change.reason is Reason.BELOW for change in done.changes)
    counts = _counted(firings, "firing"), _counted(len(done.changes), "change"), _counted(len(done.sent), "message")
    parts = [f"{_counted(len(done.rules.rules), 'rule')}, {end}: {', '.join(counts)}"]
    if done.changes:
        parts.append("\n".join(grid(_HEADING, [_row(_in(currency, change)) for change in done.changes], width, kept=4)))
    if done.sent:
        parts.append("\n".join(["Messages:", *_messages(done.sent, currency)]))
    if done.withheld:
        why = Counter(str(hold.value) for _, hold in done.withheld)
        named = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in sorted(why.items()))
        parts.append(f"Never told, as it was over before it could be: {named}")
    heard = {change.rule for change in done.changes}
    quiet = [wording.clean(rule.name) for rule in done.rules.rules if rule.name not in heard]
    if quiet:
        parts.append(f"Nothing came of: {', '.join(quiet)}")
    return "\n\n".join(parts)


def _row(change: Change) -> list[str]:
    shown = [value for value in (change.value, change.threshold) if value is not None]
    words = iter(terms.values(change, *shown))
    value, bound = (_NOTHING if one is None else next(words) for one in (change.value, change.threshold))
    to = change.reason.value.replace("_", " ") if wording.about_health(change) else change.state.value
    return [
        change.at,
        wording.clean(change.rule),
        wording.who(change),
        f"{to}, flapping" if change.flapping else to,
        change.cohort,
        value,
        bound,
        f"{change.group:,}",
        change.began or _NOTHING,
        _NOTHING if change.users_at_risk is None else f"{change.users_at_risk:,}",
        _NOTHING if change.revenue_at_risk is None else terms.money(change.revenue_at_risk, change.currency),
    ]


def _messages(sent: Sequence[Sent], currency: str) -> Iterator[str]:
    """A line a message; repetitions in a row are one."""
    for (_, repeated), group in groupby(sent, lambda one: (one.notice.rule, one.notice.kind is NoticeKind.REPEATED)):
        each = list(group)
        for one in each[:1] if repeated else each:
            notice = one.notice
            to = ", ".join(map(wording.clean, notice.to))
            yield f"  {rfc3339(one.at)}  {notice.kind.value:<8}  to {to}: {_said(notice, currency)}"
        if repeated and len(each) > 1:
            yield f"  {rfc3339(each[-1].at)}  the last of {len(each)} repetitions"


def _said(notice: Notice, currency: str) -> str:
    changes = [*notice.changes, *(one.change for one in notice.now)]
    if not changes:
        return wording.clean(notice.rule)
    more = f", and {len(notice.changes) - 1} more" if len(notice.changes) > 1 else ""
    return f"{wording.clean(notice.rule)}: {wording.sentence(_in(currency, changes[0]))}{more}"


def _in(currency: str, change: Change) -> Change:
    """The change with the currency of its values, which is told only with revenue at risk."""
    return change if change.currency is not None else replace(change, currency=currency)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
