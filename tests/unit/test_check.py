"""`stream-app check`: what it says of those that alerts go to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from support.receivers import SECRET, mail_server, receiver

from stream_app import check
from stream_app.domain.errors import ConfigurationError
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HOOK = {"name": "crm", "url": "https://h.example", "secret": SECRET}


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with one rule that tells these targets."""

    def make(*to: str, **values: object) -> Settings:
        rules = tmp_path / "rules.yml"
        rules.write_text(
            "rules: [{name: day-7, definition: engagement, grain: day, index: 7, below: 0.5, "
            f"to: [{', '.join(map(repr, to))}]}}]"
        )
        return Settings(rules=rules, **values)

    return make


@pytest.mark.parametrize(
    ("attempt", "target", "setting"),
    [
        (check._check_slack, "slack:#growth", "slack_token"),
        (check._check_webhooks, "webhook:crm", "webhooks"),
        (check._check_mail, "email:a@b.example", "smtp_url"),
        (check._check_alertmanager, "alertmanager", "alertmanager_url"),
    ],
)
async def test_what_rules_need_and_nobody_has_set_is_told(settings, attempt, target, setting):
    with pytest.raises(ConfigurationError, match=re.escape(f"{setting}: it is not set, and rules notify {target}")):
        await attempt(settings("console", target))
    assert await attempt(settings("console")) == "not used"


async def test_webhooks_that_rules_name_must_be_there(settings):
    assert await check._check_webhooks(settings("webhook:crm", webhooks=[HOOK])) == "1 webhooks, which are not called"
    with pytest.raises(ConfigurationError, match="rules notify webhook:other, which is not there"):
        await check._check_webhooks(settings("webhook:other", webhooks=[HOOK]))


async def test_a_mail_server_is_asked(settings):
    async with mail_server("plain") as server:
        given = {"smtp_url": f"smtp+plain://127.0.0.1:{server.port}", "smtp_from": "alerts@example.com"}
        said = await check._check_mail(settings("email:a@b.example", "email:c@d.example", **given))
        assert said == "2 addresses, which no mail was sent to"
        server.answers["MAIL"] = "550 5.7.1 no"
        with pytest.raises(ConfigurationError, match="it refuses the sender; correct smtp_from"):
            await check._check_mail(settings("email:a@b.example", **given))
    assert server.messages == []


async def test_every_alertmanager_is_asked(settings, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with receiver() as first, receiver() as second:
        both = settings("alertmanager", alertmanager_url=f"{first.url},{second.url}")
        assert await check._check_alertmanager(both) == "every member answers"
        second.answer(404)
        with pytest.raises(ConfigurationError, match=r"alertmanager \(2 of 2\): HTTP 404"):
            await check._check_alertmanager(both)
    assert [post.json for post in (*first.posts, *second.posts)] == [[], [], []]


async def test_a_rule_whose_promise_does_not_hold_is_told_of(tmp_path, capsys):
    rules = tmp_path / "rules.yml"
    rules.write_text(
        "rules: [{name: lost, figure: churn, definition: engagement, grain: day, above: 0.3, false_alarms: 1 per year}]"
    )
    assert await check._check_rules(Settings(rules=rules)) == "1 rules"
    assert "rules: doubtful: rule 'lost': false_alarms: 1 per year is not promised: " in capsys.readouterr().err
