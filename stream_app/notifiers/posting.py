"""One POST, once, and what its answer means for the message. No redirect is followed, no connection is kept."""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import aiohttp

from stream_app.notifiers.base import (
    Misconfigured,
    NotifierError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unavailable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_WAIT = 30.0
MAX_WAIT = 3600.0
#: Answers that an operator can end: the address, the key or a proxy in between is wrong.
_OPERATOR = {
    401: "it asks for a sign-in",
    403: "it refuses access",
    404: "nothing is there",
    405: "it takes no POST",
    407: "a proxy asks for a sign-in",
}
_NOT_NOW = (408, 425)
_TRANSPORT = (aiohttp.ClientError, OSError, TimeoutError, ValueError)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


async def post(
    url: str, body: bytes, headers: Mapping[str, str], *, target: str, setting: str, within: float = 10.0
) -> None:
    """Posts a JSON body; comes back where it was accepted (2xx).

    Proxies of the environment are used (`HTTPS_PROXY`, `NO_PROXY`).

    Args:
        url: where to; a user name and password in it are a basic sign-in.
        body: the bytes.
        headers: beside the content type.
        target: for messages; they hold nothing of the address.
        setting: the setting that has the address, for messages.
        within: seconds for everything.

    Raises:
        NotifierError: as its subclass says.
    """
    everything = {"Content-Type": "application/json", **headers}
    limit = aiohttp.ClientTimeout(total=within)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=True, auto_decompress=False) as session,
            session.post(url, data=body, headers=everything, allow_redirects=False) as response,
        ):
            status, answered = response.status, dict(response.headers)
    except aiohttp.InvalidURL:
        raise Misconfigured(f"{target}: {setting} is not an address; correct it") from None
    except aiohttp.ClientConnectorCertificateError:
        raise Misconfigured(
            f"{target}: the certificate is not one this machine trusts; correct {setting}, or name the authority's "
            "certificates in the environment variable SSL_CERT_FILE"
        ) from None
    except aiohttp.ClientSSLError:
        raise Misconfigured(f"{target}: it does not speak TLS; correct {setting}, or write http://") from None
    except _NEVER_SENT as error:
        raise Unavailable(
            f"{target}: cannot connect ({type(error).__name__}); see that the address of {setting} is reachable"
        ) from None
    except _TRANSPORT as error:
        raise OutcomeUnknown(f"{target}: the connection failed ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise failure(status, {name.lower(): value for name, value in answered.items()}, target, setting)


def failure(status: int, headers: Mapping[str, str], target: str, setting: str) -> NotifierError:
    """The error that stands for an answer.

    Args:
        status: not 2xx.
        headers: with names in lower case.
        target: as in `post`.
        setting: as in `post`.
    """
    said = f"{target}: HTTP {status}"
    if status == 429 or (status == 503 and "retry-after" in headers):
        wait = _wait(headers.get("retry-after", ""), headers.get("date", ""))
        return RateLimited(f"{said}, asks to wait {wait:g} s", wait)
    if 300 <= status < 400:
        return Misconfigured(
            f"{said}: it answers with a redirect, which is not followed; set its last address in {setting}"
        )
    if status in _OPERATOR:
        return Misconfigured(f"{said}: {_OPERATOR[status]}; correct {setting} or the receiver")
    if status in _NOT_NOW:
        return Unavailable(said)
    return Rejected(said) if 400 <= status < 500 else OutcomeUnknown(said)


def _wait(given: str, date: str) -> float:
    """Seconds of a Retry-After: a number, or a date, which is meant by the other side's clock."""
    try:
        wait = float(given)
    except ValueError:
        try:
            wait = (_instant(given) - _instant(date)).total_seconds()
        except (TypeError, ValueError):
            wait = DEFAULT_WAIT
    return min(max(wait, 0.0), MAX_WAIT) if wait == wait else DEFAULT_WAIT  # noqa: PLR0124 - not NaN


def _instant(text: str) -> dt.datetime:
    return parsedate_to_datetime(text).replace(tzinfo=dt.UTC)
