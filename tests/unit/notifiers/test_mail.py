"""Mail: what is sent, over which connection, and what each answer of a real SMTP server means."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from support.notify import CURVE, START, change, closed, notice, opened, resolved
from support.receivers import SENDER, MailServer, mail_notifier, mail_server

from stream_app.domain.alerts import NoticeKind, Standing
from stream_app.notifiers.base import (
    Misconfigured,
    NotifierError,
    OutcomeUnknown,
    Receipt,
    Rejected,
    Unavailable,
)
from stream_app.notifiers.chart import Chart
from stream_app.notifiers.mail import MailNotifier
from stream_app.notifiers.mail_chart import MailCharts
from stream_app.notifiers.mail_message import MOST_LISTED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from stream_app.domain.alerts import Notice

TARGET = "email:growth@example.com"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server(sign_in=True) as made:
        yield made


async def sent(server: MailServer, one=None, **options) -> EmailMessage:
    await mail_notifier(server, **options).send(one or opened(), TARGET)
    return server.messages[-1]


async def failure(server: MailServer, target: str = TARGET, **options) -> NotifierError:
    with pytest.raises(NotifierError) as caught:
        await mail_notifier(server, **options).send(opened(), target)
    assert "do not quote me" not in str(caught.value)
    return caught.value


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


async def test_it_goes_to_its_address_encrypted_and_signed_in(server):
    mail = await sent(server)
    assert server.recipients == ["growth@example.com"]
    assert (server.signed_in, server.encrypted) == (1, [True])
    assert (mail["From"], mail["To"]) == (SENDER, "growth@example.com")
    assert mail["Subject"] == "🔴 Retention fell: pro-day-7"
    assert mail["Date"].datetime.timestamp() == START
    assert mail["Auto-Submitted"] == "auto-generated"


async def test_it_can_be_read_with_and_without_html(server):
    mail = await sent(server, public_url="https://r.example")
    for text in (body(mail, "plain"), body(mail, "html")):
        for said in ("Day-7 retention of plan = pro fell to 21.0 %", "260 of 1,240", "18.8 % to 23.4 %", "112 users"):
            assert said in text
        assert "https://r.example/#definition=engagement" in text


async def test_every_line_has_seven_bits_and_a_length_that_servers_take(server):
    one = notice(*(change(n, segment={"plan": "ü" * 60 + str(n)}) for n in range(60)))
    mail = await sent(server, one)
    raw = mail.as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\n"))) <= 998


async def test_the_chart_is_within(server):
    mail = await sent(server, replace(opened(), curve=CURVE))
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture.get_content().startswith(b"\x89PNG\r\n")
    assert picture["Content-ID"] == "<chart>"
    assert 'src="cid:chart"' in body(mail, "html")
    assert picture.get_content_disposition() == "inline"


async def test_a_picture_that_cannot_be_drawn_holds_no_mail_up(server, caplog):
    async def broken(_: Notice) -> Chart:
        raise ZeroDivisionError

    notifier = mail_notifier(server)
    notifier._charts = MailCharts(1.0, broken)
    for number in (1, 2):
        await notifier.send(replace(opened(number), curve=CURVE), TARGET)
    assert len(server.messages) == 2
    assert "cid:chart" not in body(server.messages[0], "html")
    assert caplog.text.count("could not be drawn") == 1


@pytest.mark.parametrize("ready", [True, False])
async def test_a_picture_that_takes_long_has_until_the_next_attempt(server, ready):
    drawn = asyncio.Event()

    async def slow(_: Notice) -> Chart:
        await drawn.wait()
        return Chart(b"\x89PNG", "a curve")

    notifier = mail_notifier(server)
    notifier._charts = MailCharts(0.01, slow)
    one = replace(opened(), curve=CURVE)
    with pytest.raises(Unavailable, match="the picture is not ready yet"):
        await notifier.send(one, TARGET)
    assert server.messages == []
    if ready:
        drawn.set()
    await notifier.send(one, TARGET)
    assert ("cid:chart" in body(server.messages[0], "html")) == ready
    if not ready:
        with pytest.raises(Unavailable, match="the picture is not ready yet"):
            await notifier.send(one, "email:another@example.com")


async def test_what_belongs_together_is_one_thread_by_ids_that_never_change(server):
    first = opened(1)
    notifier = mail_notifier(server)
    root = await notifier.send(first, TARGET)
    await notifier.send(closed(2, first), TARGET, thread=root)
    await notifier.send(closed(2, first), TARGET, thread=root)
    fell, back, again = server.messages
    assert root == Receipt(TARGET, fell["Message-ID"])
    assert fell["In-Reply-To"] is None
    assert back["In-Reply-To"] == back["References"] == fell["Message-ID"]
    assert back["Message-ID"] == again["Message-ID"] != fell["Message-ID"]
    assert back["Subject"] == "🟢 Retention recovered: pro-day-7"


async def test_many_alerts_are_a_list_worst_first_that_is_cut(server):
    count = MOST_LISTED + 7
    one = notice(*(change(n, segment={"plan": f"p{n:03d}"}) for n in range(count)))
    mail = await sent(server, one)
    for text in (body(mail, "plain"), body(mail, "html")):
        assert text.index("p000") < text.index("p001") < text.index(f"p{MOST_LISTED - 1:03d}")
        assert f"p{MOST_LISTED:03d}" not in text
        assert "and 7 more" in text
    assert f"in {count} segments" in mail["Subject"]


async def test_what_has_recovered_is_listed_before_what_still_fires(server):
    fired = [change(n, segment={"plan": f"p{n}"}) for n in (1, 2)]
    back = resolved(3, fired[1])
    one = notice(back, kind=NoticeKind.CHANGED, root="a", standing=(Standing(fired[0]), Standing(back)))
    mail = await sent(server, one)
    for text in (body(mail, "plain"), body(mail, "html")):
        listed = text[text.index("🟢 plan = p2") :]
        assert "🔴 plan = p1" in listed
    assert mail["Subject"].startswith("🔴"), "it is not over"


async def test_who_has_seen_it_and_what_else_the_rule_says_is_told(server):
    seen = {"author": "anna", "reason": "looking", "at": 0}
    one = notice(
        kind=NoticeKind.REPEATED, id="r", root=opened().id, standing=(Standing(change(), seen),),
        note="Runbook https://wiki.example/x", promise="1 per year",
    )  # fmt: skip
    mail = await sent(server, one)
    for said in ("Acknowledged by anna: looking", "False alarms: at most 1 per year."):
        assert said in body(mail, "plain")
        assert said in body(mail, "html")
    assert 'Runbook <a href="https://wiki.example/x">' in body(mail, "html")


async def test_nothing_of_others_can_break_out_of_its_place(server):
    nasty = '<img src=x onerror="alert(1)">\r\nBcc: all@example.com'
    one = replace(opened(rule=nasty, segment={"plan": nasty}), rule=nasty, note=f"{nasty} https://x\"onclick='y'")
    mail = await sent(server, one)
    assert mail["Bcc"] is None
    html = body(mail, "html")
    assert "<img src=x" not in html
    assert "'y'" not in html
    assert '"onclick' not in html
    assert len(mail["Subject"].splitlines()) == 1


async def test_nobody_is_told_of_an_edit(server):
    receipt = await mail_notifier(server).send(notice(kind=NoticeKind.EDITED, id="e", root="a"), TARGET)
    assert receipt.channel == TARGET
    assert server.messages == []


@pytest.mark.parametrize(("kind", "scheme"), [("tls", "smtps"), ("plain", "smtp+plain")])
async def test_it_speaks_tls_from_the_start_or_not_at_all_where_that_is_asked_for(kind, scheme):
    async with mail_server(kind, sign_in=kind == "tls") as server:
        await mail_notifier(server, scheme).send(opened(), TARGET)
        assert server.encrypted == [kind == "tls"]


async def test_no_password_and_no_mail_goes_to_a_server_without_starttls():
    async with mail_server("plain", sign_in=True) as server:
        error = await failure(server)
    assert type(error) is Misconfigured
    assert "STARTTLS" in str(error)
    assert (server.signed_in, server.messages) == (0, [])


async def test_no_mail_goes_to_a_server_whose_certificate_nobody_trusts(server):
    for kind, scheme in (("starttls", "smtp"), ("tls", "smtps")):
        async with mail_server(kind) as other:
            error = await failure(other, scheme=scheme, tls=ssl.create_default_context())
            assert type(error) is Misconfigured
            assert "SSL_CERT_FILE" in str(error)
            assert other.messages == []


async def test_another_authority_can_be_named_in_the_environment(server, monkeypatch, tmp_path):
    server.authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    await mail_notifier(server, tls=None).send(opened(), TARGET)
    assert server.encrypted == [True]


async def test_tls_of_the_wrong_kind_is_told():
    async with mail_server("plain") as server:
        error = await failure(server, scheme="smtps")
    assert type(error) is Misconfigured
    assert "smtps:// for TLS from the start" in str(error)


async def test_a_wrong_password_is_for_an_operator(server):
    notifier = MailNotifier(
        f"smtp://stream-app:wrong@127.0.0.1:{server.port}", SENDER, now=lambda: START, tls=server.trust
    )
    with pytest.raises(Misconfigured, match="refuses the sign-in; correct user and password"):
        await notifier.send(opened(), TARGET)
    assert await notifier.check() == [
        "smtp_url: the mail server answers 535 5.7.8: it refuses the sign-in; correct user and password in smtp_url"
    ]


@pytest.mark.parametrize(
    ("command", "answer", "kind", "said"),
    [
        ("MAIL", "550 5.7.1 do not quote me", Misconfigured, "550 5.7.1: it refuses the sender; correct smtp_from"),
        ("MAIL", "451 4.3.0 do not quote me", Unavailable, "451 4.3.0"),
        ("RCPT", "550 5.1.1 do not quote me", Rejected, "550 5.1.1; correct the address in `to`"),
        ("RCPT", "550 do not quote me", Rejected, "answers 550; correct the address"),
        ("RCPT", "550 5.7.1 do not quote me", Misconfigured, "it refuses to pass mail on"),
        ("RCPT", "554 do not quote me", Misconfigured, "it refuses to pass mail on"),
        ("RCPT", "450 4.2.0 do not quote me", Unavailable, "450 4.2.0"),
        ("DATA", "554 5.6.0 do not quote me", Rejected, "554 5.6.0"),
        ("DATA", "452 4.3.1 do not quote me", Unavailable, "452 4.3.1"),
        ("DATA", "drop_before", OutcomeUnknown, "while the mail was handed in"),
    ],
)
async def test_answers_have_their_meaning_and_only_their_codes_are_told(server, command, answer, kind, said):
    server.answers[command] = answer
    error = await failure(server)
    assert type(error) is kind
    assert said in str(error)
    assert server.messages == []


async def test_a_server_that_is_not_there_has_surely_taken_nothing():
    async with mail_server() as server:
        pass
    assert type(await failure(server)) is Unavailable


async def test_a_server_that_says_nothing_is_given_up_and_has_surely_taken_nothing():
    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    notifier = MailNotifier(
        f"smtp+plain://127.0.0.1:{silent.sockets[0].getsockname()[1]}", SENDER, now=lambda: START, timeout=0.1
    )
    with pytest.raises(Unavailable):
        await notifier.send(opened(), TARGET)
    silent.close()


@pytest.mark.parametrize("target", ["email:münchen@example.com", "email:a b@example.com", "email:@example.com"])
async def test_an_address_that_is_none_is_refused_before_anybody_is_asked(server, target):
    assert type(await failure(server, target)) is Rejected


async def test_a_domain_in_letters_of_the_world_goes_as_the_dns_has_it(server):
    await mail_notifier(server).send(opened(), "email:growth@bücher.example")
    assert server.recipients == ["growth@xn--bcher-kva.example"]


async def test_a_check_asks_the_server_and_sends_nothing(server):
    assert await mail_notifier(server).check() == []
    assert (server.signed_in, server.messages) == (1, [])
