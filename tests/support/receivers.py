"""Receivers of webhooks, mail and alerts that fail as they are told to, and their faces for the shared contract."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import logging
import ssl
import warnings
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from stream_app.notifiers.alertmanager import AlertmanagerNotifier
from stream_app.notifiers.mail import MailNotifier
from stream_app.notifiers.webhook import WebhookNotifier
from stream_app.settings.outbound import Webhook
from support.notify import Clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

    from stream_app.notifiers import Notifier

KEY = base64.b64encode(bytes(range(24))).decode()
SECRET = f"whsec_{KEY}"
SENDER = "Retention alerts <alerts@example.com>"
USER, PASSWORD = "stream-app", "pass@word/0"


@dataclass
class Post:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Receiver:
    """Takes every POST; `answers` says of the next ones: a status with headers, or how the connection drops."""

    posts: list[Post] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str]] | str] = field(default_factory=deque)
    url: str = ""

    def answer(self, status: int, **headers: str) -> None:
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        next_ = self.answers.popleft() if self.answers else (200, {})
        post = Post(request.path, dict(request.headers), await request.read())
        if isinstance(next_, str):
            if next_ == "drop_after":
                self.posts.append(post)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, headers = next_
        if status < 300:
            self.posts.append(post)
        return web.Response(status=status, headers=headers, text="do not quote me")


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@dataclass
class MailServer:
    """A real SMTP server that keeps what it takes; `answers`: what it says to the next command of a kind, once."""

    authority: trustme.CA
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    signed_in: int = 0
    encrypted: list[bool] = field(default_factory=list)
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    port: int = 0

    async def handle_MAIL(  # noqa: N802 - the name that aiosmtpd calls
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.answers.pop("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if "RCPT" in self.answers:
            return self.answers.pop("RCPT")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answers.pop("DATA", "250 OK")
        if answer in ("250 OK", "drop_after"):
            assert isinstance(envelope.content, bytes)
            self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        if answer.startswith("drop"):
            server.transport.abort()
        return answer

    def authenticate(self, server: Any, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        self.signed_in += right
        return AuthResult(success=right, handled=right)


@asynccontextmanager
async def mail_server(kind: str = "starttls", *, sign_in: bool = False) -> AsyncIterator[MailServer]:
    """A mail server: `starttls`, `tls` from the start, or `plain`."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # the server's own, which has every line it reads
    authority = trustme.CA()
    made = MailServer(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    authority.configure_trust(made.trust)
    arguments: dict[str, Any] = {"hostname": "mail.example", "enable_SMTPUTF8": False}
    if kind == "starttls":
        arguments |= {"tls_context": context, "require_starttls": True}
    if sign_in:
        # Over TLS from the start aiosmtpd does not know that the connection is encrypted.
        arguments |= {"authenticator": made.authenticate, "auth_required": True, "auth_require_tls": kind == "starttls"}
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # that a password may be readable
            return SMTP(made, loop=loop, **arguments)

    server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if kind == "tls" else None)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()


class WebhookHarness:
    target, findable_after_crash, findable = "webhook:crm", False, False
    secret = KEY

    def __init__(self, receiver_: Receiver) -> None:
        self.receiver = receiver_
        self.notifier: Notifier = self.restart()

    def told(self, notice_id: str, rule: str) -> int:
        """A receiver that drops what it has, by its id."""
        return len({post.headers["webhook-id"] for post in self.receiver.posts} & {notice_id})

    def drop_after_accepting(self) -> None:
        self.receiver.answers.append("drop_after")

    def drop_before_accepting(self) -> None:
        self.receiver.answers.append("drop_before")

    def restart(self) -> Notifier:
        return WebhookNotifier([Webhook("crm", f"{self.receiver.url}/{KEY}", (SECRET,))], now=Clock())


class AlertmanagerHarness(WebhookHarness):
    target, secret = "alertmanager", "hunter2"

    def told(self, notice_id: str, rule: str) -> int:
        """Alertmanager knows an alert by its labels."""
        posted = [alert for post in self.receiver.posts for alert in post.json]
        ended = {one["endsAt"] < "2026-03-20" for one in posted if one["labels"]["rule"] == rule}
        return len(ended)

    def restart(self) -> Notifier:
        return AlertmanagerNotifier(self.receiver.url.replace("//", "//am:hunter2@"), now=Clock())


class MailHarness:
    target, findable_after_crash, findable = "email:growth@example.com", False, False
    secret = PASSWORD

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.notifier: Notifier = self.restart()

    def told(self, notice_id: str, rule: str) -> int:
        """A reader whose server drops what it has, by its Message-ID."""
        return len({m["Message-ID"] for m in self.server.messages if notice_id in m["Message-ID"]})

    def drop_after_accepting(self) -> None:
        self.server.answers["DATA"] = "drop_after"

    def drop_before_accepting(self) -> None:
        self.server.answers["DATA"] = "drop_before"

    def restart(self) -> Notifier:
        return mail_notifier(self.server)


def mail_notifier(server: MailServer, scheme: str = "smtp", **options: Any) -> MailNotifier:
    account = "" if scheme == "smtp+plain" else "stream-app:pass%40word%2F0@"
    address = f"{scheme}://{account}127.0.0.1:{server.port}"
    return MailNotifier(address, SENDER, **({"now": Clock(), "tls": server.trust} | options))


HARNESSES = ("webhook", "alertmanager", "email")


async def harness(kind: str) -> AsyncIterator[WebhookHarness | MailHarness]:
    if kind == "email":
        async with mail_server(sign_in=True) as server:
            yield MailHarness(server)
    else:
        async with receiver() as made:
            yield WebhookHarness(made) if kind == "webhook" else AlertmanagerHarness(made)
