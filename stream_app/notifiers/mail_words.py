"""What a mail says, for its text and its HTML alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_app.domain.alerts import alert_key
from stream_app.notifiers import summary, wording

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change, Notice

_LONGEST_NOTE = 1000


def title(notice: Notice) -> str:
    """What happened, in a few words, with the sign of what is worst now."""
    return f"{summary.group_mark(notice)} {summary.news(notice)}"


def lead(notice: Notice) -> str:
    """The whole matter in one sentence."""
    said = summary.sentence(notice)
    return f"{said[:1].upper()}{said[1:]}."


def alerts(notice: Notice) -> list[Change]:
    """What is listed: first what the notice tells, then what else is not well."""
    told = {alert_key(change.rule, change.segment) for change in notice.changes}
    others = (one.change for one in summary.open_ones(notice))
    return [*notice.changes, *(one for one in others if alert_key(one.rule, one.segment) not in told)]


def ending(notice: Notice) -> list[str]:
    """Who has seen it, and what the rule says of itself."""
    said = summary.marks(notice)
    if notice.promise:
        said.append(f"False alarms: at most {wording.clean(notice.promise)}.")
    if notice.note:
        said.append(wording.clean(notice.note, _LONGEST_NOTE))
    return said
