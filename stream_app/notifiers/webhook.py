"""Alerts to addresses of one's own: signed JSON by POST, as Standard Webhooks has it (standardwebhooks.com).

`webhook-id` is the notice's id, and a repeated sending has the same one, so a receiver that keeps ids can drop repeats.
Nothing can be asked of a receiver: what may have arrived is sent again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from typing import TYPE_CHECKING

from stream_app.notifiers.base import Misconfigured, Receipt
from stream_app.notifiers.notice_json import body
from stream_app.notifiers.posting import post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream_app.domain.alerts import Notice
    from stream_app.settings.outbound import Webhook

PREFIX = "webhook:"


class WebhookNotifier:
    """Posts notices to webhooks.

    Args:
        webhooks: those that are configured.
        now: the wall clock, seconds since the epoch: receivers refuse what was signed long ago.
        public_url: address of the page, for links.
        timeout: seconds a post may take; less than the outbox's `settle`.
    """

    def __init__(
        self,
        webhooks: Iterable[Webhook],
        *,
        now: Callable[[], float],
        public_url: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._webhooks = {webhook.name: webhook for webhook in webhooks}
        self._now, self._public_url, self._timeout = now, public_url, timeout

    def __repr__(self) -> str:
        return f"WebhookNotifier({', '.join(self._webhooks)})"

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Posts one notice, of every kind; those who receive it see by `group` what belongs together."""
        webhook = self._webhooks.get(target.removeprefix(PREFIX))
        if webhook is None:
            raise Misconfigured(f"{target}: there is no such webhook; name it in the setting webhooks, or correct `to`")
        content = body(notice, self._public_url)
        headers = signed(notice.id, int(self._now()), content, webhook.keys)
        await post(webhook.url, content, headers, target=target, setting="webhooks", within=self._timeout)
        return Receipt(target, notice.id)

    async def find(
        self, notice_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """None: a receiver is not asked, it gets the same id again."""
        return None

    def check(self, targets: Iterable[str]) -> list[str]:
        """What stands in the way of posting to these targets; nothing is sent."""
        missing = sorted({t for t in targets if t.removeprefix(PREFIX) not in self._webhooks})
        return [f"webhooks: rules notify {target}, which is not there; add it, or correct `to`" for target in missing]


def signed(notice_id: str, timestamp: int, content: bytes, keys: Iterable[bytes]) -> dict[str, str]:
    """The headers of a body, with a signature for each key.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md

    Args:
        notice_id: the id of what is told.
        timestamp: when it is sent, seconds since the epoch.
        content: the body.
        keys: one, or two while secrets are changed.
    """
    signed_text = f"{notice_id}.{timestamp}.".encode() + content
    signatures = [base64.b64encode(hmac.digest(key, signed_text, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
