"""An alert as a Slack message: blocks, the text of its notification, and the metadata it is found by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Change, Reason, State
from stream_app.notifiers import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TYPE = "stream_app_alert"
_MARKS = {State.FIRING: "🔴", State.RESOLVED: "🟢", State.PENDING: "🟡", State.INACTIVE: "⚪"}


def escape(text: str) -> str:
    """Text as Slack shows it literally: its three control characters as entities."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def message(change: Change, public_url: str | None = None) -> dict[str, Any]:
    """The arguments of `chat.postMessage` that say what happened; all but where.

    Names and values are cut by `wording`, so that every text stays far within Slack's limits.

    Args:
        change: what to tell.
        public_url: address of the page, for a link.
    """
    mark = _MARKS[change.state]
    blocks: list[dict[str, Any]] = [
        {
            "type": "header",
            "text": {"type": "plain_text", "text": f"{mark} {wording.title(change)}", "emoji": True},
        },
        {"type": "section", "text": _mrkdwn(_lead(change))},
        {"type": "section", "fields": [_mrkdwn(f"*{name}*\n{escape(value)}") for name, value in wording.facts(change)]},
        {"type": "context", "elements": [_mrkdwn(part) for part in _context(change, public_url)]},
    ]
    return {
        "text": escape(f"{mark} {wording.title(change)}: {wording.sentence(change)}"),
        "blocks": blocks,
        "metadata": {"event_type": EVENT_TYPE, "event_payload": {"id": change.id}},
        "unfurl_links": False,
        "unfurl_media": False,
    }


def carries(posted: Mapping[str, Any], change_id: str) -> bool:
    """Whether a message of a channel's history tells of that change."""
    metadata = posted.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return metadata.get("event_type") == EVENT_TYPE and payload.get("id") == change_id


def _lead(change: Change) -> str:
    """The sentence that is read first, with what matters in bold."""
    segment = escape(wording.who(change).replace("`", "'"))
    what = f"*{wording.figure(change)}* of " + (f"`{segment}`" if change.segment else segment)
    if change.state is State.INACTIVE and change.reason in (Reason.RULE_CHANGED, Reason.RULE_REMOVED):
        return f"{what} is no longer watched as it was: {wording.ending(change)}."
    verb = {State.FIRING: "fell to", State.RESOLVED: "is back at"}.get(change.state, "is at")
    value, rest = wording.verdict(change).split(", ", 1)
    return f"{what} {verb} *{value}*, {rest}."


def _context(change: Change, public_url: str | None) -> list[str]:
    known = f"Known since <!date^{wording.epoch(change)}^{{date_short_pretty}} {{time}}|{escape(change.at)}>"
    page = wording.link(change, public_url)
    return [known] if page is None else [known, f"<{escape(page)}|Open the cohorts>"]


def _mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}
