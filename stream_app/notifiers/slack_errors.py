"""What Slack's error answers mean for a message: https://docs.slack.dev/reference/methods/chat.postMessage#errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from stream_app.notifiers.base import (
    Misconfigured,
    NotifierError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)

DEFAULT_WAIT = 30.0
MAX_WAIT = 3600.0

_NEW_TOKEN = "set slack_token to a valid bot token (xoxb-...)"  # noqa: S105 - a hint, not a secret
_ASK_ADMIN = "ask the workspace's administrator to let the app post there"
#: Refusals that an operator can end, and how. Nothing was posted.
OPERATOR = {
    "not_authed": _NEW_TOKEN,
    "invalid_auth": _NEW_TOKEN,
    "token_revoked": _NEW_TOKEN,
    "token_expired": _NEW_TOKEN,
    "account_inactive": _NEW_TOKEN,
    "not_allowed_token_type": _NEW_TOKEN,
    "missing_scope": "grant the app the scope and install it anew",
    "channel_not_found": "create the channel, invite the app if it is private, or correct `to` in the rules",
    "not_in_channel": "invite the app to the channel (/invite)",
    "is_archived": "unarchive the channel, or correct `to` in the rules",
    "restricted_action": _ASK_ADMIN,
    "restricted_action_read_only_channel": _ASK_ADMIN,
    "restricted_action_thread_locked": _ASK_ADMIN,
    "ekm_access_denied": _ASK_ADMIN,
    "team_access_not_granted": _ASK_ADMIN,
    "access_denied": _ASK_ADMIN,
    "no_permission": _ASK_ADMIN,
    "org_login_required": _ASK_ADMIN,
    "message_limit_exceeded": "the workspace has reached its message limit; raise it",
}
#: Slack's own troubles: "it's possible some aspect of the operation succeeded before the error was raised".
PERHAPS_DONE = frozenset({"internal_error", "fatal_error"})
NOT_NOW = frozenset({"service_unavailable", "request_timeout", "team_added_to_org", "accesslimited"})
LIMITED = frozenset({"ratelimited", "rate_limited"})
THREAD_GONE = frozenset({"thread_not_found", "invalid_thread_ts", "message_not_found", "cannot_reply_to_message"})


class ThreadGone(Rejected):
    """The message to reply to is no longer there."""


class MissingScope(Misconfigured):
    """The app lacks a scope."""


def of_response(target: str, response: Any, *, posting: bool) -> NotifierError:
    """The error that stands for a response of Slack that is not `ok`.

    Args:
        target: where the message goes.
        response: slack_sdk's response, or aiohttp's where the body could not be read.
        posting: whether the call may have posted something.
    """
    status = int(getattr(response, "status_code", None) or getattr(response, "status", 0) or 0)
    data = getattr(response, "data", None)
    data = data if isinstance(data, Mapping) else {}
    if status == 429:
        return _limited(target, getattr(response, "headers", {}))
    if status >= 500:
        return _perhaps(f"{target}: Slack answers HTTP {status}", posting=posting)
    code = data.get("error")
    if isinstance(code, str):
        return failure(target, code, data, posting=posting)
    if 400 <= status < 500:
        return Misconfigured(f"{target}: HTTP {status} instead of an answer of Slack; correct slack_url or the proxy")
    return _perhaps(f"{target}: HTTP {status} without an answer of Slack", posting=posting)


def failure(target: str, code: str, data: Mapping[str, Any], *, posting: bool) -> NotifierError:
    """The error that stands for an error code of Slack's."""
    shown = _shown(code)
    said = f"{target}: Slack answers {shown}"
    if code in PERHAPS_DONE:
        return _perhaps(said, posting=posting)
    if code in LIMITED:
        return RateLimited(said, DEFAULT_WAIT)
    if code in NOT_NOW:
        return Unavailable(said)
    if code in THREAD_GONE:
        return ThreadGone(said)
    if code == "missing_scope":
        return MissingScope(f"{said} ({_shown(data.get('needed', ''))}); {OPERATOR[code]}")
    if code in OPERATOR:
        return Misconfigured(f"{said}; {OPERATOR[code]}")
    return Rejected(said) if posting else Unavailable(said)


def _perhaps(said: str, *, posting: bool) -> NotifierError:
    return OutcomeUnknown(said) if posting else Unavailable(said)


def _limited(target: str, headers: Mapping[str, Any]) -> RateLimited:
    values = [value for name, value in headers.items() if name.lower() == "retry-after"]
    try:
        wait = min(max(float(values[0]), 0.0), MAX_WAIT)
    except (IndexError, ValueError):
        wait = DEFAULT_WAIT
    return RateLimited(f"{target}: Slack asks to wait {wait:g} s", wait)


def _shown(code: object) -> str:
    """A code as Slack writes them; whatever else an answer may hold is not repeated."""
    text = str(code)
    return text if re.fullmatch(r"[a-z0-9_:,. ]{1,100}", text) else "an unreadable error"
