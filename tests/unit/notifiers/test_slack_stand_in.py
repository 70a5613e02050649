"""The stand-in must refuse what Slack refuses, or the tests that use it prove nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from slack_blocks import view_problems
from slack_sdk.errors import SlackApiError
from slack_server import SCOPES, SlackServer
from support.notices import fell, opened

from stream_app.notifiers import slack_buttons
from stream_app.notifiers.slack_calls import slack_client
from stream_app.notifiers.slack_message import message, metadata
from stream_app.web.slack_actions import PATH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slack_sdk.web.async_client import AsyncWebClient


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    async with SlackServer() as running:
        yield running


@pytest.fixture
def client(server: SlackServer) -> AsyncWebClient:
    return slack_client(server.token, server.url)


def good() -> dict[str, Any]:
    return {"channel": "#retention", **message(opened(), buttons=True), "metadata": metadata(opened())}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**fields: Any) -> list[dict[str, Any]]:
    usual = {"type": "button", "text": {"type": "plain_text", "text": "x"}, "action_id": "a", "value": "v"}
    return [{"type": "actions", "elements": [usual | fields]}]


def image(**fields: Any) -> list[dict[str, Any]]:
    return [{"type": "image", "alt_text": "x", **fields}]


REFUSED = {
    "text of 40,001 characters": ({"text": "x" * 40_001}, "msg_too_long"),
    "neither text nor blocks": ({"text": " ", "blocks": []}, "no_text"),
    "51 blocks": ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
    "blocks of 13,000 characters": ({"blocks": [section("x" * 2900)] * 5}, "msg_blocks_too_long"),
    "a section of 3,001 characters": ({"blocks": [section("x" * 3001)]}, "invalid_blocks"),
    "an empty section": ({"blocks": [section("")]}, "invalid_blocks"),
    "a header of 151 characters": (
        {"blocks": [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}]},
        "invalid_blocks",
    ),
    "a header of mrkdwn": ({"blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
    "11 fields": ({"blocks": [{"type": "section", "fields": [section("x")["text"]] * 11}]}, "invalid_blocks"),
    "11 elements of a context": (
        {"blocks": [{"type": "context", "elements": [section("x")["text"]] * 11}]},
        "invalid_blocks",
    ),
    "a block it does not know": ({"blocks": [{"type": "nonsense"}]}, "invalid_blocks"),
    "a dialog's block": ({"blocks": [{"type": "input"}]}, "invalid_blocks"),
    "a field it does not know": ({"blocks": [section("x") | {"colour": "red"}]}, "invalid_blocks"),
    "an argument it does not know": ({"colour": "red"}, "invalid_arguments"),
    "a button's text of 76 characters": (
        {"blocks": button(text={"type": "plain_text", "text": "x" * 76})},
        "invalid_blocks",
    ),
    "a button's value of 2,001 characters": ({"blocks": button(value="x" * 2001)}, "invalid_blocks"),
    "a button's style it does not know": ({"blocks": button(style="secondary")}, "invalid_blocks"),
    "a button without an id": ({"blocks": button(action_id="")}, "invalid_blocks"),
    "an image of a file it does not have": ({"blocks": image(slack_file={"id": "F12345678"})}, "invalid_blocks"),
    "an image of a link as an id": ({"blocks": image(slack_file={"id": "https://x"})}, "invalid_blocks"),
    "an image of two": ({"blocks": image(slack_file={"id": "F12345678"}, image_url="https://x")}, "invalid_blocks"),
    "an image that says nothing": ({"blocks": image(image_url="https://x", alt_text="")}, "invalid_blocks"),
    "metadata without a payload": ({"metadata": {"event_type": "x"}}, "invalid_metadata_format"),
    "metadata with a list": (
        {"metadata": {"event_type": "x", "event_payload": {"a": ["b"]}}},
        "invalid_metadata_schema",
    ),
    "metadata of 8 kB": ({"metadata": {"event_type": "x", "event_payload": {"a": "b" * 8000}}}, "metadata_too_large"),
    "an unknown channel": ({"channel": "#none"}, "channel_not_found"),
    "a reply to nothing": ({"thread_ts": "1.000001"}, "thread_not_found"),
}  # fmt: skip


async def test_takes_a_good_message(server, client):
    await client.chat_postMessage(**good())
    assert len(server.messages) == 1


@pytest.mark.parametrize("what", REFUSED)
async def test_refuses(server, client, what):
    changes, code = REFUSED[what]
    with pytest.raises(SlackApiError) as caught:
        await client.chat_postMessage(**good() | changes)
    assert caught.value.response["error"] == code
    assert server.messages == []


async def test_refuses_the_same_of_an_edit_and_takes_no_name_for_it(server, client):
    posted = await client.chat_postMessage(**good())
    where = {"channel": posted["channel"], "ts": posted["ts"]}
    await client.chat_update(**where, text="new", blocks=[])
    assert (server.messages[0].text, server.messages[0].notice) == ("new", opened().id)
    for changes, code in [
        ({"channel": "#retention"}, "channel_not_found"),
        ({"ts": "1.000001"}, "message_not_found"),
        ({"blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"thread_ts": posted["ts"]}, "invalid_arguments"),
    ]:
        with pytest.raises(SlackApiError) as caught:
            await client.chat_update(**{**where, "text": "x", **changes})
        assert caught.value.response["error"] == code


async def test_history_takes_no_name_and_hides_metadata_unless_asked(server, client):
    await client.chat_postMessage(**good())
    with pytest.raises(SlackApiError, match="channel_not_found"):
        await client.conversations_history(channel="#retention")
    page = await client.conversations_history(channel="C00000001")
    assert "metadata" not in page["messages"][0]


async def test_a_dialog_needs_a_press_and_opens_once(server, client):
    view = slack_buttons.dialog(slack_buttons.About("r", "x"))
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await client.views_open(trigger_id="1.1.abc", view=view)
    trigger = server._trigger()
    await client.views_open(trigger_id=trigger, view=view)
    with pytest.raises(SlackApiError, match="invalid_trigger_id"):
        await client.views_open(trigger_id=trigger, view=view)
    with pytest.raises(SlackApiError, match="invalid_arguments"):
        await client.views_open(
            trigger_id=server._trigger(), view=view | {"title": {"type": "plain_text", "text": "x" * 25}}
        )


def test_says_what_is_wrong_with_a_dialog():
    view = slack_buttons.dialog(slack_buttons.About("r", "x", tuple(dict(fell().segment) for _ in range(2))))
    assert view_problems(view) == []
    assert view_problems(view | {"private_metadata": "x" * 3001})
    assert view_problems(view | {"blocks": [{"type": "divider"}] * 101})
    assert view_problems(view | {"colour": "red"})


def test_the_manifest_asks_for_what_is_needed_and_has_the_address_of_the_buttons():
    manifest = yaml.safe_load((Path(__file__).parents[3] / "deploy/slack/manifest.yml").read_text("utf-8"))
    assert SCOPES | {"groups:history"} == set(manifest["oauth_config"]["scopes"]["bot"])
    assert manifest["settings"]["interactivity"]["request_url"].endswith(PATH)
    assert manifest["settings"]["interactivity"]["is_enabled"]
