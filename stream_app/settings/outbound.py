"""The settings of notifiers that are more than a value: webhooks, mail server, Alertmanagers."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import formataddr, parseaddr, quote
from typing import Any
from urllib.parse import unquote, urlsplit

from stream_app.settings import values

MOST_WEBHOOKS = 64
MOST_SECRETS = 2
_KEYS = ("name", "url", "secret")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_PREFIX = "whsec_"
#: Bytes of a key, as Standard Webhooks has it.
_SHORTEST, _LONGEST = 24, 64
_HOW = "make one by: echo whsec_$(openssl rand -base64 24)"
#: Scheme -> usual port. Only the last sends in the clear.
SMTP_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
#: What a name before an address has only in quotes.
_SPECIAL = re.compile(r'[()<>@,:;".\[\]\\]')
_MAIL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True)
class Webhook:
    """A named address that rules can send to.

    Attributes:
        name: as in `webhook:NAME`.
        url: http or https.
        secrets: what bodies are signed with, `whsec_` and the key in base64; a second one while secrets are changed.
    """

    name: str
    url: str
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Webhook(name={self.name!r})"

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys that the secrets stand for."""
        return tuple(base64.b64decode(secret.removeprefix(_PREFIX)) for secret in self.secrets)


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed in.

    Attributes:
        host: its name or address.
        port: its port.
        scheme: `smtp` (STARTTLS), `smtps` (TLS from the start) or `smtp+plain` (no encryption).
        user: who signs in; None: nobody.
        password: of the user.
    """

    host: str
    port: int
    scheme: str
    user: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"MailServer({self.scheme}://{self.host}:{self.port})"


def webhooks(value: object) -> tuple[Webhook, ...]:
    """Webhooks as they are configured: a list of mappings, or such a list as JSON or YAML.

    Raises:
        ValueError: with the place of what is wrong, and nothing of the address or secret.
    """
    like = '"name": "crm", "url": "https://...", "secret": "whsec_..."'
    return values.named(value, "webhook", like, MOST_WEBHOOKS, _webhook)


def shown(value: object) -> object:
    """Webhooks without their secrets. The path of an address is often one too: only its host is shown."""
    assert isinstance(value, tuple)  # noqa: S101 - parsed
    return [{"name": one.name, "url": _origin(one.url)} for one in value]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" + ("/***" if parts.path.strip("/") else "")


def _webhook(path: str, given: object) -> Webhook:
    if isinstance(given, Webhook):  # has gone through this before
        return given
    if not isinstance(given, dict) or not all(isinstance(key, str) for key in given):
        raise ValueError(f"is wrong at {path}: it is no mapping; write {{name: crm, url: https://..., secret: ...}}")
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"is wrong at {path}: {key!r} is not known; use {', '.join(_KEYS)}")
    for key in _KEYS:
        if key not in given:
            hint = _HOW if key == "secret" else "give it one"
            raise ValueError(f"is wrong at {path}: it has no {key}; {hint}")
    name = given["name"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"is wrong at {path}.name: {name!r} is no name; use 1 to 63 letters, digits, dots, hyphens and underscores"
        )
    try:
        url = values.text(given["url"])
        values.web_address(url)
    except ValueError as error:
        raise ValueError(f"is wrong at {path}.url: it {error}") from None
    return Webhook(name, url, _secrets(f"{path}.secret", given["secret"]))


def _secrets(path: str, given: Any) -> tuple[str, ...]:
    several = given if isinstance(given, list | tuple) else [given]
    if not 1 <= len(several) <= MOST_SECRETS:
        raise ValueError(f"is wrong at {path}: it has {len(several)} secrets; give one, or two while they are changed")
    for secret in several:
        try:
            if not isinstance(secret, str) or not secret.startswith(_PREFIX):
                raise ValueError
            key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except (ValueError, binascii.Error):
            raise ValueError(f"is wrong at {path}: it is not {_PREFIX} and base64 after it; {_HOW}") from None
        if not _SHORTEST <= len(key) <= _LONGEST:
            raise ValueError(f"is wrong at {path}: its key has {len(key)} bytes; use {_SHORTEST} to {_LONGEST}: {_HOW}")
    return tuple(several)


def smtp_address(value: object) -> str:
    """The address of a mail server; `mail_server` reads it."""
    address = values.text(value)
    mail_server(address)
    return address


def mail_server(address: str) -> MailServer:
    """The mail server of an address, `smtp://user:password@host:587`; signs in user or password as `%40`.

    Raises:
        ValueError: what is wrong with it, without any part of it.
    """
    scheme, found, rest = address.partition("://")
    if not found or scheme not in SMTP_PORTS:
        raise ValueError(
            "is not the address of a mail server; write smtp://host:587, smtps://host or smtp+plain://host"
        )
    account, at, place = rest.rpartition("@")
    if at and not ("/" not in account and re.fullmatch(r"[^:]+:.+", account)):
        raise ValueError(
            "has no user and password before the @; write user:password@, an @ / or : in them as %40 %2F %3A"
        )
    try:
        parts = urlsplit(f"//{place}")
        port = parts.port
    except ValueError as error:
        raise ValueError("has an impossible port; use 1 to 65535") from error
    if not parts.hostname:
        raise ValueError("names no host; write smtp://host:587")
    values.host(parts.hostname)
    if port == 0:
        raise ValueError("has an impossible port; use 1 to 65535")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has a path; write only smtp://user:password@host:port")
    if at and scheme == "smtp+plain":
        raise ValueError("would send the password unencrypted; write smtp:// or smtps://")
    user, _, password = account.partition(":")
    account_of = (unquote(user), unquote(password)) if at else (None, None)
    return MailServer(parts.hostname, port or SMTP_PORTS[scheme], scheme, *account_of)


def mail_address(value: object) -> str:
    """The sender of mails: `alerts@example.com` or `Retention alerts <alerts@example.com>`."""
    given = values.text(value)
    name, address = parseaddr(given)
    if not _MAIL.fullmatch(address) or (address != given and not given.endswith(f"<{address}>")):
        raise ValueError("is not a mail address; write alerts@example.com or Retention alerts <alerts@example.com>")
    try:
        Address(addr_spec=address)
    except (ValueError, IndexError):
        raise ValueError("is not a mail address; write alerts@example.com") from None
    if name.isascii():
        return formataddr((name, address))
    return f'"{quote(name)}" <{address}>' if _SPECIAL.search(name) else f"{name} <{address}>"


def addresses(value: object) -> str:
    """One or several addresses of the web, with commas, without slashes at their ends; a list as well."""
    if isinstance(value, list | tuple) and value:
        value = ",".join(values.text(part) for part in value)
    found = []
    for part in values.text(value).split(","):
        if not part.strip():
            raise ValueError("has an empty address; write http://host:9093,http://other:9093")
        found.append(values.web_address(part))
    return ",".join(dict.fromkeys(found))
