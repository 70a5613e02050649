"""A loopback stand-in for Slack's Web API that rejects what Slack rejects, and fails in the ways it is told to.

async with SlackServer() as slack:
    slack.fail("drop_after")            # the next post is accepted, then the connection drops
    ... SlackNotifier(slack.token, base_url=slack.url) ...
    slack.messages                      # what stands in the channels
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

MAX_TEXT, MAX_BLOCKS, MAX_SECTION, MAX_FIELDS, MAX_FIELD, MAX_HEADER, MAX_CONTEXT = 40_000, 50, 3000, 10, 2000, 150, 10
SCOPES = {"chat:write", "channels:read", "groups:read", "channels:history"}
#: How a post can be made to fail. In those that end in `_after` the message is posted all the same.
FAILURES = ("429", "500", "500_after", "internal_error", "drop_before", "drop_after", "garbage_after", "hang_after")


class Refusal(Exception):  # noqa: N818
    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.answer = {"ok": False, "error": code, **more}


@dataclass
class Message:
    channel: str
    ts: str
    text: str
    blocks: list[dict[str, Any]]
    metadata: dict[str, Any] | None
    thread_ts: str | None

    @property
    def change(self) -> str | None:
        return ((self.metadata or {}).get("event_payload") or {}).get("id")


@dataclass
class SlackServer:
    """The server. `channels` maps names to ids; the app is in all of them but `not_in`."""

    token: str = "xoxb-0000-only-for-this-test"
    channels: dict[str, str] = field(default_factory=lambda: {"retention": "C00000001", "growth": "C00000002"})
    not_in: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    page: int = 2  # small, so that every search turns pages
    retry_after: str | None = "7"
    messages: list[Message] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    posts: int = 0  # attempts, whatever became of them
    url: str = ""

    def __post_init__(self) -> None:
        self._failures: deque[str] = deque()
        self._numbers = itertools.count(1)
        self._runner: web.AppRunner | None = None
        self._port = 0
        self._released = asyncio.Event()

    def fail(self, *failures: str) -> None:
        """What becomes of the next posts, one each."""
        assert set(failures) <= set(FAILURES), failures
        self._failures.extend(failures)

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

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["method"]
        self.calls.append(name)
        method = getattr(self, "_" + name.replace(".", "_"), None)
        failure = None
        if name == "chat.postMessage":
            self.posts += 1
            failure = self._failures.popleft() if self._failures else None
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
        found = [m for m in self.messages if m.channel == channel and m.thread_ts is None]
        return self._shown(arguments, found[::-1])

    def _conversations_replies(self, arguments: dict[str, Any]) -> dict[str, Any]:
        self._need("channels:history")
        channel = self._channel(arguments["channel"], by_name=False)
        found = [m for m in self.messages if m.channel == channel and arguments["ts"] in (m.ts, m.thread_ts)]
        if not found:
            raise Refusal("thread_not_found")
        return self._shown(arguments, found)

    def _shown(self, arguments: dict[str, Any], found: list[Message]) -> dict[str, Any]:
        oldest = float(arguments.get("oldest", 0))
        with_metadata = str(arguments.get("include_all_metadata", "")).lower() in ("1", "true")
        rows = []
        for m in found:
            if float(m.ts) <= oldest:
                continue
            row: dict[str, Any] = {"type": "message", "ts": m.ts, "text": m.text, "blocks": m.blocks}
            if m.metadata and with_metadata:
                row["metadata"] = m.metadata
            rows.append(row)
        return self._paged(arguments, "messages", rows)

    def _paged(self, arguments: dict[str, Any], name: str, rows: list[Any]) -> dict[str, Any]:
        start = int(arguments.get("cursor") or 0)
        end = start + min(int(arguments.get("limit", 100)), self.page)
        cursor = str(end) if end < len(rows) else ""
        return {name: rows[start:end], "has_more": bool(cursor), "response_metadata": {"next_cursor": cursor}}

    def _chat_postMessage(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 - the method's name
        self._need("chat:write")
        channel = self._channel(str(arguments.get("channel", "")), by_name=True)
        text, blocks, metadata = arguments.get("text") or "", arguments.get("blocks") or [], arguments.get("metadata")
        if not text.strip() and not blocks:
            raise Refusal("no_text")
        if len(text) > MAX_TEXT:
            raise Refusal("msg_too_long")
        complaints = list(_block_problems(blocks))
        if complaints:
            raise Refusal("invalid_blocks", errors=complaints)
        if metadata is not None and not (
            isinstance(metadata.get("event_type"), str) and isinstance(metadata.get("event_payload"), dict)
        ):
            raise Refusal("invalid_metadata_format")
        thread_ts = arguments.get("thread_ts")
        if thread_ts is not None and not any(m.channel == channel and m.ts == thread_ts for m in self.messages):
            raise Refusal("thread_not_found")
        ts = f"{int(time.time())}.{next(self._numbers):06d}"
        self.messages.append(Message(channel, ts, text, blocks, metadata, thread_ts))
        return {"channel": channel, "ts": ts, "message": {"text": text, "ts": ts}}


def _block_problems(blocks: list[dict[str, Any]]) -> Any:
    if len(blocks) > MAX_BLOCKS:
        yield f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"
    for i, block in enumerate(blocks):
        place = f"[json-pointer:/blocks/{i}]"
        match block.get("type"):
            case "header":
                if block["text"]["type"] != "plain_text" or not 0 < len(block["text"]["text"]) <= MAX_HEADER:
                    yield f"must be 1 to {MAX_HEADER} characters of plain_text {place}"
            case "section":
                texts, fields = [block["text"]] if "text" in block else [], block.get("fields", [])
                if not texts and not fields:
                    yield f"missing text {place}"
                if any(not 0 < len(t["text"]) <= MAX_SECTION for t in texts):
                    yield f"must be less than {MAX_SECTION + 1} characters {place}"
                if len(fields) > MAX_FIELDS or any(not 0 < len(f["text"]) <= MAX_FIELD for f in fields):
                    yield f"too many or too long fields {place}"
            case "context":
                elements = block.get("elements", [])
                if not 0 < len(elements) <= MAX_CONTEXT or any(not e["text"] for e in elements):
                    yield f"1 to {MAX_CONTEXT} elements {place}"
            case "divider":
                pass
            case other:
                yield f"unsupported type: {json.dumps(other)} {place}"
