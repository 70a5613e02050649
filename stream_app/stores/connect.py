"""A connection to the Redis of a URL, or to an embedded one."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from stream_app.domain.errors import ConfigurationError, ConnectionFailedError
from stream_app.stores.embedded import EmbeddedRedis

_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 10.0
#: How messages name a server that was started here.
EMBEDDED = "embedded"


async def connect(url: str | None) -> tuple[Redis, str, EmbeddedRedis | None]:
    """Connect to the server at `url`, or start an embedded one without.

    Returns:
        The client, the server as messages name it, and the embedded server that is to be stopped.

    Raises:
        ConfigurationError: the URL is none of Redis.
        ConnectionFailedError: the server does not answer, or refuses.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
        # A pooled connection is stale after the server restarted: once more on a new one. Whatever is written here
        # may be written twice.
        "retry": Retry(NoBackoff(), 1),
        "protocol": 2,
    }
    if url is None:
        embedded = await EmbeddedRedis.start()
        return Redis(unix_socket_path=embedded.socket, **options), EMBEDDED, embedded
    where = redacted(url)
    try:
        client = Redis.from_url(url, **options)
    except ValueError as error:
        raise ConfigurationError(
            f"redis: {where!r} is not a Redis URL ({error}); use one such as 'redis://127.0.0.1:6379/0'"
        ) from error
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await client.exists("stream-app")
    except (RedisError, OSError) as error:
        await client.aclose()
        reason = str(error) or f"within {_ANSWER_SECONDS:.0f} s"
        raise ConnectionFailedError(
            f"redis: {where!r} does not answer ({reason}); start the server or correct the URL"
        ) from error
    return client, where, None


def redacted(url: str) -> str:
    """The URL without user name and password.

    >>> redacted("redis://me:secret@cache:6379/0")
    'redis://***@cache:6379/0'
    """
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]))
