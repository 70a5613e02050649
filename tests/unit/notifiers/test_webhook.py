"""Webhooks: what is posted, that its signature holds, and what each answer means."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks
import yaml
from jsonschema import Draft202012Validator
from support.notify import CURVE, START, Clock, change, closed, notice, opened, resolved
from support.receivers import SECRET, Receiver, mail_server, receiver

from stream_app.domain.alerts import Health, NoticeKind, Reason, Standing, State
from stream_app.notifiers import Delivery, Outbox
from stream_app.notifiers.base import (
    Misconfigured,
    NotifierError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)
from stream_app.notifiers.posting import MAX_WAIT
from stream_app.notifiers.webhook import WebhookNotifier
from stream_app.settings import Settings
from stream_app.settings.outbound import Webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream_app.notifiers import Entry

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "notice.json").read_text("utf-8"))
VALID = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)
TARGET = "webhook:crm"
OTHER = "whsec_" + "B" * 40


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def there() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


def notifier(
    there: Receiver, *, path: str = "/hook", secrets: tuple[str, ...] = (SECRET,), **options
) -> WebhookNotifier:
    return WebhookNotifier([Webhook("crm", there.url + path, secrets)], now=Clock(), **options)


async def failure(there: Receiver) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await notifier(there).send(opened(), TARGET)
    return caught.value


async def test_an_independent_library_finds_the_signature_right(there, monkeypatch):
    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", _Then)
    await notifier(there).send(opened(), TARGET)
    (post,) = there.posts
    assert post.path == "/hook"
    assert post.headers["webhook-id"] == opened().id
    assert post.headers["webhook-timestamp"] == f"{START:.0f}"
    assert standardwebhooks.Webhook(SECRET).verify(post.body, post.headers) == post.json
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(post.body + b" ", post.headers)
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(OTHER).verify(post.body, post.headers)


async def test_while_secrets_are_changed_both_hold(there, monkeypatch):
    monkeypatch.setattr(standardwebhooks.webhooks, "datetime", _Then)
    await notifier(there, secrets=(OTHER, SECRET)).send(opened(), TARGET)
    for secret in (SECRET, OTHER):
        assert standardwebhooks.Webhook(secret).verify(there.posts[0].body, there.posts[0].headers)


class _Then:
    """The library's clock."""

    @staticmethod
    def now(tz=None):
        import datetime as dt

        return dt.datetime.fromtimestamp(START, tz)

    @staticmethod
    def fromtimestamp(seconds, tz=None):
        import datetime as dt

        return dt.datetime.fromtimestamp(seconds, tz)


async def test_the_body_says_what_happened_and_where_it_can_be_seen(there):
    first = replace(opened(), labels=(("team", "growth"),), note="Runbook https://x.example", curve=CURVE)
    await notifier(there, public_url="https://r.example/").send(first, TARGET)
    body = there.posts[0].json
    assert (body["schema"], body["type"], body["timestamp"]) == (
        "stream-app/notice/1",
        "alert.opened",
        "2026-03-09T00:00:00Z",
    )
    data = body["data"]
    assert data["group"] == data["id"] == first.id
    assert data["labels"] == {"team": "growth"}
    assert data["title"] == "Retention fell: pro-day-7"
    (told,) = data["changes"]
    assert (told["state"], told["value"], told["threshold"], told["segment"]) == ("firing", 0.21, 0.3, {"plan": "pro"})
    assert told["url"].startswith("https://r.example/#")
    assert "to" not in told, "targets may be people"


async def test_a_reply_names_the_group_it_belongs_to(there):
    await notifier(there).send(closed(2, opened(1)), TARGET)
    data = there.posts[0].json["data"]
    assert (data["id"], data["group"]) == (opened(2).id, opened(1).id)


async def test_what_is_sent_again_is_the_same(there):
    once = notifier(there)
    await once.send(opened(), TARGET)
    once._now.now += 60
    await once.send(opened(), TARGET)
    first, again = there.posts
    assert first.body == again.body
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert first.headers["webhook-timestamp"] != again.headers["webhook-timestamp"]


FIRED = change(1)
SEEN = {"author": "anna", "reason": "looking", "at": 1_773_000_000_000}
SILENCED = {"id": "s", "author": "bo", "reason": "launch", "ends": 1_773_100_000_000}


@pytest.mark.parametrize(
    "one",
    [
        opened(),
        closed(2, opened(1)),
        notice(FIRED, change(2, segment={}), kind=NoticeKind.CHANGED, root="a" * 32, promise="1 per year"),
        notice(kind=NoticeKind.REPEATED, id="r", root="a", standing=(Standing(FIRED),)),
        notice(kind=NoticeKind.EDITED, id="e", root="a", standing=(Standing(FIRED, SEEN, SILENCED),)),
        opened(health=Health.NO_DATA, reason=Reason.NO_DATA, value=None, count=None, low=None, high=None, began=None),
        opened(
            figure="stream", measure="volume", rule="stream-volume", definition="", segment={}, threshold=None,
            cohort="", count=None, index=0,
        ),
        opened(test="sequential", evidence=3.1, promise="1 per year", baseline=0.35, revenue_at_risk=340_000,
               currency="USD", flapping=True, cohorts=4, side="above"),
        notice(resolved(2, FIRED, state=State.INACTIVE, reason=Reason.RULE_REMOVED), kind=NoticeKind.CLOSED),
    ],
    ids=lambda one: f"{one.kind} {one.id[:4]}",
)  # fmt: skip
async def test_every_notice_has_the_documented_form(there, one):
    await notifier(there, public_url="https://r.example").send(one, TARGET)
    body = there.posts[0].json
    VALID.validate(body)
    assert not VALID.is_valid(body | {"more": 1})
    assert not VALID.is_valid(body | {"data": {k: v for k, v in body["data"].items() if k != "rule"}})
    for told in body["data"]["changes"]:
        for name in told:
            less = {k: v for k, v in told.items() if k != name}
            assert not VALID.is_valid(body | {"data": body["data"] | {"changes": [less]}}), name


PAGE = (Path(__file__).parents[3] / "docs" / "alerts" / "notifying.md").read_text("utf-8")


def shown(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_notice_that_is_shown_has_the_documented_form():
    VALID.validate(json.loads(shown("json")))


async def test_the_receiver_that_is_shown_verifies_what_is_sent(there):
    names: dict[str, Any] = {}
    exec(shown("python"), names)
    verified = names["verified"]
    await notifier(there, secrets=(OTHER, SECRET)).send(opened(), TARGET)
    (post,) = there.posts
    assert verified(post.body, post.headers, SECRET, START)
    assert verified(post.body, post.headers, OTHER, START + 299)
    assert not verified(post.body, post.headers, SECRET, START + 301)
    assert not verified(post.body + b" ", post.headers, SECRET, START)
    assert not verified(post.body, post.headers, "whsec_" + "C" * 40, START)


def test_the_settings_that_are_shown_are_right():
    given: dict[str, Any] = {}
    for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        given |= yaml.safe_load(text)
    settings = Settings(**given)
    assert settings.webhooks
    assert settings.smtp_url
    assert settings.alertmanager_url


def test_the_schema_is_one():
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_it_is_sent_where_it_is_accepted(there, status):
    there.answer(status)
    assert (await notifier(there).send(opened(), TARGET)).ts == opened().id


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (301, Misconfigured, "redirect"),
        (307, Misconfigured, "redirect"),
        (400, Rejected, "HTTP 400"),
        (401, Misconfigured, "correct webhooks or the receiver"),
        (403, Misconfigured, "refuses access"),
        (404, Misconfigured, "nothing is there"),
        (408, Unavailable, "HTTP 408"),
        (410, Rejected, "HTTP 410"),
        (422, Rejected, "HTTP 422"),
        (500, OutcomeUnknown, "HTTP 500"),
        (502, OutcomeUnknown, "HTTP 502"),
        (503, OutcomeUnknown, "HTTP 503"),
    ],
)
async def test_answers_have_their_meaning_and_nothing_of_them_is_quoted(there, status, kind, said):
    there.answer(status, Location=f"{there.url}/elsewhere")
    error = await failure(there)
    assert type(error) is kind
    assert said in str(error)
    assert str(error).startswith("webhook:crm: ")
    assert "do not quote me" not in str(error)
    assert there.posts == [], "no redirect is followed"


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"Retry-After": "7"}, 7),
        (503, {"Retry-After": "0.5"}, 0.5),
        (429, {}, 30),
        (429, {"Retry-After": "soon"}, 30),
        (429, {"Retry-After": "nan"}, 30),
        (429, {"Retry-After": "-3"}, 0),
        (429, {"Retry-After": "inf"}, MAX_WAIT),
        (503, {"Retry-After": "Mon, 09 Mar 2026 00:02:00 GMT", "Date": "Mon, 09 Mar 2026 00:00:00 GMT"}, 120),
    ],
)
async def test_a_wait_that_is_asked_for_is_handed_on(there, status, headers, wait):
    there.answers.append((status, headers))
    error = await failure(there)
    assert isinstance(error, RateLimited)
    assert error.retry_after == wait


async def test_whatever_a_receiver_answers_it_gets_every_notice_in_order_and_knows_a_repeat_by_its_id(there):
    clock, one = Clock(), notifier(there)
    delivery = Delivery(Outbox(), {"webhook": one}, save=_kept, now=clock)
    notices = [opened(number, to=(TARGET,)) for number in range(5)]
    for notice_ in notices:
        await delivery.owe(notice_)
    limited = (429, {"Retry-After": "7"})
    there.answers += ["drop_before", (500, {}), "drop_after", (200, {}), limited, (404, {}), "drop_after"]
    while (wake := delivery.outbox.wake_at()) is not None:
        clock.now = max(clock.now, wake)
        await delivery.run_due()
    told = [post.headers["webhook-id"] for post in there.posts]
    assert list(dict.fromkeys(told)) == [notice_.id for notice_ in notices]
    assert len(told) == len(notices) + 2, "only what dropped after it was taken comes twice"
    assert len({(post.headers["webhook-id"], post.body) for post in there.posts}) == len(notices)


async def _kept(_: Entry) -> None:
    """A store that keeps everything."""


async def test_a_dropped_connection_is_unknown_and_one_that_is_refused_is_not():
    async with receiver() as gone:
        gone.answers.append("drop_before")
        assert type(await failure(gone)) is OutcomeUnknown
    assert type(await failure(gone)) is Unavailable


async def test_a_receiver_that_does_not_answer_is_given_up():
    import asyncio

    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    silent = Receiver(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(OutcomeUnknown):
        await notifier(silent, timeout=0.1).send(opened(), TARGET)
    server.close()


async def test_a_certificate_that_nobody_trusts_is_for_an_operator():
    async with mail_server("tls") as secured:
        there = Receiver(url=f"https://127.0.0.1:{secured.port}")
        error = await failure(there)
    assert type(error) is Misconfigured
    assert "SSL_CERT_FILE" in str(error)


async def test_a_receiver_without_tls_where_it_is_asked_for_is_for_an_operator(there):
    error = await failure(Receiver(url=there.url.replace("http://", "https://")))
    assert type(error) is Misconfigured
    assert "does not speak TLS" in str(error)


async def test_a_name_that_is_not_configured_is_for_an_operator(there):
    with pytest.raises(Misconfigured, match="webhook:other: there is no such webhook"):
        await notifier(there).send(opened(), "webhook:other")
    assert notifier(there).check([TARGET, "webhook:other"]) == [
        "webhooks: rules notify webhook:other, which is not there; add it, or correct `to`"
    ]
