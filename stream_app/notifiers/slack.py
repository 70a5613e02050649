"""Alerts to Slack: `chat.postMessage`, and the search that settles what became of a post.

Slack has no idempotency key. Each message carries its change's id as metadata instead, and a post whose outcome is
unknown is looked for in the channel's history before it is sent again. Scopes: `chat:write` to post; for the search
`channels:history` and `channels:read` (`groups:history`, `groups:read` for private channels).
"""

from __future__ import annotations

import logging
import math
import re
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from stream_app.notifiers import slack_errors
from stream_app.notifiers.base import Misconfigured, NotifierError, OutcomeUnknown, Receipt, Unavailable
from stream_app.notifiers.slack_message import carries, message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from slack_sdk.web.async_slack_response import AsyncSlackResponse

    from stream_app.domain.alerts import Change

PREFIX = "slack:"
#: How much further back than the first attempt a message is looked for (seconds).
MARGIN = 3600.0
PAGE = 200
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,20}")
_TRANSPORT = (aiohttp.ClientError, OSError, TimeoutError, ValueError, AttributeError, SlackClientError)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)


class SlackNotifier:
    """Posts alerts to Slack channels.

    Args:
        token: the bot's token.
        base_url: address of the Web API.
        public_url: address of the page, for links.
        timeout: seconds a call may take; less than the outbox's `settle`, so that no post outlives the wait for it.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = AsyncWebClient.BASE_URL,
        public_url: str | None = None,
        timeout: int = 10,
    ) -> None:
        # No retry handlers: the client would sleep and post again unseen, while the outbox stores each attempt.
        # A logger of its own at INFO: at DEBUG the client writes whole requests into the log.
        logger = logging.getLogger(f"{__name__}.client")
        logger.setLevel(logging.INFO)
        self._client = AsyncWebClient(token, base_url, timeout, retry_handlers=[], logger=logger)
        self._public_url = public_url
        self._channels: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"SlackNotifier(base_url={self._client.base_url!r})"

    async def send(self, change: Change, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Posts one message, under the thread's if one is given and still there."""
        arguments = message(change, self._public_url)
        channel = target.removeprefix(PREFIX)
        if thread is not None:
            try:
                return await self._post(target, channel=thread.channel, thread_ts=thread.ts, **arguments)
            except slack_errors.ThreadGone:
                pass  # refused, so it was not posted: it stands by itself
        return await self._post(target, channel=channel, **arguments)

    async def find(
        self, change_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """Looks through the thread, and through the channel's history back to the first attempt."""
        channel = thread.channel if thread is not None else await self._channel(target)
        where = {"channel": channel, "include_all_metadata": True}
        if thread is not None:
            try:
                async for page in self._pages(target, self._client.conversations_replies, ts=thread.ts, **where):
                    for posted in page.get("messages") or ():
                        if carries(posted, change_id):
                            return Receipt(channel, str(posted["ts"]))
            except slack_errors.ThreadGone:
                pass  # then it was posted by itself, if it was
        first_try: float | None = None
        async for page in self._pages(target, self._client.conversations_history, **where):
            if first_try is None:
                first_try = _time_of(page) - age
            messages = page.get("messages") or ()
            for posted in messages:
                if carries(posted, change_id):
                    return Receipt(channel, str(posted["ts"]))
            if messages and float(messages[-1]["ts"]) < first_try - MARGIN:
                break  # the newest come first
        return None

    async def check(self, targets: Iterable[str]) -> list[str]:
        """What stands in the way of posting to these targets, as messages for an operator; empty if nothing does."""
        try:
            await self._call("slack_token", self._client.auth_test)
        except NotifierError as error:
            return [str(error)]
        problems = []
        for target in sorted(set(targets)):
            try:
                # Posting needs neither the channel's id nor its history, but telling each change once does.
                channel = await self._channel(target)
                await self._call(target, self._client.conversations_history, channel=channel, limit=1)
            except NotifierError as error:
                problems.append(str(error))
        return problems

    async def _post(self, target: str, **arguments: Any) -> Receipt:
        response = await self._call(target, self._client.chat_postMessage, posting=True, **arguments)
        channel, ts = response.get("channel"), response.get("ts")
        if not (isinstance(channel, str) and isinstance(ts, str)):
            raise OutcomeUnknown(f"{target}: Slack's answer names no message")
        self._channels[target] = channel
        return Receipt(channel, ts)

    async def _channel(self, target: str) -> str:
        """The channel's id, which the history is asked by."""
        name = target.removeprefix(PREFIX)
        if _CHANNEL_ID.fullmatch(name):
            return name
        if target not in self._channels:
            try:
                await self._list_channels(target, "public_channel,private_channel")
            except slack_errors.MissingScope:
                await self._list_channels(target, "public_channel")  # an app that is in no private channel
        if target not in self._channels:
            raise slack_errors.failure(target, "channel_not_found", {}, posting=False)
        return self._channels[target]

    async def _list_channels(self, target: str, types: str) -> None:
        pages = self._pages(target, self._client.conversations_list, limit=999, types=types, exclude_archived=True)
        async for page in pages:
            for channel in page.get("channels") or ():
                self._channels.setdefault(f"{PREFIX}#{channel['name']}", channel["id"])
            if target in self._channels:
                return

    async def _pages(
        self, target: str, method: Callable[..., Awaitable[Any]], **arguments: Any
    ) -> AsyncIterator[AsyncSlackResponse]:
        arguments = {"limit": PAGE} | arguments
        while True:
            page = await self._call(target, method, **arguments)
            yield page
            cursor = (page.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
            arguments["cursor"] = cursor

    async def _call(
        self, target: str, method: Callable[..., Awaitable[Any]], *, posting: bool = False, **arguments: Any
    ) -> AsyncSlackResponse:
        """Slack's answer. What failed is told in words of our own: the originals may quote headers."""
        try:
            response: AsyncSlackResponse = await method(**arguments)
        except SlackApiError as error:
            raise slack_errors.of_response(target, error.response, posting=posting) from None
        except aiohttp.InvalidURL:
            raise Misconfigured(f"{target}: slack_url is not an address; correct it") from None
        except _NEVER_SENT as error:
            raise Unavailable(
                f"{target}: cannot connect to Slack ({type(error).__name__}); see that slack_url is reachable"
            ) from None
        except _TRANSPORT as error:
            kind = OutcomeUnknown if posting else Unavailable
            raise kind(f"{target}: the connection to Slack failed ({type(error).__name__})") from None
        if not isinstance(response.data, dict):
            kind = OutcomeUnknown if posting else Unavailable
            raise kind(f"{target}: Slack's answer is not JSON")
        return response


def _time_of(response: AsyncSlackResponse) -> float:
    """When Slack answered, by its own clock (seconds since the epoch); the beginning of time where it does not say."""
    try:
        return parsedate_to_datetime(response.headers["Date"]).timestamp()
    except (KeyError, TypeError, ValueError):
        return -math.inf
