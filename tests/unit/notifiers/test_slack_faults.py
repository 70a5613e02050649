"""A group's whole life through outbox and delivery, while Slack fails in every way: each change is told once."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from slack_server import POST, UPDATE, UPLOAD, SlackServer
from support.notices import back, curve, fell, later, opened, segments
from support.notify import Clock

from stream_app.domain.alerts import NoticeKind, Standing
from stream_app.notifiers import Delivery, Outbox, SlackNotifier
from stream_app.notifiers.entry import Entry

if TYPE_CHECKING:
    from stream_app.domain.alerts import Notice

#: How calls can fail; what hangs is for tests of its own, as each costs a timeout.
WAYS = ("429", "500", "500_after", "internal_error", "drop_before", "drop_after", "garbage_after")
SHAKY = (POST, UPDATE, UPLOAD, "upload", "files.completeUploadExternal", "conversations.history",
         "conversations.replies", "conversations.list")  # fmt: skip


def life() -> list[Notice]:
    """A group that opens, grows, is seen, is told again, shrinks and closes."""
    one, two, three = segments(3)
    root = opened(one, curve=curve(one))
    seen = [Standing(change, {"author": "@anna", "reason": "", "at": 0}) for change in (one, two, three)]
    over = [back(10 + number, change) for number, change in enumerate((one, two, three))]
    return [
        root,
        later(root, NoticeKind.CHANGED, [two, three], list(map(Standing, (one, two, three))), curve=curve(one)),
        later(root, NoticeKind.EDITED, standing=seen),
        later(root, NoticeKind.REPEATED, standing=seen, curve=curve(one)),
        later(root, NoticeKind.CHANGED, over[:1], [*seen[1:], Standing(over[0])], id="c" * 32),
        later(root, NoticeKind.CLOSED, over[1:], list(map(Standing, over)), id="d" * 32),
    ]


class Worker:
    """The outbox and its delivery, with a store that outlives them."""

    def __init__(self, server: SlackServer, clock: Clock, stored: dict[str, dict[str, object]]) -> None:
        self.stored, self.clock = stored, clock
        entries = [Entry.from_json(entry) for entry in stored.values()]
        outbox = Outbox(entries, settle=15.0, taken_at=clock())
        notifier = SlackNotifier(server.token, base_url=server.url, buttons=True, waits=(0.0, 0.0))
        self.delivery = Delivery(outbox, {"slack": notifier}, save=self.save, now=clock)

    async def save(self, entry: Entry) -> None:
        self.stored[entry.key] = entry.to_json()


@pytest.mark.parametrize("seed", range(6))
async def test_each_change_is_told_once_and_the_message_shows_how_it_ended(seed):
    chance, clock, stored = random.Random(seed), Clock(), {}
    async with SlackServer(retry_after="1") as server:
        worker = Worker(server, clock, stored)
        for notice in life():
            for method in SHAKY:
                server.fail(*(way for way in WAYS if chance.random() < 0.25), method=method)
            await worker.delivery.owe(notice)
            if chance.random() < 0.4:  # a new process takes over
                worker = Worker(server, clock, stored)
            for _ in range(200):
                await worker.delivery.run_due()
                if not worker.delivery.outbox.open:
                    break
                clock.now = max(clock.now, worker.delivery.outbox.wake_at())
            assert not worker.delivery.outbox.open
            server._failures.clear()
        told = [change.id for notice in life() for change in notice.changes]
        assert Counter(server.told()) == Counter(told)
        posts = [notice.id for notice in life() if notice.kind is not NoticeKind.EDITED]
        assert [message.notice for message in server.messages] == posts
        root, *replies = server.messages
        assert {reply.thread_ts for reply in replies} == {root.ts}
        assert root.blocks[0]["text"]["text"] == "🟢 Retention recovered in 3 segments: pro-day-7"


async def test_a_picture_never_makes_a_message_two(monkeypatch):
    monkeypatch.setattr("stream_app.notifiers.slack_roots.PICTURE_WITHIN", 0.2)
    clock, stored = Clock(), {}
    async with SlackServer() as server:
        server.fail("hang_after", method=UPLOAD)
        worker = Worker(server, clock, stored)
        await worker.delivery.owe(opened(curve=curve(fell())))
        await worker.delivery.run_due()
        assert not worker.delivery.outbox.open
        assert [message.image for message in server.messages] == [None]
