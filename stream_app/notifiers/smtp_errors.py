"""What a mail server's answers mean for a message (RFC 5321, RFC 3463). Its codes are repeated, never its text."""

from __future__ import annotations

import re
import ssl
from enum import IntEnum
from typing import TYPE_CHECKING

import aiosmtplib

from stream_app.notifiers.base import Misconfigured, NotifierError, OutcomeUnknown, Rejected, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stage(IntEnum):
    """How far a sending has come."""

    CONNECT = 0
    TLS = 1
    SIGN_IN = 2
    SENDER = 3
    RECIPIENT = 4
    CONTENT = 5


_ENHANCED = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
#: What an operator can correct, where a server refuses for good before it has seen the content.
_HINTS = {
    Stage.CONNECT: "it takes no mail from this machine; correct smtp_url",
    Stage.TLS: "it does not begin STARTTLS; use smtps:// or, where the network is safe, smtp+plain:// in smtp_url",
    Stage.SIGN_IN: "it refuses the sign-in; correct user and password in smtp_url",
    Stage.SENDER: "it refuses the sender; correct smtp_from",
    Stage.RECIPIENT: "it refuses to pass mail on; sign in with smtp_url, or have the server allow it",
}


def failure(target: str, error: BaseException, stage: Stage) -> NotifierError:
    """The error that stands for what went wrong at a stage.

    Args:
        target: for messages.
        error: of aiosmtplib, of TLS or of the network; a TimeoutError where the time was over.
        stage: what was under way. Until the content is sent, surely nothing was taken.
    """
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return _answered(target, error, stage)
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(error)):
        return Misconfigured(
            f"{target}: the mail server's certificate is not one this machine trusts; correct smtp_url, or name the "
            "authority's certificates in the environment variable SSL_CERT_FILE"
        )
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return Misconfigured(
            f"{target}: the mail server does not speak TLS as smtp_url says; smtp:// is for STARTTLS, smtps:// for TLS "
            "from the start"
        )
    name = type(error).__name__
    if stage is Stage.CONTENT:
        return OutcomeUnknown(f"{target}: the connection failed while the mail was handed in ({name})")
    if stage in (Stage.TLS, Stage.SIGN_IN) and type(error) is aiosmtplib.SMTPException:  # what it does not offer
        return Misconfigured(f"{target}: {_HINTS[stage]}")
    if stage is Stage.CONNECT:
        return Unavailable(f"{target}: cannot connect to the mail server ({name}); see that smtp_url is reachable")
    return Unavailable(f"{target}: the connection to the mail server failed ({name})")


def _answered(target: str, error: aiosmtplib.SMTPResponseException, stage: Stage) -> NotifierError:
    found = _ENHANCED.search(str(error.message))
    enhanced = found[1] if found else ""
    said = f"{target}: the mail server answers {error.code}{f' {enhanced}' if enhanced else ''}"
    if 400 <= error.code < 500:
        return Unavailable(said)  # also after the content: only 250 takes a mail over
    if stage is Stage.CONTENT:
        return Rejected(said)
    if stage is Stage.RECIPIENT and not enhanced.startswith("5.7.") and error.code not in (530, 554):
        return Rejected(f"{said}; correct the address in `to`")
    return Misconfigured(f"{said}: {_HINTS[stage]}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
