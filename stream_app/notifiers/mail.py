"""Alerts by mail, handed in through SMTP.

A mail server cannot be asked what it has taken. Where that is not known, the mail is sent again with the same
Message-ID, by which many servers and readers drop the second one.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import math
import ssl
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from typing import TYPE_CHECKING

import aiosmtplib

from stream_app.domain.alerts import NoticeKind
from stream_app.notifiers.base import NotifierError, Receipt, Rejected
from stream_app.notifiers.mail_chart import MailCharts
from stream_app.notifiers.mail_message import message, message_id
from stream_app.notifiers.smtp_errors import Stage, failure
from stream_app.settings.outbound import mail_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.domain.alerts import Notice

PREFIX = "email:"
_FAILURES = (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError)


class MailNotifier:
    """Sends one mail to one address for each notice.

    Args:
        address: of the mail server, as the setting `smtp_url` has it.
        sender: as the setting `smtp_from` has it.
        now: the wall clock, seconds since the epoch.
        public_url: address of the page, for links.
        timeout: seconds a sending may take; less than the outbox's `settle`, and than a delivery has.
        tls: whom to trust; the system's authorities, or those of SSL_CERT_FILE, if absent.
    """

    def __init__(
        self,
        address: str,
        sender: str,
        *,
        now: Callable[[], float],
        public_url: str | None = None,
        timeout: float = 9.0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server, self._sender = mail_server(address), sender
        self._now, self._public_url, self._timeout = now, public_url, timeout
        self._tls = tls or ssl.create_default_context()
        self._charts = MailCharts(timeout / 3)

    def __repr__(self) -> str:
        return f"MailNotifier({self._server!r})"

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Sends one mail. What is only edited is no mail: nobody is to be told."""
        receipt = Receipt(target, message_id(notice.id, self._sender))
        if notice.kind is NoticeKind.EDITED:
            return receipt
        recipient = _ascii(target)
        drawn = await self._charts.of(notice, target)
        date = dt.datetime.fromtimestamp(self._now(), dt.UTC)
        content = message(notice, self._sender, recipient, date=date, chart=drawn, public_url=self._public_url)
        await self._hand_in(target, recipient, content)
        return receipt

    async def find(
        self, notice_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """None: a mail server is not asked, it gets the same Message-ID again."""
        return None

    async def check(self) -> list[str]:
        """What stands in the way of sending, as messages for an operator; the server is asked, no mail is sent."""
        try:
            await self._hand_in("smtp_url", None, b"")
        except NotifierError as error:
            return [str(error)]
        return []

    async def _hand_in(self, target: str, recipient: str | None, content: bytes) -> None:
        """Hands a mail in; without a recipient, only as far as the sender."""
        server, stage = self._server, Stage.CONNECT
        client = aiosmtplib.SMTP(
            hostname=server.host, port=server.port, use_tls=server.scheme == "smtps", start_tls=False,
            tls_context=None if server.scheme == "smtp+plain" else self._tls, timeout=self._timeout,
        )  # fmt: skip
        try:
            async with asyncio.timeout(self._timeout):
                await client.connect()
                if server.scheme == "smtp":
                    stage = Stage.TLS
                    await client.starttls()
                if server.user is not None:
                    stage = Stage.SIGN_IN
                    await client.login(server.user, server.password or "")
                stage = Stage.SENDER
                await client.mail(parseaddr(self._sender)[1])
                if recipient is not None:
                    stage = Stage.RECIPIENT
                    await client.rcpt(recipient)
                    stage = Stage.CONTENT
                    await client.data(content)
        except _FAILURES as error:
            # `from None`: what the server said may quote what it was told.
            raise failure(target, error, stage) from None
        finally:
            await _leave(client)


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Takes leave of the server, whatever it says: by now the mail is taken, or it is not."""
    with contextlib.suppress(*_FAILURES):
        if client.is_connected:
            await client.quit(timeout=1.0)
    client.close()


def _ascii(target: str) -> str:
    """The address of a target, its domain as the DNS has it."""
    local, _, domain = target.removeprefix(PREFIX).rpartition("@")
    try:
        name = domain if domain.isascii() else domain.encode("idna").decode()
        return Address(addr_spec=f"{local.encode('ascii').decode()}@{name}").addr_spec
    except (MessageError, ValueError, IndexError):
        raise Rejected(f"{target}: is no mail address of ASCII letters; correct `to`") from None
