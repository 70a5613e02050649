"""The buttons of alerts in Slack: what is pressed there becomes a command.

Slack posts each press, signed, and shows an error unless it is answered within three seconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson
from aiohttp import web
from slack_sdk.signature import SignatureVerifier

from stream_app.domain.alerts import Action, Command
from stream_app.notifiers import NotifierError, slack_buttons, wording
from stream_app.notifiers.slack_calls import call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from slack_sdk.web.async_client import AsyncWebClient

log = logging.getLogger(__name__)

PATH = "/slack/actions"
#: Seconds in which a press is answered, of the three that Slack gives.
PATIENCE = 2.0
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class _Clock:
    seconds: Callable[[], float]

    def now(self) -> float:
        return self.seconds()


class SlackActions:
    """Answers what Slack posts when a button is pressed or a dialog sent.

    Args:
        signing_secret: of the Slack app, by which Slack signs.
        client: of the Web API, see `notifiers.slack_calls.slack_client`; opens the dialog.
        send: takes a command; comes back once it is stored.
        clock: the wall clock, in seconds since 1970.
        patience: seconds in which a press is answered.
    """

    def __init__(
        self,
        signing_secret: str,
        client: AsyncWebClient,
        send: Callable[[Command], Awaitable[None]],
        *,
        clock: Callable[[], float] = time.time,
        patience: float = PATIENCE,
    ) -> None:
        self._verifier = SignatureVerifier(signing_secret, _Clock(clock))  # type: ignore[arg-type]
        self._client = client
        self._send = send
        self._clock = clock
        self._patience = patience
        self._going: set[asyncio.Task[str | None]] = set()

    def routes(self) -> list[web.RouteDef]:
        """What the web server adds."""
        return [web.post(PATH, self.handle)]

    async def close(self) -> None:
        """Waits for commands that are still being stored."""
        if self._going:
            await asyncio.wait(self._going, timeout=self._patience)

    async def handle(self, request: web.Request) -> web.Response:
        """Answers one post of Slack's."""
        if (request.content_length or 0) > _MOST_BYTES:
            return web.Response(status=413, text="too large")
        body = await request.read()
        if not self._signed(body, request.headers):
            log.warning("A post to %s was not signed by Slack, or more than five minutes ago.", PATH)
            return web.Response(status=401, text="not signed with slack_signing_secret, or too old")
        try:
            payload = orjson.loads(parse_qs(body.decode())["payload"][0])
            return await self._answer(payload)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):
            log.warning("A post of Slack's to %s was not understood.", PATH)
            return web.Response(status=400, text="not understood")

    def _signed(self, body: bytes, headers: Mapping[str, str]) -> bool:
        try:
            return self._verifier.is_valid_request(body, headers)
        except (ValueError, TypeError):  # a timestamp that is no number, a body or signature that is no text
            return False

    async def _answer(self, payload: Mapping[str, Any]) -> web.Response:
        if payload["type"] == "view_submission" and payload["view"].get("callback_id") == slack_buttons.SILENCE:
            return await self._silence(payload)
        if payload["type"] == "block_actions":
            pressed = payload["actions"][0]
            if pressed["action_id"] == slack_buttons.ACKNOWLEDGE:
                return await self._acknowledge(payload, pressed)
            if pressed["action_id"] == slack_buttons.SILENCE:
                return await self._open(payload, pressed)
        return web.Response()  # a link, a choice in the dialog: nothing to do

    async def _acknowledge(self, payload: Mapping[str, Any], pressed: Mapping[str, Any]) -> web.Response:
        about = slack_buttons.About.of(pressed["value"])
        user = payload["user"]
        # Slack's own instant of the press: posted again, it is the same command.
        id_ = _id("acknowledge", about.root, str(user["id"]), str(pressed["action_ts"]))
        now = round(self._clock() * 1000)
        failed = await self._command(Command(id_, Action.ACKNOWLEDGE, now, _author(user), rule=about.rule, segment={}))
        # Slack marks a button whose press was not answered with 200.
        return web.Response(status=503, text=failed) if failed else web.Response()

    async def _open(self, payload: Mapping[str, Any], pressed: Mapping[str, Any]) -> web.Response:
        view = slack_buttons.dialog(slack_buttons.About.of(pressed["value"]))
        try:
            async with asyncio.timeout(self._patience):
                await call(PATH, self._client.views_open, trigger_id=payload["trigger_id"], view=view)
        except (NotifierError, TimeoutError) as error:
            log.warning("The dialog for a silence cannot be opened: %s.", error or "no answer in time")
            return web.Response(status=503, text="the dialog cannot be opened")
        return web.Response()

    async def _silence(self, payload: Mapping[str, Any]) -> web.Response:
        view, user = payload["view"], payload["user"]
        wish = slack_buttons.wish(view)
        if isinstance(wish, dict):
            return _errors(wish)
        now = round(self._clock() * 1000)
        command = Command(
            _id("silence", wish.about.root, str(user["id"]), str(view["id"])), Action.SILENCE, now, _author(user),
            wish.reason, wish.about.rule, wish.segment, ends=now + wish.seconds * 1000,
        )  # fmt: skip
        failed = await self._command(command)
        return _errors(slack_buttons.complaint(failed)) if failed else web.Response()

    async def _command(self, command: Command) -> str | None:
        """Hands a command on; None once it is stored, or will be, else what to tell who gave it."""
        task = asyncio.ensure_future(self._stored(command))
        self._going.add(task)
        task.add_done_callback(self._going.discard)
        done, _ = await asyncio.wait([task], timeout=self._patience)
        if not done:
            log.warning("Command %s of Slack takes long to store; Slack is answered before it is.", command.id)
            return None
        return task.result()

    async def _stored(self, command: Command) -> str | None:
        try:
            await self._send(command)
        except Exception:
            log.exception("Command %s of Slack (%s %s) is not stored.", command.id, command.action, command.rule)
            return "It could not be stored. Try again."
        return None


def _errors(by_block: Mapping[str, str]) -> web.Response:
    return web.json_response({"response_action": "errors", "errors": dict(by_block)})


def _author(user: Mapping[str, Any]) -> str:
    return f"@{wording.clean(str(user.get('username') or user.get('name') or user['id']))}"


def _id(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]
