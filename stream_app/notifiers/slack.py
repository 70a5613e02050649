"""Alerts to Slack: `chat.postMessage`, and the search that settles what became of a post.

Slack has no idempotency key. Each message carries its notice's id as metadata instead, and a post whose outcome is
unknown is looked for in the channel's history before it is sent again. Scopes: `chat:write` to post, `files:write` for
pictures; for the search `channels:history` and `channels:read` (`groups:history`, `groups:read` for private channels).
"""

from __future__ import annotations

import asyncio
import logging
import math
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from slack_sdk.web.async_client import AsyncWebClient

from stream_app.domain.alerts import NoticeKind
from stream_app.notifiers import slack_errors
from stream_app.notifiers.base import NotifierError, OutcomeUnknown, Receipt, Rejected
from stream_app.notifiers.slack_calls import call, pages, slack_client
from stream_app.notifiers.slack_channels import PREFIX, Channels
from stream_app.notifiers.slack_message import carries, metadata, reply
from stream_app.notifiers.slack_roots import WAITS, Root, Roots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from slack_sdk.web.async_slack_response import AsyncSlackResponse

    from stream_app.domain.alerts import Notice

logger = logging.getLogger(__name__)

#: How much further back than the first attempt a message is looked for (seconds).
MARGIN = 3600.0


class SlackNotifier:
    """Posts alerts to Slack channels: one message a group, which is edited, and replies to it.

    Args:
        token: the bot's token.
        base_url: address of the Web API.
        public_url: address of the page, for links.
        buttons: whether somebody listens to the buttons (`web.slack_actions`); without that, messages have none.
        timeout: seconds a call may take; less than the outbox's `settle`, so that no post outlives the wait for it.
        waits: seconds between attempts to show a picture.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = AsyncWebClient.BASE_URL,
        public_url: str | None = None,
        buttons: bool = False,
        timeout: int = 10,
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._client = slack_client(token, base_url, timeout)
        self._public_url = public_url
        self._channels = Channels(self._client)
        self._roots = Roots(self._client, public_url=public_url, buttons=buttons, waits=waits)

    def __repr__(self) -> str:
        return f"SlackNotifier(base_url={self._client.base_url!r})"

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Posts one message; under the thread's if one is given and still there, which is brought up to date before.

        The picture comes after the message, so that nobody waits for it.
        """
        began = asyncio.get_running_loop().time()
        if notice.kind is NoticeKind.EDITED:
            if thread is not None:
                await self._roots.update(notice, target, thread)
            return thread or Receipt(target, notice.id)
        if thread is not None:
            await self._roots.update(notice, target, thread)
            try:
                where = {"channel": thread.channel, "thread_ts": thread.ts}
                receipt = await self._post(notice, target, **where, **reply(notice, self._public_url))
            except slack_errors.ThreadGone:
                pass  # refused, so it was not posted: it stands by itself
            else:
                await self._roots.illustrate(notice, target, thread, began)
                return receipt
        receipt = await self._post(notice, target, channel=target.removeprefix(PREFIX), **self._roots.arguments(notice))
        self._roots.learn(receipt, Root(metadata(notice)))
        await self._roots.illustrate(notice, target, receipt, began)
        return receipt

    async def find(
        self, notice_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """Looks through the thread, and through the channel's history back to the first attempt."""
        channel = thread.channel if thread is not None else await self._channels.of(target)
        where = {"channel": channel, "include_all_metadata": True}
        if thread is not None:
            try:
                async for page in pages(target, self._client.conversations_replies, ts=thread.ts, **where):
                    for posted in page.get("messages") or ():
                        if carries(posted, notice_id):
                            return Receipt(channel, str(posted["ts"]))
            except slack_errors.ThreadGone:
                pass  # then it was posted by itself, if it was
        first_try: float | None = None
        async for page in pages(target, self._client.conversations_history, **where):
            if first_try is None:
                first_try = _time_of(page) - age
            messages = page.get("messages") or ()
            for posted in messages:
                if carries(posted, notice_id):
                    return Receipt(channel, str(posted["ts"]))
            if messages and float(messages[-1]["ts"]) < first_try - MARGIN:
                break  # the newest come first
        return None

    async def check(self, targets: Iterable[str]) -> list[str]:
        """What stands in the way of posting to these targets, as messages for an operator; empty if nothing does."""
        try:
            await call("slack_token", self._client.auth_test)
        except NotifierError as error:
            return [str(error)]
        problems = []
        for target in sorted(set(targets)):
            try:
                # Posting needs neither the channel's id nor its history, but telling each change once does.
                channel = await self._channels.of(target)
                await call(target, self._client.conversations_history, channel=channel, limit=1)
            except NotifierError as error:
                problems.append(str(error))
        return problems

    async def _post(self, notice: Notice, target: str, **arguments: Any) -> Receipt:
        """Posts; what Slack refuses for its form is posted as plain text, for an alert must not be lost to that."""
        arguments["metadata"] = metadata(notice)
        try:
            return await self._posted(target, arguments)
        except slack_errors.ThreadGone:
            raise
        except Rejected as refused:
            logger.error("an alert of %s is sent as plain text, report this: %s", notice.rule, refused)
        plain = {name: value for name, value in arguments.items() if name != "blocks"}
        return await self._posted(target, plain | {"text": plain["text"][:3000]})

    async def _posted(self, target: str, arguments: dict[str, Any]) -> Receipt:
        response = await call(target, self._client.chat_postMessage, posting=True, **arguments)
        channel, ts = response.get("channel"), response.get("ts")
        if not (isinstance(channel, str) and isinstance(ts, str)):
            raise OutcomeUnknown(f"{target}: Slack's answer names no message")
        self._channels.learn(target, channel)
        return Receipt(channel, ts)


def _time_of(response: AsyncSlackResponse) -> float:
    """When Slack answered, by its own clock (seconds since the epoch); the beginning of time where it does not say."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return -math.inf
