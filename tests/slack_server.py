"""A loopback stand-in for Slack's Web API that rejects what Slack rejects, and fails in the ways it is told to.

async with SlackServer() as slack:
    slack.fail("drop_after")            # the next post is accepted, then the connection drops
    ... SlackNotifier(slack.token, base_url=slack.url) ...
    slack.messages                      # what stands in the channels
    await slack.press(slack.messages[0], ACKNOWLEDGE, url)  # somebody presses a button
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web
from slack_blocks import MAX_TEXT, metadata_problem, problems, too_long, view_problems

SCOPES = {"chat:write", "files:write", "channels:read", "groups:read", "channels:history"}
#: How a call can be made to fail. In those that end in `_after` it is done all the same.
FAILURES = ("429", "500", "500_after", "internal_error", "drop_before", "drop_after", "garbage_after", "hang_after")
POST, UPDATE, UPLOAD = "chat.postMessage", "chat.update", "files.getUploadURLExternal"
_POSTED = {"token", "channel", "text", "blocks", "metadata", "thread_ts", "reply_broadcast", "unfurl_links",
           "unfurl_media"}  # fmt: skip
_UPDATED = {"token", "channel", "ts", "text", "blocks", "metadata"}


class Refusal(Exception):  # noqa: N818
    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.answer = {"ok": False, "error": code, **more}


@dataclass
class Message:
    """A message in a channel; `edits` counts how often it was changed."""

    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    thread_ts: str | None
    broadcast: bool = False
    edits: int = 0

    @property
    def notice(self) -> str | None:
        """The id of the notice it was posted for."""
        return self._payload.get("id")

    @property
    def changes(self) -> tuple[str, ...]:
        """The ids of the changes it told when it was posted."""
        return tuple(str(self._payload.get("changes", "")).split())

    @property
    def _payload(self) -> dict[str, Any]:
        return (self.metadata or {}).get("event_payload") or {}

    def button(self, action: str) -> dict[str, Any]:
        """The button with this action."""
        buttons = [one for block in self.blocks if block["type"] == "actions" for one in block["elements"]]
        return next(one for one in buttons if one["action_id"] == action)

    @property
    def image(self) -> str | None:
        """The id of the file it shows."""
        return next((block["slack_file"]["id"] for block in self.blocks if block["type"] == "image"), None)


@dataclass
class File:
    """A file that was announced, sent and completed, in this order; `looks` refusals until it can be shown."""

    name: str
    length: int
    looks: int
    body: bytes | None = None
    complete: bool = False


@dataclass
class SlackServer:
    """The server. `channels` maps names to ids; the app is in all of them but `not_in`."""

    token: str = "xoxb-0000-only-for-this-test"
    signing_secret: str = "0123456789abcdef-only-for-this-test"
    channels: dict[str, str] = field(default_factory=lambda: {"retention": "C00000001", "growth": "C00000002"})
    not_in: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    page: int = 2  # small, so that every search turns pages
    retry_after: str | None = "7"
    looks: int = 1  # how often a fresh file is refused: Slack looks at it after the upload has been answered
    messages: list[Message] = field(default_factory=list)
    files: dict[str, File] = field(default_factory=dict)
    views: list[dict[str, Any]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    posts: int = 0  # attempts, whatever became of them
    url: str = ""

    def __post_init__(self) -> None:
        self._failures: dict[str, deque[str]] = {}
        self._numbers = itertools.count(1)
        self._triggers: set[str] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._released = asyncio.Event()

    def fail(self, *failures: str, method: str = POST) -> None:
        """What becomes of the next calls of a method, one each."""
        assert set(failures) <= set(FAILURES), failures
        self._failures.setdefault(method, deque()).extend(failures)

    def told(self) -> list[str]:
        """The changes that were told, as often as they were."""
        return [change for message in self.messages for change in message.changes]

    async def __aenter__(self) -> SlackServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listens; after `stop()` on the same port as before."""
        self._released.clear()
        app = web.Application()
        app.router.add_route("*", "/api/{method}", self._handle)
        app.router.add_post("/upload/{file}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}/api/"

    async def stop(self) -> None:
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    # -- people

    async def press(self, message: Message, action: str, url: str, *, user: str = "anna", **options: Any) -> Any:
        """Somebody presses a button of a message; answers what the app answered, as (status, body)."""
        button = message.button(action)
        name = next(name for name, id_ in self.channels.items() if id_ == message.channel)
        pressed = {"type": "button", "block_id": "b1", "action_ts": options.pop("action_ts", f"{time.time():.6f}")}
        payload = {
            "type": "block_actions", **self._who(user), "trigger_id": self._trigger(),
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "channel": {"id": message.channel, "name": name}, "message": {"ts": message.ts, "text": message.text},
            "actions": [pressed | {name: button[name] for name in ("action_id", "text", "value")}],
        }  # fmt: skip
        return await self.post(payload, url, **options)

    async def submit(
        self, view: dict[str, Any], given: dict[str, str], url: str, *, user: str = "anna", **options: Any
    ) -> Any:
        """Somebody fills in a dialog, `given` by block the option's or the text's value, and sends it."""
        values: dict[str, Any] = {}
        for block in view["blocks"]:
            if block["type"] != "input":
                continue
            element, value = block["element"], given.get(block["block_id"])
            if element["type"] == "static_select":
                chosen = [o for o in element["options"] if o["value"] == value] or [element.get("initial_option")]
                filled: dict[str, Any] = {"type": "static_select", "selected_option": chosen[0]}
            else:
                filled = {"type": "plain_text_input", "value": value}
            values[block["block_id"]] = {element["action_id"]: filled}
        shown = {**view, "state": {"values": values}}
        return await self.post({"type": "view_submission", **self._who(user), "view": shown}, url, **options)

    async def post(self, payload: Any, url: str, *, secret: str | None = None, age: float = 0.0) -> tuple[int, Any]:
        """Posts a signed payload to the app, as Slack does; one that takes three seconds is an error in Slack."""
        body = aiohttp.FormData({"payload": json.dumps(payload)})()._value
        at = str(int(time.time() - age))
        key = (self.signing_secret if secret is None else secret).encode()
        signature = "v0=" + hmac.new(key, b"v0:" + at.encode() + b":" + body, hashlib.sha256).hexdigest()
        headers = {"X-Slack-Request-Timestamp": at, "X-Slack-Signature": signature,
                   "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
        limit = aiohttp.ClientTimeout(total=3.0)
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(url, data=body, headers=headers) as got,
        ):
            text = await got.text()
            return got.status, json.loads(text) if got.content_type == "application/json" else text

    @staticmethod
    def _who(user: str) -> dict[str, Any]:
        known = {"id": f"U{user.upper():0<8}", "username": user, "name": user, "team_id": "T00000001"}
        return {"user": known, "team": {"id": "T00000001", "domain": "example"}, "api_app_id": "A00000001"}

    def _trigger(self) -> str:
        trigger = f"{next(self._numbers)}.1.abc"
        self._triggers.add(trigger)
        return trigger

    # -- the API

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        self.calls.append(name)
        method = getattr(self, "_" + name.replace(".", "_"), None)
        self.posts += name == POST
        failures = self._failures.get(name)
        failure = failures.popleft() if failures else None
        try:
            if failure == "429":
                headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
                return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
            if failure == "500":
                return web.Response(status=500, text="oops")
            if failure == "drop_before":
                return self._drop(request)
            if method is None:
                raise Refusal("unknown_method")
            self._authorize(request)
            answer = method(await self._arguments(request))
            if failure == "internal_error":
                raise Refusal("internal_error")
        except Refusal as refusal:
            return web.json_response(refusal.answer)
        if failure == "drop_after":
            return self._drop(request)
        if failure == "hang_after":
            await self._released.wait()
        if failure == "500_after":
            return web.Response(status=503, text="upstream")
        if failure == "garbage_after":
            return web.Response(text="<html>", content_type="application/json")
        return web.json_response({"ok": True, **answer})

    @staticmethod
    def _drop(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    @staticmethod
    async def _arguments(request: web.Request) -> dict[str, Any]:
        if request.content_type == "application/json":
            return dict(await request.json())
        return dict(request.query) | dict(await request.post())

    def _authorize(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "")
        if not given:
            raise Refusal("not_authed")
        if given != f"Bearer {self.token}":
            raise Refusal("invalid_auth")

    def _need(self, scope: str) -> None:
        if scope not in self.scopes:
            raise Refusal("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def _channel(self, given: str, *, by_name: bool) -> str:
        """The id. Only posting takes a name."""
        known = {i: n for n, i in self.channels.items()}
        found = given if given in known else self.channels.get(given.removeprefix("#")) if by_name else None
        if found is None:
            raise Refusal("channel_not_found")
        if known[found] in self.not_in:
            raise Refusal("not_in_channel")
        if by_name and known[found] in self.archived:
            raise Refusal("is_archived")
        return found

    def _auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://example.slack.com/", "team": "Example", "user": "stream-app", "bot_id": "B1"}

    # -- reading

    def _conversations_list(self, arguments: dict[str, Any]) -> dict[str, Any]:
        types = arguments.get("types", "public_channel").split(",")
        self._need("channels:read")
        if "private_channel" in types:
            self._need("groups:read")
        names = [n for n in self.channels if n not in self.private or "private_channel" in types]
        return self._paged(arguments, "channels", [{"id": self.channels[n], "name": n} for n in sorted(names)])

    def _conversations_history(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._need("channels:history")
        channel = self._channel(arguments["channel"], by_name=False)
        found = [m for m in self.messages if m.channel == channel and (m.thread_ts is None or m.broadcast)]
        return self._shown(arguments, found[::-1])

    def _conversations_replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._need("channels:history")
        channel = self._channel(arguments["channel"], by_name=False)
        found = [m for m in self.messages if m.channel == channel and arguments["ts"] in (m.ts, m.thread_ts)]
        if not found:
            raise Refusal("thread_not_found")
        return self._shown(arguments, found)

    def _shown(self, arguments: dict[str, Any], found: list[Message]) -> dict[str, Any]:
        oldest, latest = float(arguments.get("oldest", 0)), float(arguments.get("latest", "inf"))
        inclusive = _true(arguments.get("inclusive"))
        with_metadata = _true(arguments.get("include_all_metadata"))
        rows = []
        for m in found:
            ts = float(m.ts)
            if not (oldest <= ts <= latest if inclusive else oldest < ts < latest):
                continue
            row: dict[str, Any] = {"type": "message", "ts": m.ts, "text": m.text, "blocks": _as_shown(m.blocks)}
            if m.metadata and with_metadata:
                row["metadata"] = m.metadata
            rows.append(row)
        return self._paged(arguments, "messages", rows)

    def _paged(self, arguments: dict[str, Any], name: str, rows: list[Any]) -> dict[str, Any]:
        start = int(arguments.get("cursor") or 0)
        end = start + min(int(arguments.get("limit", 100)), self.page)
        cursor = str(end) if end < len(rows) else ""
        return {name: rows[start:end], "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}

    # -- writing

    def _chat_postMessage(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the method's name
        self._need("chat:write")
        channel = self._channel(str(arguments.get("channel", "")), by_name=True)
        text, blocks, metadata = self._content(arguments, _POSTED)
        thread_ts = arguments.get("thread_ts")
        if thread_ts is not None and not any(m.channel == channel and m.ts == thread_ts for m in self.messages):
            raise Refusal("thread_not_found")
        ts = f"{int(time.time())}.{next(self._numbers):06d}"
        broadcast = thread_ts is not None and _true(arguments.get("reply_broadcast"))
        self.messages.append(Message(channel, ts, text, blocks, metadata, thread_ts, broadcast))
        return {"channel": channel, "ts": ts, "message": {"text": text, "ts": ts}}

    def _chat_update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._need("chat:write")
        channel = self._channel(str(arguments.get("channel", "")), by_name=False)
        text, blocks, metadata = self._content(arguments, _UPDATED)
        found = next((m for m in self.messages if (m.channel, m.ts) == (channel, arguments.get("ts"))), None)
        if found is None:
            raise Refusal("message_not_found")
        found.text, found.blocks, found.edits = text, blocks, found.edits + 1
        if metadata is not None:
            found.metadata = metadata
        return {"channel": channel, "ts": found.ts, "text": text, "message": {"text": text}}

    def _content(self, arguments: dict[str, Any], known: set[str]) -> tuple[str, list[dict[str, Any]], Any]:
        if set(arguments) - known:
            raise Refusal("invalid_arguments", errors=sorted(set(arguments) - known))
        text, blocks, metadata = arguments.get("text") or "", arguments.get("blocks") or [], arguments.get("metadata")
        if not text.strip() and not blocks:
            raise Refusal("no_text")
        if len(text) > MAX_TEXT:
            raise Refusal("msg_too_long")
        complaints = problems(blocks, self._look)
        if complaints:
            raise Refusal("invalid_blocks", errors=complaints)
        if too_long(blocks):
            raise Refusal("msg_blocks_too_long")
        refused = None if metadata is None else metadata_problem(metadata)
        if refused:
            raise Refusal(refused)
        return text, blocks, metadata

    # -- files and dialogs

    def _look(self, id_: str) -> bool:
        """Whether a file can be shown; each look brings that nearer."""
        file = self.files.get(id_)
        if file is None or not file.complete:
            return False
        file.looks -= 1
        return file.looks < 0

    def _files_getUploadURLExternal(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._need("files:write")
        length = int(arguments.get("length") or 0)
        if length < 1 or not arguments.get("filename"):
            raise Refusal("invalid_arguments")
        id_ = f"F{next(self._numbers):08d}"
        self.files[id_] = File(arguments["filename"], length, self.looks)
        return {"file_id": id_, "upload_url": self.url.replace("/api/", f"/upload/{id_}")}

    async def _take(self, request: web.Request) -> web.Response:
        self.calls.append("upload")
        failures = self._failures.get("upload")
        if failures:
            if failures.popleft() == "drop_before":
                return self._drop(request)
            return web.Response(status=500)
        file, body = self.files[request.match_info["file"]], await request.read()
        if len(body) != file.length:
            return web.Response(status=400)
        file.body = body
        return web.Response(text=f"OK - {len(body)}")

    def _files_completeUploadExternal(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._need("files:write")
        done = []
        for told in json.loads(arguments["files"]):
            file = self.files.get(told["id"])
            if file is None or file.body is None:
                raise Refusal("file_not_found")
            file.complete = True
            done.append({"id": told["id"], "title": told.get("title", file.name)})
        return {"files": done}

    def _views_open(self, arguments: dict[str, Any]) -> dict[str, Any]:
        trigger = arguments.get("trigger_id")
        if trigger not in self._triggers:
            raise Refusal("invalid_trigger_id")
        self._triggers.remove(trigger)
        view = arguments["view"]
        view = json.loads(view) if isinstance(view, str) else view
        complaints = view_problems(view)
        if complaints:
            raise Refusal("invalid_arguments", response_metadata={"messages": complaints})
        opened = {"id": f"V{next(self._numbers):08d}", **view}
        self.views.append(opened)
        return {"view": opened}


def _as_shown(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Blocks as Slack gives them back: with ids, and an image with more of its file."""
    shown = []
    for number, block in enumerate(blocks):
        more: dict[str, Any] = {"block_id": block.get("block_id", f"b{number}")}
        if block["type"] == "image":
            more |= {"image_width": 1200, "image_height": 660, "image_bytes": 40_000, "is_animated": False,
                     "slack_file": {**block["slack_file"], "url_private": "https://files.slack.com/x.png"}}  # fmt: skip
        shown.append({**block, **more})
    return shown


def _true(value: object) -> bool:
    return str(value).lower() in ("1", "true")
