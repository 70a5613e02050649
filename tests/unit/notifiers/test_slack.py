from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slack_server import SlackServer, _block_problems
from support.notify import change, resolved

from stream_app.domain.alerts import Reason, State
from stream_app.notifiers import (
    Misconfigured,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
    SlackNotifier,
    Unavailable,
    slack_message,
)
from stream_app.notifiers.slack_message import message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TARGET = "slack:#retention"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as running:
        yield running


@pytest.fixture
def slack(server: SlackServer) -> SlackNotifier:
    return SlackNotifier(server.token, base_url=server.url)


class TestTheMessage:
    def test_says_at_a_glance_what_where_and_how_far(self):
        built = message(change(), "https://x.example")
        header, lead, facts, context = built["blocks"]
        assert header["text"]["text"] == "🔴 Retention fell: pro-day-7"
        assert lead["text"]["text"] == (
            "*Day-7 retention* of `plan = pro` fell to *21.0 %*, 9.0 points below the threshold of 30.0 %."
        )
        assert [f["text"] for f in facts["fields"]] == [
            "*Cohort*\nengagement, of 2026-03-01",
            "*Users who came back*\n260 of 1,240",
            "*Below since*\nthe cohort of 2026-02-27",
        ]
        assert [e["text"] for e in context["elements"]] == [
            "Known since <!date^1773014400^{date_short_pretty} {time}|2026-03-09T00:00:00Z>",
            "<https://x.example/?definition=engagement&amp;grain=day&amp;segment=plan|Open the cohorts>",
        ]
        assert built["text"].startswith("🔴 Retention fell: pro-day-7: Day-7 retention of plan = pro fell to 21.0 %")

    def test_of_a_resolution_and_of_a_withdrawal(self):
        assert "is back at *34.2 %*" in message(resolved(2, change()))["blocks"][1]["text"]["text"]
        gone = message(change(state=State.INACTIVE, reason=Reason.RULE_CHANGED))
        assert gone["blocks"][0]["text"]["text"] == "⚪ Alert withdrawn: pro-day-7"
        assert gone["blocks"][1]["text"]["text"].endswith("no longer watched as it was: its rule was changed.")

    def test_carries_its_change(self):
        built = message(change())
        assert built["metadata"] == {"event_type": "stream_app_alert", "event_payload": {"id": change().id}}
        assert slack_message.carries(built, change().id)
        assert not slack_message.carries(built, change(2).id)
        assert not slack_message.carries({"metadata": None}, change().id)

    def test_a_segment_value_can_neither_mention_nor_link(self):
        shown = json.dumps(message(change(rule="a<b>&c", segment={"plan": "<!channel> & <https://x|y> `*b*`"})))
        assert "<!channel>" not in shown
        assert "<https" not in shown
        assert "&lt;!channel&gt; &amp; &lt;https://x|y&gt; '*b*'`" in shown

    @given(st.text(max_size=400), st.text(max_size=400), st.text(min_size=1, max_size=100), st.sampled_from(State))
    def test_keeps_slacks_limits_whatever_the_names(self, dimension, value, rule, state):
        built = message(change(segment={dimension: value}, rule=rule, state=state), "https://x.example/" + "a" * 200)
        assert list(_block_problems(built["blocks"])) == []
        assert len(built["text"]) < 4000
        assert len(json.dumps(built["metadata"])) < 8000


class TestPosting:
    async def test_posts_to_the_channel_by_its_name_and_learns_its_id(self, server, slack):
        receipt = await slack.send(change(), TARGET)
        (posted,) = server.messages
        assert receipt == Receipt("C00000001", posted.ts)
        assert posted.change == change().id
        assert posted.text
        assert server.calls == ["chat.postMessage"]

    async def test_posts_to_a_channel_by_its_id(self, server, slack):
        assert (await slack.send(change(), "slack:C00000002")).channel == "C00000002"

    async def test_a_resolution_replies_in_the_thread(self, server, slack):
        first = await slack.send(change(1), TARGET)
        await slack.send(resolved(2, change(1)), TARGET, thread=first)
        assert [m.thread_ts for m in server.messages] == [None, first.ts]

    async def test_stands_by_itself_where_the_thread_is_gone(self, server, slack):
        await slack.send(resolved(2, change(1)), TARGET, thread=Receipt("C00000001", "1.000001"))
        assert [m.thread_ts for m in server.messages] == [None]

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
            await slack.send(change(), TARGET)
        assert len(server.messages) == posted
        assert server.posts == 1

    async def test_a_timeout_leaves_the_outcome_open(self, server):
        server.fail("hang_after")
        slack = SlackNotifier(server.token, base_url=server.url, timeout=1)
        with pytest.raises(OutcomeUnknown, match="the connection to Slack failed"):
            await slack.send(change(), TARGET)
        assert await slack.find(change().id, TARGET) is not None

    @pytest.mark.parametrize(("header", "wait"), [("7", 7), ("0", 0), ("99999", 3600), ("soon", 30), (None, 30)])
    async def test_waits_as_long_as_slack_asks(self, server, slack, header, wait):
        server.retry_after = header
        server.fail("429")
        with pytest.raises(RateLimited) as caught:
            await slack.send(change(), TARGET)
        assert caught.value.retry_after == wait

    async def test_an_outage_is_surely_not_posted(self, server, slack):
        await server.stop()
        with pytest.raises(Unavailable, match="slack:#retention: cannot connect to Slack") as caught:
            await slack.send(change(), TARGET)
        assert not isinstance(caught.value, Misconfigured)
        await server.start()
        assert await slack.send(change(), TARGET)

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
            await slack.send(change(), TARGET)
        assert str(caught.value).startswith("slack:#retention: Slack answers ")
        assert said in str(caught.value)

    async def test_no_token_is_named(self, server):
        with pytest.raises(Misconfigured, match="not_authed; set slack_token"):
            await SlackNotifier("", base_url=server.url).send(change(), TARGET)

    async def test_what_slack_refuses_for_good_is_rejected(self, server, slack, monkeypatch):
        too_long = message(change()) | {"text": "x" * 40_001}
        monkeypatch.setattr("stream_app.notifiers.slack.message", lambda *_: too_long)
        with pytest.raises(Rejected, match="msg_too_long"):
            await slack.send(change(), TARGET)

    async def test_an_address_that_is_not_slacks_is_the_operators(self, server):
        with pytest.raises(Misconfigured, match="HTTP 404 instead of an answer of Slack; correct slack_url"):
            await SlackNotifier(server.token, base_url=server.url.replace("/api/", "/")).send(change(), TARGET)
        with pytest.raises(Misconfigured, match="slack_url is not an address"):
            await SlackNotifier(server.token, base_url="nonsense").send(change(), TARGET)


class TestSearching:
    async def test_turns_pages_and_sees_only_its_own_metadata(self, server, slack):
        receipts = [await slack.send(change(i), TARGET) for i in range(1, 8)]
        fresh = SlackNotifier(server.token, base_url=server.url)
        assert await fresh.find(change(1).id, TARGET) == receipts[0]
        assert await fresh.find(change(99).id, TARGET) is None

    async def test_looks_no_further_back_than_the_first_attempt_by_slacks_clock(self, server, slack):
        for i in range(1, 21):
            await slack.send(change(i), TARGET)
        now = float(server.messages[-1].ts)
        for message_, age in zip(server.messages, [*range(19 * 900, 0, -900), 0], strict=True):
            message_.ts = f"{now - age:.6f}"
        server.calls.clear()
        assert await slack.find(change(1).id, TARGET, age=60) is None
        assert server.calls.count("conversations.history") == 3, "an hour more than was asked for"
        assert await slack.find(change(1).id, TARGET, age=5 * 3600) is not None
        assert await slack.find(change(1).id, TARGET) is not None

    async def test_finds_a_reply_that_was_posted_by_itself(self, server, slack):
        gone = Receipt("C00000001", "1.000001")
        receipt = await slack.send(resolved(2, change(1)), TARGET, thread=gone)
        assert await slack.find(change(2).id, TARGET, thread=gone) == receipt

    async def test_an_app_in_no_private_channel_needs_no_scope_for_them(self, server, slack):
        server.scopes.discard("groups:read")
        assert await slack.find(change().id, TARGET) is None

    async def test_without_the_scope_it_says_which(self, server, slack):
        server.scopes.discard("channels:history")
        with pytest.raises(Misconfigured, match=r"missing_scope \(channels:history\)"):
            await slack.find(change().id, TARGET)

    async def test_an_outage_is_not_taken_for_absence(self, server, slack):
        await server.stop()
        with pytest.raises(Unavailable):
            await slack.find(change().id, TARGET)


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


class TestTheStandIn:
    """It must refuse what Slack refuses, or the tests above prove nothing."""

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"text": "x" * 40_001}, "msg_too_long"),
            ({"text": " ", "blocks": []}, "no_text"),
            ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
            ({"blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]}, "invalid_blocks"),
            ({"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]}, "invalid_blocks"),
            ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
            ({"blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
            ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
            ({"channel": "#none"}, "channel_not_found"),
        ],
    )
    async def test_refuses(self, server, slack, changes, code):
        arguments = {"channel": "#retention", **message(change())} | changes
        with pytest.raises(Exception, match=code):
            await slack._client.chat_postMessage(**arguments)
        assert server.messages == []

    async def test_history_takes_no_name_and_hides_metadata_unless_asked(self, server, slack):
        await slack.send(change(), TARGET)
        with pytest.raises(Exception, match="channel_not_found"):
            await slack._client.conversations_history(channel="#retention")
        page = await slack._client.conversations_history(channel="C00000001")
        assert "metadata" not in page["messages"][0]


@settings(max_examples=5)
@given(st.text(max_size=20))
def test_escape_leaves_no_control_character(text: str):
    assert not set("<>") & set(slack_message.escape(text))
