from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from slack_server import SlackServer
from support.notices import fell, opened, segments

from stream_app.domain.alerts import Action, Command
from stream_app.notifiers import SlackNotifier
from stream_app.notifiers.slack_buttons import ACKNOWLEDGE, SILENCE
from stream_app.notifiers.slack_calls import slack_client
from stream_app.web.slack_actions import SlackActions

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Judge:
    """Takes commands; as slow and as faulty as it is told to be."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.broken = False
        self.ready = asyncio.Event()
        self.ready.set()

    async def send(self, command: Command) -> None:
        await self.ready.wait()
        if self.broken:
            raise ConnectionError("no broker")
        self.commands.append(command)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        notifier = SlackNotifier(server.token, base_url=server.url, buttons=True)
        await notifier.send(opened(*segments(2)), "slack:#retention")
        yield server


@pytest.fixture
async def judge() -> Judge:
    return Judge()


@pytest.fixture
async def actions(slack: SlackServer, judge: Judge) -> SlackActions:
    client = slack_client(slack.token, slack.url)
    return SlackActions(slack.signing_secret, client, judge.send, patience=0.5)


@pytest.fixture
async def url(actions: SlackActions) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(actions.routes())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/slack/actions"
    await runner.cleanup()


async def test_acknowledge_is_a_command_of_who_pressed(slack, url, judge):
    status, _ = await slack.press(slack.messages[0], ACKNOWLEDGE, url)
    assert status == 200
    (command,) = judge.commands
    assert (command.action, command.rule, command.segment) == (Action.ACKNOWLEDGE, "pro-day-7", {})
    assert (command.author, command.ends) == ("@anna", None)


async def test_a_press_that_is_posted_twice_is_one_command_and_two_presses_are_two(slack, url, judge):
    for at in ("1.000001", "1.000001", "2.000001"):
        await slack.press(slack.messages[0], ACKNOWLEDGE, url, action_ts=at)
    first, again, other = (command.id for command in judge.commands)
    assert first == again != other
    await slack.press(slack.messages[0], ACKNOWLEDGE, url, action_ts="1.000001", user="bo")
    assert judge.commands[-1].id not in (first, other)


async def test_silence_asks_what_for_how_long_and_why(slack, url, judge):
    assert await slack.press(slack.messages[0], SILENCE, url) == (200, "")
    (view,) = slack.views
    assert judge.commands == []
    given = {"scope": "1", "span": str(3 * 86_400), "reason": "a known release"}
    assert (await slack.submit(view, given, url))[0] == 200
    (command,) = judge.commands
    assert (command.action, command.rule, command.reason) == (Action.SILENCE, "pro-day-7", "a known release")
    assert (command.segment, command.author) == ({"country": "country-001"}, "@anna")
    assert command.ends - command.at == 3 * 86_400_000
    assert command.covers("pro-day-7", {"country": "country-001"})
    assert not command.covers("pro-day-7", {"country": "country-000"})


async def test_a_dialog_that_is_sent_twice_is_one_command(slack, url, judge):
    await slack.press(slack.messages[0], SILENCE, url)
    for _ in range(2):
        await slack.submit(slack.views[0], {"span": "3600", "reason": "x"}, url)
    assert len({command.id for command in judge.commands}) == 1
    assert judge.commands[0].segment == {}, "the whole rule, unless something else is chosen"


async def test_without_a_reason_the_dialog_says_so_and_stays_open(slack, url, judge):
    await slack.press(slack.messages[0], SILENCE, url)
    status, answer = await slack.submit(slack.views[0], {"span": "3600", "reason": " "}, url)
    assert (status, answer["response_action"]) == (200, "errors")
    assert answer["errors"] == {"reason": "Say why: others will ask."}
    assert judge.commands == []


class TestOnlySlackIsHeard:
    async def test_another_secret_is_refused(self, slack, url, judge):
        assert (await slack.press(slack.messages[0], ACKNOWLEDGE, url, secret="guessed"))[0] == 401
        assert judge.commands == []

    async def test_what_was_signed_more_than_five_minutes_ago_is_refused(self, slack, url, judge):
        assert (await slack.press(slack.messages[0], ACKNOWLEDGE, url, age=301))[0] == 401
        assert (await slack.press(slack.messages[0], ACKNOWLEDGE, url, age=290))[0] == 200
        assert len(judge.commands) == 1

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=00"},
            {"X-Slack-Request-Timestamp": str(2**70), "X-Slack-Signature": "v0=00"},
            {"X-Slack-Request-Timestamp": "-1", "X-Slack-Signature": ""},
        ],
    )
    async def test_broken_headers_are_refused(self, url, judge, headers):
        import aiohttp

        async with aiohttp.ClientSession() as session, session.post(url, data=b"payload=\xff", headers=headers) as got:
            assert got.status == 401
        assert judge.commands == []

    async def test_a_body_without_end_is_refused_before_it_is_read(self, url):
        import aiohttp

        async with aiohttp.ClientSession() as session, session.post(url, data=b"x" * 300_000) as got:
            assert got.status == 413

    @pytest.mark.parametrize(
        "payload",
        [
            {},
            [],
            "text",
            {"type": "block_actions", "actions": []},
            {"type": "block_actions", "actions": [{"action_id": ACKNOWLEDGE, "value": "no JSON"}]},
            {"type": "block_actions", "actions": [{"action_id": ACKNOWLEDGE, "value": "{}"}]},
            {"type": "view_submission", "view": {"callback_id": SILENCE}, "user": {"id": "U1"}},
        ],
    )
    async def test_what_is_signed_and_not_understood_is_no_crash(self, slack, url, judge, payload):
        assert (await slack.post(payload, url))[0] == 400
        assert judge.commands == []

    @pytest.mark.parametrize(
        "payload",
        [
            {"type": "block_actions", "actions": [{"action_id": "a link"}]},
            {"type": "view_closed", "view": {}},
            {"type": "view_submission", "view": {"callback_id": "of another"}},
        ],
    )
    async def test_what_is_none_of_ours_is_answered_and_ignored(self, slack, url, judge, payload):
        assert (await slack.post(payload, url))[0] == 200
        assert judge.commands == []


class TestWithinThreeSeconds:
    async def test_a_slow_broker_does_not_keep_slack_waiting_and_the_command_is_not_lost(
        self, slack, url, judge, actions, caplog
    ):
        judge.ready.clear()
        assert (await slack.press(slack.messages[0], ACKNOWLEDGE, url))[0] == 200
        assert judge.commands == []
        assert "takes long to store" in caplog.text
        judge.ready.set()
        await actions.close()
        assert len(judge.commands) == 1

    async def test_a_slow_slack_does_not_keep_slack_waiting(self, slack, url):
        slack.fail("hang_after", method="views.open")
        assert (await slack.press(slack.messages[0], SILENCE, url))[0] == 503

    async def test_a_command_that_is_not_stored_is_said_where_it_was_given(self, slack, url, judge, caplog):
        judge.broken = True
        assert (await slack.press(slack.messages[0], ACKNOWLEDGE, url))[0] == 503
        await slack.press(slack.messages[0], SILENCE, url)
        _, answer = await slack.submit(slack.views[0], {"reason": "x"}, url)
        assert answer["errors"] == {"reason": "It could not be stored. Try again."}
        assert any(r.levelno == logging.ERROR for r in caplog.records)


async def test_neither_log_nor_answer_shows_a_secret(slack, url, caplog):
    caplog.set_level(logging.DEBUG)
    answers: list[Any] = [
        await slack.press(slack.messages[0], ACKNOWLEDGE, url),
        await slack.press(slack.messages[0], ACKNOWLEDGE, url, secret="guessed"),
        await slack.press(slack.messages[0], SILENCE, url),
    ]
    for secret in (slack.token, slack.signing_secret):
        assert secret not in caplog.text + str(answers)


def test_all_users_are_silenced_by_the_rule():
    from stream_app.notifiers.slack_buttons import About, actions

    value = actions(opened(fell(segment={})))["elements"][0]["value"]
    assert About.of(value).segments == ({},)
