"""One face for every notifier under the shared contract, with the faults it can be given."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Protocol

from slack_server import SlackServer

from stream_app.notifiers import ConsoleNotifier, Notifier, SlackNotifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Harness(Protocol):
    target: str
    secret: str
    notifier: Notifier
    #: Whether what was told can still be found by a new process.
    findable_after_crash: bool

    def told(self, notice_id: str, rule: str) -> int:
        """How often a reader sees it."""

    def drop_after_accepting(self) -> None: ...
    def drop_before_accepting(self) -> None: ...
    def restart(self) -> Notifier:
        """The notifier of a new process."""


class _Stream(io.StringIO):
    """Fails once: before it takes anything, or after."""

    fault: str | None = None

    def write(self, text: str) -> int:
        if self.fault == "before":
            self.fault = None
            raise BrokenPipeError
        return super().write(text)

    def flush(self) -> None:
        if self.fault == "after":
            self.fault = None
            raise BrokenPipeError


class ConsoleHarness:
    target, secret, findable_after_crash = "console", "no secret here", False

    def __init__(self) -> None:
        self.stream = _Stream()
        self.notifier: Notifier = self.restart()

    def told(self, notice_id: str, rule: str) -> int:
        return self.stream.getvalue().count(rule)

    def drop_after_accepting(self) -> None:
        self.stream.fault = "after"

    def drop_before_accepting(self) -> None:
        self.stream.fault = "before"

    def restart(self) -> Notifier:
        return ConsoleNotifier(stream=lambda: self.stream)


class SlackHarness:
    target, findable_after_crash = "slack:#retention", True

    def __init__(self, server: SlackServer) -> None:
        self.server = server
        self.secret = server.token
        self.notifier: Notifier = self.restart()

    def told(self, notice_id: str, rule: str) -> int:
        return sum(m.notice == notice_id for m in self.server.messages)

    def drop_after_accepting(self) -> None:
        self.server.fail("drop_after")

    def drop_before_accepting(self) -> None:
        self.server.fail("drop_before")

    def restart(self) -> Notifier:
        return SlackNotifier(self.server.token, base_url=self.server.url, waits=(0.0, 0.0))


async def harness(kind: str) -> AsyncIterator[Harness]:
    if kind == "console":
        yield ConsoleHarness()
    else:
        async with SlackServer() as server:
            yield SlackHarness(server)
