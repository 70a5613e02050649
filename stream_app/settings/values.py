"""One parser for each kind of setting: from what a file, an environment or a caller gives to one right value.

A parser raises ValueError whose text continues the sentence "<name>: <value> (<where from>) ...": what is
wrong and what to write instead. Parsers are idempotent: what went through one goes through it unchanged.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import yaml

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.periods import Calendar

Parser = Callable[[object], Any]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.%]+\]")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_APP_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_GENERATION = re.compile(r"\.g\d+$")
_FIELD = re.compile(r"[A-Za-z0-9_.-]{1,64}")
#: Fields of an event that say something else than who it is of.
_NO_ACTORS = ("type", "event_id", "occurred_at", "segment", "properties", "order_id", "amount", "currency")
_KAFKA_PORT = 9092
MAX_DIMENSIONS = 16


def text(value: object) -> str:
    """A non-empty line of text without control characters."""
    if not isinstance(value, str):
        raise ValueError("is not text; put it in quotes")
    value = value.strip()
    if not value:
        raise ValueError("is empty; give a value, or leave the setting out to have its default")
    if not value.isprintable():
        raise ValueError("has control characters; remove them")
    return value


def optional(parse: Parser) -> Parser:
    """The same parser, where nothing (None) is a value too."""
    return lambda value: None if value is None else parse(value)


def named(value: object, noun: str, like: str, most: int, parse: Callable[[str, object], N]) -> tuple[N, ...]:
    """A list of mappings that each have a name, or such a list as JSON or YAML.

    Args:
        value: what is given.
        noun: what one is called.
        like: an entry to show, as JSON without braces.
        most: how many there may be.
        parse: makes one of its place and what is given.

    Raises:
        ValueError: with the place of what is wrong, and nothing of what is there.
    """
    if isinstance(value, str):
        try:
            value = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"is not a list of {noun}s; write [{{{like}}}]") from None
    if not isinstance(value, list | tuple):
        raise ValueError(f"is not a list of {noun}s; write - {{{like.replace(chr(34), '')}}}")
    if len(value) > most:
        raise ValueError(f"has {len(value)} {noun}s; use at most {most}")
    found = tuple(parse(f"[{place}]", given) for place, given in enumerate(value))
    names = [one.name for one in found]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise ValueError(f"is wrong at [{place}].name: {name!r} is there twice; name each {noun} once")
    return found


def whole(low: int, high: int) -> Parser:
    """A whole number from `low` to `high`, both included."""

    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,18}\s*", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"is not a whole number; use {low} to {high}")
        if not low <= value <= high:
            raise ValueError(f"is out of range; use {low} to {high}")
        return value

    return parse


def seconds(low: float, high: float) -> Parser:
    """A number of seconds from `low` to `high`, both included."""

    def parse(value: object) -> float:
        number = math.nan
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            try:
                number = float(value)
            except (ValueError, OverflowError):
                number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"is not a number of seconds; use {low:.15g} to {high:.15g}")
        if not low <= number <= high:
            raise ValueError(f"is out of range; use {low:.15g} to {high:.15g} seconds")
        return number

    return parse


def choice(*allowed: str) -> Parser:
    """One of the allowed words, in whatever case it is written."""

    def parse(value: object) -> str:
        word = text(value).lower()
        if word not in allowed:
            raise ValueError(f"is not known; use one of {', '.join(allowed)}")
        return word

    return parse


def flag(value: object) -> bool:
    """A yes or no."""
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:  # the environment knows only text
        return value.strip().lower() == "true"
    if isinstance(value, bool):
        return value
    raise ValueError("is neither true nor false; write one of them")


def actor(value: object) -> str:
    """The name of an event's field."""
    name = text(value)
    if not _FIELD.fullmatch(name):
        raise ValueError("is not the name of a field; use 1 to 64 letters, digits, dots, hyphens and underscores")
    if name in _NO_ACTORS:
        raise ValueError("is a field with another meaning; name one with the id of who is counted, such as account_id")
    return name


def path(value: object) -> Path:
    """The path of a file."""
    return value if isinstance(value, Path) else Path(text(value)).expanduser()


def topic(value: object) -> str:
    """The name of a Kafka topic."""
    name = text(value)
    if not _TOPIC.fullmatch(name) or name in {".", ".."}:
        raise ValueError("is not a topic name; use 1 to 249 letters, digits, dots, hyphens and underscores")
    return name


def app_id(value: object) -> str:
    """The first part of the names of topics, groups and transactional ids."""
    name = text(value)
    if not _APP_ID.fullmatch(name):
        raise ValueError("cannot begin topic names; use 1 to 100 letters, digits, dots, hyphens and underscores")
    if _GENERATION.search(name):
        raise ValueError("ends as the names of a rebuilt state's topics do (.g2, .g3, ...); use another")
    return name


def timezone(value: object) -> str:
    """An IANA time zone."""
    name = text(value)
    try:
        Calendar(name)
    except ConfigurationError:
        raise ValueError("is not an IANA time zone name; use one such as 'UTC' or 'Europe/Berlin'") from None
    return name


def currency(value: object) -> str:
    """A currency code of ISO 4217."""
    code = text(value).upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise ValueError("is not a currency code; use the three letters of ISO 4217, such as 'EUR'")
    return code


def host(value: object) -> str:
    """A host name or address without scheme and port."""
    name = text(value)
    bare = name.strip("[]") if ":" in name else name
    if not _HOST.fullmatch(name) and not _HOST.fullmatch(f"[{bare}]"):
        raise ValueError("is not a host name or address; write it without scheme and port, as '127.0.0.1'")
    return bare


def _server(server: str) -> str:
    """One `host:port` of a broker list; the port may be absent."""
    name, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        name, port = server, str(_KAFKA_PORT)
    if not _HOST.fullmatch(name):
        raise ValueError(f"has no host in {server!r}; write it as host:port, such as 'localhost:9092'")
    if not re.fullmatch(r"\d{1,5}", port) or not 0 < int(port) < 65_536:
        raise ValueError(f"has no port in {server!r}; write it as host:port with a port from 1 to 65535")
    return f"{name}:{int(port)}"


def broker(value: object) -> str:
    """Addresses of Kafka brokers as `kafka://host:port,host:port`: one or several, with or without it."""
    if isinstance(value, list | tuple) and value:
        value = ",".join(text(part) for part in value)
    given = re.split("[,;]", text(value))
    servers = []
    for part in given:
        scheme, found, rest = part.strip().rpartition("://")
        if found and scheme != "kafka":
            raise ValueError(f"has the scheme {scheme!r}; write host:port or kafka://host:port (TLS is not supported)")
        if "@" in rest:
            raise ValueError("has a user name; sign-in to the broker is not supported, write only host:port")
        servers.append(_server(rest.rstrip("/")))
    return "kafka://" + ",".join(dict.fromkeys(servers))


def _check_port(address: str) -> None:
    try:
        port = urlsplit(address).port
    except ValueError as error:
        raise ValueError("has an impossible port; use 1 to 65535") from error
    if port == 0:
        raise ValueError("has an impossible port; use 1 to 65535")


def redis(value: object) -> str:
    """The address of a Redis server: redis://, rediss:// (TLS) or unix:// (a socket)."""
    address = text(value)
    parts = urlsplit(address) if "://" in address else None
    if parts is None or parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("is not a Redis address; write redis://host:6379, rediss://host:6379 or unix:///path")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise ValueError("names no socket; write unix:///path/of/redis.sock")
        return address
    if not parts.hostname:
        raise ValueError("names no host; write redis://host:6379")
    _check_port(address)
    if not re.fullmatch(r"/?|/\d+", parts.path):
        raise ValueError("has a database that is not a number; write redis://host:6379/0")
    return address


def web_address(value: object) -> str:
    """An address of the web, http:// or https://, without a slash at its end."""
    address = text(value)
    parts = urlsplit(address) if "://" in address else None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("is not a web address; write http://host or https://host")
    _check_port(address)
    return address.rstrip("/")


def api_address(value: object) -> str:
    """An address of the web with a slash at its end, to which names of methods are appended."""
    return web_address(value) + "/"


def secret(value: object) -> str:
    """A token: one word. Its value is never part of a message."""
    token = text(value)
    if not token.isascii() or " " in token:
        raise ValueError("is not a token: it has spaces or letters outside ASCII; copy it again")
    return token


def dimensions(value: object) -> tuple[str, ...]:
    """The names of dimensions, in order: a list, or text with commas."""
    if isinstance(value, str):
        value = [part for part in value.split(",") if part.strip()]
    if not isinstance(value, Iterable) or isinstance(value, dict | bytes):
        raise ValueError("is not a list of names; write [plan, country]")
    names = []
    for given in value:
        if not isinstance(given, str):
            raise ValueError(f"has {given!r}, which is not text; put it in quotes")
        name = given.strip()
        if not 1 <= len(name) <= 64 or not name.isprintable():
            raise ValueError(f"has {given!r}; a name has 1 to 64 characters and no control characters")
        if name in names:
            raise ValueError(f"has {name!r} twice; name each dimension once")
        names.append(name)
    if len(names) > MAX_DIMENSIONS:
        raise ValueError(f"has {len(names)} names; use at most {MAX_DIMENSIONS}")
    return tuple(names)
