"""The messages of groups, which are edited as their alerts change.

An edit is idempotent: whatever becomes of it, it may be made again, and nothing is posted by it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stream_app.notifiers import slack_errors
from stream_app.notifiers.base import Misconfigured, NotifierError, OutcomeUnknown, Rejected, Unavailable
from stream_app.notifiers.chart import chart
from stream_app.notifiers.slack_calls import call, upload
from stream_app.notifiers.slack_message import EVENT_TYPE, message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from slack_sdk.web.async_client import AsyncWebClient

    from stream_app.domain.alerts import Notice
    from stream_app.notifiers.base import Receipt

logger = logging.getLogger(__name__)

#: Seconds from the beginning of a post in which its picture is drawn, uploaded and shown; the message stands without it
#: meanwhile. Less than `delivery.POST_WITHIN`, after which nobody would believe that the message was posted.
PICTURE_WITHIN = 7.0
#: Seconds between attempts to show a picture: Slack refuses a file that it still looks at after the upload.
WAITS = (0.5, 1.0, 2.0)
_MOST = 200


@dataclass(frozen=True)
class Root:
    """What an edit must keep of a message.

    Attributes:
        metadata: what it is found by.
        image: the block of its picture.
    """

    metadata: Mapping[str, Any]
    image: Mapping[str, Any] | None = None


class Roots:
    """Edits the messages of groups.

    Args:
        client: of the Web API.
        public_url: address of the page, for links.
        buttons: whether somebody listens to the buttons.
        waits: seconds between attempts to show a picture.
    """

    def __init__(
        self, client: AsyncWebClient, *, public_url: str | None, buttons: bool, waits: Sequence[float] = WAITS
    ) -> None:
        self._client = client
        self._public_url = public_url
        self._buttons = buttons
        self._waits = waits
        self._known: OrderedDict[Receipt, Root] = OrderedDict()
        self._said: str | None = None

    def arguments(self, notice: Notice, image: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The group's message as it stands; all but where and metadata."""
        return message(notice, self._public_url, image=image, buttons=self._buttons)

    def learn(self, receipt: Receipt, root: Root) -> None:
        """Remembers what an edit must keep."""
        self._known[receipt] = root
        self._known.move_to_end(receipt)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    async def update(self, notice: Notice, target: str, receipt: Receipt) -> None:
        """Brings a message up to date; one that is gone, or may not be edited any more, is left as it is.

        Raises:
            Unavailable, RateLimited: it was perhaps edited, and nothing was posted.
        """
        root = await self._root(notice, target, receipt)
        if root is None:
            return
        try:
            await self._edit(notice, target, receipt, root)
        except slack_errors.ThreadGone:
            self._known.pop(receipt, None)
        except Rejected as refused:
            logger.warning("the message of %s stays as it was: %s", notice.rule, refused)

    async def illustrate(self, notice: Notice, target: str, receipt: Receipt, began: float) -> None:
        """Shows the picture of a notice in a message that is posted already. A failure is logged, once.

        Args:
            notice: what was told.
            target: where.
            receipt: the message that is to show it.
            began: when the post began, by the clock of the event loop.
        """
        if notice.curve is None:
            return
        try:
            async with asyncio.timeout_at(began + PICTURE_WITHIN):
                await self._illustrate(notice, target, receipt)
            self._said = None
        except NotifierError as error:
            self._say(str(error))
        except TimeoutError:
            self._say(f"{target}: Slack did not show it within {PICTURE_WITHIN:g} s")
        except Exception as error:
            # The message is out: whatever is wrong with its picture must not make it count as not sent.
            logger.exception("the picture of %s cannot be drawn", notice.rule)
            self._say(type(error).__name__)

    async def _illustrate(self, notice: Notice, target: str, receipt: Receipt) -> None:
        root = await self._root(notice, target, receipt)
        drawn = await chart(notice) if root is not None else None
        if root is None or drawn is None:
            return
        file = await self._uploaded(target, notice, drawn.png, drawn.text)
        shown = replace(root, image={"type": "image", "slack_file": {"id": file}, "alt_text": drawn.text[:500]})
        for wait in (*self._waits, None):
            try:
                await self._edit(notice, target, receipt, shown)
                self.learn(receipt, shown)
                return
            except Rejected:
                if wait is None:
                    raise
                await asyncio.sleep(wait)

    async def _uploaded(self, target: str, notice: Notice, body: bytes, text: str) -> str:
        """The id of the file, which is shared nowhere: only the message that shows it does that."""
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in notice.rule)[:60]
        client = self._client
        asked = await call(
            target, client.files_getUploadURLExternal, filename=f"{name}.png", length=len(body), alt_txt=text[:1000]
        )
        await upload(target, client, str(asked.get("upload_url")), body)
        file = str(asked.get("file_id"))
        await call(target, client.files_completeUploadExternal, files=[{"id": file, "title": notice.rule[:200]}])
        return file

    async def _edit(self, notice: Notice, target: str, receipt: Receipt, root: Root) -> None:
        arguments = self.arguments(notice, root.image)
        given = {name: arguments[name] for name in ("text", "blocks")}
        try:
            await call(
                target, self._client.chat_update, posting=True, channel=receipt.channel, ts=receipt.ts,
                metadata=root.metadata, **given,
            )  # fmt: skip
        except OutcomeUnknown as error:
            raise Unavailable(str(error)) from None

    async def _root(self, notice: Notice, target: str, receipt: Receipt) -> Root | None:
        """What must be kept of a message, read from it where this process did not post it; None if it is gone."""
        known = self._known.get(receipt)
        if known is not None:
            return known
        found = Root({"event_type": EVENT_TYPE, "event_payload": {"id": notice.root or notice.id}})
        try:
            page = await call(
                target, self._client.conversations_history, channel=receipt.channel, latest=receipt.ts,
                oldest=receipt.ts, inclusive=True, limit=1, include_all_metadata=True,
            )  # fmt: skip
        except Misconfigured:
            return found  # it may not be read; it can be edited all the same, and loses its picture
        posted = next((one for one in page.get("messages") or () if one.get("ts") == receipt.ts), None)
        if posted is None:
            return None
        image = next((block for block in posted.get("blocks") or () if block.get("type") == "image"), None)
        found = Root(posted.get("metadata") or found.metadata, _as_posted(image))
        self.learn(receipt, found)
        return found

    def _say(self, reason: str) -> None:
        """Says why there is no picture, once until there is one again."""
        if reason != self._said:
            self._said = reason
            logger.warning("alerts are sent to Slack without a picture: %s", reason)


def _as_posted(image: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The block of a picture as it is sent; Slack shows it with more than that."""
    file = (image or {}).get("slack_file") or {}
    if not file.get("id"):
        return None
    return {"type": "image", "slack_file": {"id": file["id"]}, "alt_text": (image or {}).get("alt_text") or "chart"}
