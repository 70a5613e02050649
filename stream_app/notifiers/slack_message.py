"""A notice as a Slack message: blocks, the text of its notification, and the metadata it is found by.

A group has one message, which shows how all its alerts stand and is edited as they change; what happens later is told
in replies to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import NoticeKind, State
from stream_app.domain.alerts.group import bad
from stream_app.notifiers import slack_buttons, summary, wording

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stream_app.domain.alerts import Change, Notice

EVENT_TYPE = "stream_app_alert"
#: Slack's limits: https://docs.slack.dev/reference/block-kit/blocks. All blocks together it refuses from some 13,000
#: characters on (`msg_blocks_too_long`), which is written nowhere.
MAX_HEADER, MAX_SECTION, MAX_FIELDS, MAX_LIST, MAX_LINES = 150, 2900, 10, 5000, 40
MAX_ALL = 12_000
#: Characters of metadata; Slack takes 8,000 bytes.
MAX_METADATA = 6000
_MAX_NOTE = 500


def escape(text: str) -> str:
    """Text as Slack shows it literally: its three control characters as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(
    notice: Notice, public_url: str | None = None, *, image: Mapping[str, Any] | None = None, buttons: bool = False
) -> dict[str, Any]:
    """The arguments of `chat.postMessage` or `chat.update` for a group's own message; all but where and metadata.

    Args:
        notice: whose group is shown as it stands.
        public_url: address of the page, for a link.
        image: the block of its picture.
        buttons: whether somebody listens to the buttons.
    """
    mark, title = summary.group_mark(notice), summary.group_title(notice)
    all_ = [one.change for one in summary.standing(notice)]
    open_ = [one.change for one in summary.open_ones(notice)]
    head = f"{mark} {title}"[:MAX_HEADER]
    blocks: list[dict[str, Any]] = [{"type": "header", "text": {"type": "plain_text", "text": head, "emoji": True}}]
    if all_:
        worst = (open_ or all_)[0]
        blocks.append(_section(_lead(worst) if len(all_) == 1 else f"{'Worst: ' if open_ else ''}{_lead(worst)}"))
        facts = wording.facts(worst) if len(all_) == 1 else _group_facts(notice, all_, open_)
        shown = [_mrkdwn(f"*{name}*\n{escape(value)}") for name, value in facts[:MAX_FIELDS]]
        blocks += [{"type": "section", "fields": shown}] if shown else []
    if len(all_) > 1:
        blocks += _list(all_)
    note = escape(wording.clean(notice.note or "", _MAX_NOTE))
    blocks += [_section(note)] if note else []
    blocks += [dict(image)] if image else []
    actions = slack_buttons.actions(notice) if buttons else None
    blocks += [actions] if actions else []
    blocks += _context(notice, open_, public_url)
    return {"text": escape(f"{mark} {summary.preview(notice)}"), "blocks": _fitting(blocks)} | _QUIET


def reply(notice: Notice, public_url: str | None = None) -> dict[str, Any]:
    """The arguments of `chat.postMessage` for what is told below a group's message: what is new."""
    told = list(notice.changes) or [one.change for one in summary.open_ones(notice) or summary.standing(notice)]
    mark = summary.mark(next((one for one in told if bad(one)), told[0])) if told else summary.WITHDRAWN
    news = f"{mark} {summary.news(notice)}"
    blocks = [_section(f"*{escape(news)}*")]
    blocks += [_section(_lead(told[0], full=True))] if len(told) == 1 else _list(told) if told else []
    parts = [summary.tally(notice)] if len(summary.standing(notice)) > 1 else []
    page = wording.link(told[0], public_url) if told else None
    parts += [f"<{escape(page)}|Open the page>"] if page else []
    if parts:
        blocks.append({"type": "context", "elements": [_mrkdwn(part) for part in parts]})
    worse = notice.kind is NoticeKind.REPEATED or any(bad(change) for change in notice.changes)
    # What is worse is shown in the channel, too: a reply is seen only by those who follow its thread.
    return {
        "text": escape(f"{mark} {summary.preview(notice)}"),
        "blocks": _fitting(blocks),
        "reply_broadcast": worse,
    } | _QUIET


def metadata(notice: Notice) -> dict[str, Any]:
    """What a message is found by: the notice's id, and the changes it tells, as far as they fit."""
    changes, size = [], 0
    for change in notice.changes:
        size += len(change.id) + 1
        if size > MAX_METADATA:
            break
        changes.append(change.id)
    return {"event_type": EVENT_TYPE, "event_payload": {"id": notice.id, "changes": " ".join(changes)}}


def carries(posted: Mapping[str, Any], notice_id: str) -> bool:
    """Whether a message of a channel's history tells of that notice."""
    found = posted.get("metadata") or {}
    payload = found.get("event_payload") or {}
    return found.get("event_type") == EVENT_TYPE and payload.get("id") == notice_id


_QUIET = {"unfurl_links": False, "unfurl_media": False}


def _lead(change: Change, *, full: bool = False) -> str:
    """The sentence that is read first, with what matters in bold; `full`: with what facts would tell beside it."""
    if change.figure == "stream":
        return f"{escape(wording.stream(change))}."
    what = f"*{escape(wording.figure(change))}* of "
    what += _code(wording.who(change)) if change.segment else escape(wording.who(change))
    odd = wording.condition(change)
    if odd:
        return f"{what} {escape(odd)}."
    low, far = wording.interval(change) if full else "", wording.distance(change)
    said = f"{what} {wording.verb(change)} *{escape(wording.value(change))}*"
    said += f" (95 % interval {escape(low)})" if low else ""
    said += (f", {escape(far)}" if far else "") + escape(wording.by_now(change))
    risk = wording.at_risk(change) if full and change.state is State.FIRING else ""
    return f"{said}.\n*{escape(risk)}* at risk." if risk else f"{said}."


def _group_facts(notice: Notice, all_: Sequence[Change], open_: Sequence[Change]) -> list[tuple[str, str]]:
    first = (open_ or all_)[0]
    rows = [("Segments", summary.tally(notice))]
    risk = summary.total_at_risk(notice)
    rows += [("At risk together", risk)] if risk else []
    judged = filter(None, [wording.clean(first.definition), first.cohort and wording.cohort(first, first.cohort)])
    rows.append(("Judged", ", ".join(judged)))
    return rows


def _list(changes: Sequence[Change]) -> list[dict[str, Any]]:
    """A line for each alert, worst first, in as many sections as they need."""
    lines, size = [], 0
    for change in changes[:MAX_LINES]:
        who, value, rest = summary.line(change)
        shown = f"{summary.mark(change)} {_code(who)} " + (f"*{escape(value)}* " if value else "") + escape(rest)
        size += len(shown) + 1
        if size > MAX_LIST:
            break
        lines.append(shown)
    if len(lines) < len(changes):
        lines.append(f"and {len(changes) - len(lines)} more")
    return [_section(text) for text in _packed(lines)]


def _fitting(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks that Slack takes together: what is least needed, at the end, is left out first; buttons stay."""
    kept = list(blocks)
    while len(json.dumps(kept, ensure_ascii=False)) > MAX_ALL:
        spare = [one for one, block in enumerate(kept) if block["type"] in ("section", "context") and one > 1]
        if not spare:
            break
        del kept[spare[-1]]
    return kept


def _packed(lines: Iterable[str]) -> list[str]:
    """Lines in texts that a section takes."""
    texts = [""]
    for line in lines:
        if texts[-1] and len(texts[-1]) + 1 + len(line) > MAX_SECTION:
            texts.append("")
        texts[-1] += f"\n{line}" if texts[-1] else line
    return [text for text in texts if text]


def _context(notice: Notice, open_: Sequence[Change], public_url: str | None) -> list[dict[str, Any]]:
    """What is read last: since when it is known, who has seen it, where to look."""
    at = min((change.at for change in open_), default=notice.at)
    instant = f"<!date^{wording.epoch(at)}^{{date_short_pretty}} {{time}}|{escape(at)}>"
    parts = [f"Known since {instant}" if open_ else f"Over since {instant}"]
    all_ = [one.change for one in summary.standing(notice)]
    page = wording.link((open_ or all_)[0], public_url) if all_ else None
    parts += [f"<{escape(page)}|Open the page>"] if page else []
    parts += [f"False alarms: at most {escape(wording.clean(notice.promise))}"] if notice.promise else []
    parts += [escape(", ".join(f"{wording.clean(k)} = {wording.clean(v)}" for k, v in notice.labels[:10]))]
    blocks = [{"type": "context", "elements": [_mrkdwn(part) for part in parts if part]}]
    seen = [f"{'🔕' if said.startswith('Silenced') else '✅'} {escape(said)}" for said in summary.marks(notice)][:10]
    blocks += [{"type": "context", "elements": [_mrkdwn(said) for said in seen]}] if seen else []
    return blocks


def _code(text: str) -> str:
    return "`" + escape(text.replace("`", "'")) + "`"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}
