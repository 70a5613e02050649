"""The ids of Slack's channels, which its history is asked by."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stream_app.notifiers import slack_errors
from stream_app.notifiers.slack_calls import pages

if TYPE_CHECKING:
    from slack_sdk.web.async_client import AsyncWebClient

PREFIX = "slack:"
_CHANNEL_ID = re.compile(r"[CGD][A-Z0-9]{8,20}")


class Channels:
    """Knows channels by target; asks for those it does not know."""

    def __init__(self, client: AsyncWebClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def learn(self, target: str, channel: str) -> None:
        """Remembers where a message went."""
        self._known[target] = channel

    async def of(self, target: str) -> str:
        """The channel's id. Raises NotifierError."""
        name = target.removeprefix(PREFIX)
        if _CHANNEL_ID.fullmatch(name):
            return name
        if target not in self._known:
            try:
                await self._list(target, "public_channel,private_channel")
            except slack_errors.MissingScope:
                await self._list(target, "public_channel")  # an app that is in no private channel
        if target not in self._known:
            raise slack_errors.failure(target, "channel_not_found", {}, posting=False)
        return self._known[target]

    async def _list(self, target: str, types: str) -> None:
        found = pages(target, self._client.conversations_list, limit=999, types=types, exclude_archived=True)
        async for page in found:
            for channel in page.get("channels") or ():
                self._known.setdefault(f"{PREFIX}#{channel['name']}", channel["id"])
            if target in self._known:
                return
