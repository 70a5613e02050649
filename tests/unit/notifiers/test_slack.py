from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from slack_server import UPDATE, UPLOAD, SlackServer
from support.notices import back, closed, curve, fell, later, opened, segments

from stream_app.domain.alerts import Notice, NoticeKind, Standing
from stream_app.notifiers import (
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
    SlackNotifier,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TARGET = "slack:#retention"
GONE = Receipt("C00000001", "1.000001")


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as running:
        yield running


def notifier(server: SlackServer, **options: object) -> SlackNotifier:
    return SlackNotifier(server.token, **({"base_url": server.url, "waits": (0.0, 0.0), "buttons": True} | options))


@pytest.fixture
def slack(server: SlackServer) -> SlackNotifier:
    return notifier(server)


def illustrated(*changes, **fields) -> Notice:
    told = changes or (fell(),)
    return opened(*told, curve=curve(told[0]), **fields)


class TestPosting:
    async def test_posts_to_the_channel_by_its_name_and_learns_its_id(self, server, slack):
        receipt = await slack.send(opened(), TARGET)
        (posted,) = server.messages
        assert receipt == Receipt("C00000001", posted.ts)
        assert posted.notice == opened().id
        assert posted.changes == (fell().id,)
        assert posted.text
        assert server.calls == ["chat.postMessage"]

    async def test_posts_to_a_channel_by_its_id(self, server, slack):
        assert (await slack.send(opened(), "slack:C00000002")).channel == "C00000002"

    async def test_many_segments_are_one_message(self, server, slack):
        await slack.send(opened(*segments(30)), TARGET)
        (posted,) = server.messages
        assert posted.changes == tuple(change.id for change in segments(30))

    @pytest.mark.parametrize(
        ("failure", "error", "posted"),
        [
            ("429", RateLimited, 0),
            ("500", OutcomeUnknown, 0),
            ("500_after", OutcomeUnknown, 1),
            ("internal_error", OutcomeUnknown, 1),
            ("drop_before", OutcomeUnknown, 0),
            ("drop_after", OutcomeUnknown, 1),
            ("garbage_after", OutcomeUnknown, 1),
        ],
    )
    async def test_says_what_is_known_of_a_failure_and_never_retries(self, server, slack, failure, error, posted):
        server.fail(failure)
        with pytest.raises(error):
            await slack.send(opened(), TARGET)
        assert len(server.messages) == posted
        assert server.posts == 1

    async def test_a_timeout_leaves_the_outcome_open(self, server):
        server.fail("hang_after")
        slack = notifier(server, timeout=1)
        with pytest.raises(OutcomeUnknown, match="the connection to Slack failed"):
            await slack.send(opened(), TARGET)
        assert await slack.find(opened().id, TARGET) is not None

    @pytest.mark.parametrize(("header", "wait"), [("7", 7), ("0", 0), ("99999", 3600), ("soon", 30), (None, 30)])
    async def test_waits_as_long_as_slack_asks(self, server, slack, header, wait):
        server.retry_after = header
        server.fail("429")
        with pytest.raises(RateLimited) as caught:
            await slack.send(opened(), TARGET)
        assert caught.value.retry_after == wait

    async def test_an_outage_is_surely_not_posted(self, server, slack):
        await server.stop()
        with pytest.raises(Unavailable, match="slack:#retention: cannot connect to Slack") as caught:
            await slack.send(opened(), TARGET)
        assert not isinstance(caught.value, Misconfigured)
        await server.start()
        assert await slack.send(opened(), TARGET)

    @pytest.mark.parametrize(
        ("spoil", "said"),
        [
            (lambda s: s.channels.clear(), "channel_not_found; create the channel"),
            (lambda s: s.not_in.add("retention"), "not_in_channel; invite the app"),
            (lambda s: s.archived.add("retention"), "is_archived; unarchive"),
            (lambda s: s.scopes.clear(), "missing_scope (chat:write); grant the app the scope"),
            (lambda s: setattr(s, "token", "another"), "invalid_auth; set slack_token"),
        ],
    )
    async def test_what_an_operator_can_mend_says_how_and_is_not_lost(self, server, slack, spoil, said):
        spoil(server)
        with pytest.raises(Misconfigured) as caught:
            await slack.send(opened(), TARGET)
        assert str(caught.value).startswith("slack:#retention: Slack answers ")
        assert said in str(caught.value)

    async def test_no_token_is_named(self, server):
        with pytest.raises(Misconfigured, match="not_authed; set slack_token"):
            await SlackNotifier("", base_url=server.url).send(opened(), TARGET)

    async def test_what_slack_refuses_for_its_form_is_posted_as_plain_text(self, server, slack, monkeypatch, caplog):
        spoilt = {"text": "x" * 40_001, "blocks": [{"type": "novelty"}]}
        monkeypatch.setattr("stream_app.notifiers.slack_roots.message", lambda *_, **__: spoilt)
        await slack.send(opened(), TARGET)
        (posted,) = server.messages
        assert posted.notice == opened().id
        assert posted.blocks == []
        assert "is sent as plain text, report this" in caplog.text

    async def test_what_slack_refuses_in_any_form_is_rejected(self, server, slack, monkeypatch):
        nothing = {"text": " ", "blocks": []}
        monkeypatch.setattr("stream_app.notifiers.slack_roots.message", lambda *_, **__: nothing)
        with pytest.raises(Rejected, match="no_text"):
            await slack.send(opened(), TARGET)
        assert server.messages == []

    async def test_an_address_that_is_not_slacks_is_the_operators(self, server):
        with pytest.raises(Misconfigured, match="HTTP 404 instead of an answer of Slack; correct slack_url"):
            await notifier(server, base_url=server.url.replace("/api/", "/")).send(opened(), TARGET)
        with pytest.raises(Misconfigured, match="slack_url is not an address"):
            await notifier(server, base_url="nonsense").send(opened(), TARGET)


class TestAGroup:
    async def test_its_end_edits_the_message_and_replies_in_its_thread(self, server, slack):
        root = opened()
        first = await slack.send(root, TARGET)
        assert server.messages[0].button("stream_app_acknowledge")
        await slack.send(closed(root), TARGET, thread=first)
        message, reply = server.messages
        assert (message.thread_ts, reply.thread_ts) == (None, first.ts)
        assert (message.edits, reply.edits) == (1, 0)
        assert message.blocks[0]["text"]["text"] == "🟢 Retention recovered: pro-day-7"
        assert not [block for block in message.blocks if block["type"] == "actions"]
        assert (message.notice, message.changes) == (root.id, (root.id,)), "an edit keeps what it is found by"
        assert reply.notice == closed(root).id
        assert server.posts == 2

    async def test_more_segments_are_told_below_and_shown_in_the_channel(self, server, slack):
        one, two = segments(2)
        root = opened(one)
        first = await slack.send(root, TARGET)
        more = later(root, NoticeKind.CHANGED, [two], [Standing(one), Standing(two)])
        await slack.send(more, TARGET, thread=first)
        message, reply = server.messages
        assert message.blocks[0]["text"]["text"] == "🔴 Retention fell in 2 segments: pro-day-7"
        assert (reply.thread_ts, reply.broadcast, reply.changes) == (first.ts, True, (two.id,))
        better = later(root, NoticeKind.CHANGED, [back(9, one)], [Standing(two), Standing(back(9, one))])
        await slack.send(better, TARGET, thread=first)
        assert not server.messages[-1].broadcast, "what got better disturbs nobody"
        assert server.messages[0].blocks[0]["text"]["text"] == "🔴 Retention fell in 1 of 2 segments: pro-day-7"

    async def test_an_edit_tells_nobody(self, server, slack):
        root = opened()
        first = await slack.send(root, TARGET)
        seen = Standing(fell(), acknowledged={"author": "@anna", "reason": "", "at": 1_773_014_400_000})
        receipt = await slack.send(later(root, NoticeKind.EDITED, standing=[seen]), TARGET, thread=first)
        (message,) = server.messages
        assert receipt == first
        assert server.posts == 1
        assert "✅ Acknowledged by @anna" in str(message.blocks)
        with pytest.raises(StopIteration):
            message.button("stream_app_acknowledge")
        assert message.button("stream_app_silence")

    async def test_an_edit_of_what_was_never_posted_is_done_with(self, server, slack):
        await slack.send(later(opened(), NoticeKind.EDITED), TARGET)
        assert server.calls == []

    @pytest.mark.parametrize("failure", ["500", "500_after", "drop_before", "drop_after", "garbage_after", "429"])
    async def test_a_failed_edit_is_surely_not_posted_and_is_made_again(self, server, slack, failure):
        root = opened()
        first = await slack.send(root, TARGET)
        server.fail(failure, method=UPDATE)
        with pytest.raises((Unavailable, RateLimited)):
            await slack.send(closed(root), TARGET, thread=first)
        assert len(server.messages) == 1
        await slack.send(closed(root), TARGET, thread=first)
        assert [m.notice for m in server.messages] == [root.id, closed(root).id]

    async def test_a_message_that_is_gone_is_no_error(self, server, slack):
        root = opened()
        first = await slack.send(root, TARGET)
        server.messages.clear()
        await slack.send(later(root, NoticeKind.EDITED), TARGET, thread=first)
        assert server.messages == []
        receipt = await slack.send(closed(root), TARGET, thread=first)
        (alone,) = server.messages
        assert (alone.thread_ts, alone.notice, alone.ts) == (None, closed(root).id, receipt.ts)

    async def test_stands_by_itself_where_the_thread_is_gone_for_a_new_process(self, server, slack):
        await slack.send(closed(opened()), TARGET, thread=GONE)
        assert [m.thread_ts for m in server.messages] == [None]

    async def test_a_message_that_slack_will_not_edit_gets_its_reply(self, server, slack, monkeypatch, caplog):
        root = opened()
        first = await slack.send(root, TARGET)

        def refused(_: object) -> None:
            from slack_server import Refusal

            raise Refusal("edit_window_closed")

        monkeypatch.setattr(server, "_chat_update", refused)
        await slack.send(closed(root), TARGET, thread=first)
        assert len(server.messages) == 2
        assert "stays as it was: slack:#retention: Slack answers edit_window_closed" in caplog.text


class TestThePicture:
    async def test_is_shown_in_the_message_and_shared_nowhere_else(self, server, slack):
        await slack.send(illustrated(), TARGET)
        (posted,) = server.messages
        ((id_, file),) = server.files.items()
        assert posted.image == id_
        assert file.body.startswith(b"\x89PNG")
        assert server.posts == 1
        assert posted.edits == 1
        assert posted.notice == illustrated().id

    async def test_nobody_waits_for_it(self, server):
        server.fail("hang_after", method=UPLOAD)
        slack = notifier(server, timeout=30)
        sending = asyncio.ensure_future(slack.send(illustrated(), TARGET))
        while UPLOAD not in server.calls:
            await asyncio.sleep(0)
        assert len(server.messages) == 1
        sending.cancel()

    async def test_waits_until_slack_has_looked_at_the_file(self, server, slack):
        server.looks = 2
        await slack.send(illustrated(), TARGET)
        assert server.messages[0].image
        assert server.calls.count(UPDATE) == 3

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda s: s.scopes.discard("files:write"),
            lambda s: s.fail("500", method=UPLOAD),
            lambda s: s.fail("drop_before", method="upload"),
            lambda s: s.fail("500", method="upload"),
            lambda s: s.fail("drop_after", method="files.completeUploadExternal"),
            lambda s: s.fail("500", method=UPDATE),
            lambda s: setattr(s, "looks", 99),
        ],
    )
    async def test_its_failure_leaves_one_message_without_it_and_is_said(self, server, slack, spoil, caplog):
        spoil(server)
        receipt = await slack.send(illustrated(), TARGET)
        (posted,) = server.messages
        assert (posted.ts, posted.image) == (receipt.ts, None)
        assert server.posts == 1
        assert "alerts are sent to Slack without a picture: slack:#retention" in caplog.text

    async def test_a_missing_scope_is_said_once(self, server, slack, caplog):
        server.scopes.discard("files:write")
        for number in (1, 2, 3):
            await slack.send(illustrated(fell(number)), TARGET)
        said = [r for r in caplog.records if "without a picture" in r.message]
        assert [r.levelno for r in said] == [logging.WARNING]
        assert "missing_scope (files:write); grant the app the scope and install it anew" in said[0].message

    async def test_a_picture_that_cannot_be_drawn_is_no_failure_of_the_message(self, server, slack, monkeypatch):
        monkeypatch.setattr("stream_app.notifiers.slack_roots.chart", lambda _: 1 / 0)
        await slack.send(illustrated(), TARGET)
        assert len(server.messages) == 1

    async def test_outlives_an_edit_and_a_restart(self, server, slack):
        root = illustrated()
        first = await slack.send(root, TARGET)
        shown = server.messages[0].image
        await slack.send(later(root, NoticeKind.EDITED), TARGET, thread=first)
        assert server.messages[0].image == shown
        await notifier(server).send(later(root, NoticeKind.EDITED), TARGET, thread=first)
        (posted,) = server.messages
        assert (posted.image, posted.edits, posted.notice) == (shown, 3, root.id)
        assert posted.changes == (fell().id,)

    async def test_is_drawn_anew_when_there_is_news(self, server, slack):
        root = illustrated()
        first = await slack.send(root, TARGET)
        before = server.messages[0].image
        again = later(root, NoticeKind.REPEATED, curve=root.curve)
        await slack.send(again, TARGET, thread=first)
        assert server.messages[0].image not in (None, before)
        assert server.messages[1].image is None

    async def test_is_lost_where_the_history_may_not_be_read_and_the_message_is_not(self, server, slack):
        root = illustrated()
        first = await slack.send(root, TARGET)
        server.scopes.discard("channels:history")
        await notifier(server).send(closed(root), TARGET, thread=first)
        message, reply = server.messages
        assert (message.image, message.notice, reply.thread_ts) == (None, root.id, first.ts)


class TestSearching:
    async def test_turns_pages_and_sees_only_its_own_metadata(self, server, slack):
        receipts = [await slack.send(opened(fell(i)), TARGET) for i in range(1, 8)]
        fresh = notifier(server)
        assert await fresh.find(fell(1).id, TARGET) == receipts[0]
        assert await fresh.find(fell(99).id, TARGET) is None

    async def test_looks_no_further_back_than_the_first_attempt_by_slacks_clock(self, server, slack):
        for i in range(1, 21):
            await slack.send(opened(fell(i)), TARGET)
        now = float(server.messages[-1].ts)
        for message_, age in zip(server.messages, [*range(19 * 900, 0, -900), 0], strict=True):
            message_.ts = f"{now - age:.6f}"
        server.calls.clear()
        assert await slack.find(fell(1).id, TARGET, age=60) is None
        assert server.calls.count("conversations.history") == 3, "an hour more than was asked for"
        assert await slack.find(fell(1).id, TARGET, age=5 * 3600) is not None
        assert await slack.find(fell(1).id, TARGET) is not None

    async def test_finds_a_reply_in_its_thread_after_an_edit(self, server, slack):
        root = opened()
        first = await slack.send(root, TARGET)
        receipt = await slack.send(closed(root), TARGET, thread=first)
        fresh = notifier(server)
        assert await fresh.find(closed(root).id, TARGET, thread=first) == receipt
        assert await fresh.find(root.id, TARGET) == first, "the edit has not taken its id"

    async def test_finds_a_reply_that_was_posted_by_itself(self, server, slack):
        receipt = await slack.send(closed(opened()), TARGET, thread=GONE)
        assert await slack.find(closed(opened()).id, TARGET, thread=GONE) == receipt

    async def test_an_app_in_no_private_channel_needs_no_scope_for_them(self, server, slack):
        server.scopes.discard("groups:read")
        assert await slack.find(fell().id, TARGET) is None

    async def test_without_the_scope_it_says_which(self, server, slack):
        server.scopes.discard("channels:history")
        with pytest.raises(Misconfigured, match=r"missing_scope \(channels:history\)"):
            await slack.find(fell().id, TARGET)

    async def test_an_outage_is_not_taken_for_absence(self, server, slack):
        await server.stop()
        with pytest.raises(Unavailable):
            await slack.find(fell().id, TARGET)


class TestTheCheck:
    async def test_finds_nothing_wrong(self, slack, server):
        assert await slack.check([TARGET, "slack:#growth"]) == []
        assert server.messages == []

    async def test_names_what_is_wrong(self, server, slack):
        server.not_in.add("growth")
        problems = await slack.check([TARGET, "slack:#growth", "slack:#none"])
        assert [p.split(";")[0] for p in problems] == [
            "slack:#growth: Slack answers not_in_channel",
            "slack:#none: Slack answers channel_not_found",
        ]
        server.token = "another"
        assert await slack.check([TARGET]) == [
            "slack_token: Slack answers invalid_auth; set slack_token to a valid bot token (xoxb-...)"
        ]
