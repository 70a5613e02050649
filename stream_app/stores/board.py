"""Where workers ask each other: a channel that all hear, and for each question a list that replies are put into.

    <prefix>questions            channel: JSON, a question
    <prefix>replies:<question>   list: replies; it vanishes a minute after the last one

Nothing here is durable: who hears of a question too late, or not at all, hears of it again as long as it is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from redis.exceptions import RedisError

from stream_app.stores.base import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

log = logging.getLogger(__name__)

#: Seconds that replies wait for whoever asked.
KEPT_SECONDS = 60
#: Seconds between two attempts to listen while the server does not answer.
_AGAIN_SECONDS = 1.0
#: Seconds that a connection waits before it looks whether it is still wanted; less than its time-out.
_LOOK_SECONDS = 5.0


class QuestionBoard:
    """Questions and replies on the server of the serving store.

    Args:
        client: answers in bytes.
        prefix: of every key and channel of the service.
        where: the server, as messages name it.
    """

    def __init__(self, client: Redis, prefix: str, where: str) -> None:
        self._client, self._prefix, self.where = client, prefix, where
        self._channel = f"{prefix}questions"

    async def publish(self, question: bytes) -> int:
        """Has every worker that listens hear a question. Returns how many do.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        try:
            return int(await self._client.publish(self._channel, question))
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from error

    async def reply(self, question: str, reply: bytes) -> None:
        """Puts down a reply to a question.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        key = self._list(question)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.rpush(key, reply)
                pipe.expire(key, KEPT_SECONDS)
                await pipe.execute()
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from error

    async def next_reply(self, question: str, timeout: float) -> bytes | None:  # noqa: ASYNC109 - the server waits
        """The next reply to a question, None where none comes within so many seconds.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        try:
            found: Any = await self._client.blpop([self._list(question)], timeout=max(timeout, 0.01))
        except (RedisError, OSError) as error:
            raise self._unavailable(error) from error
        return None if found is None else bytes(found[1])

    async def forget(self, question: str) -> None:
        """Removes what is left of the replies to a question."""
        with contextlib.suppress(RedisError, OSError):  # they vanish by themselves
            await self._client.unlink(self._list(question))

    async def questions(self) -> AsyncIterator[bytes]:
        """Every question from now on, for good: where the server goes away, those from when it is back."""
        while True:
            pubsub: Any = self._client.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(self._channel)
                while True:
                    message = await pubsub.get_message(timeout=_LOOK_SECONDS)
                    if message is not None and message["type"] == "message":
                        yield bytes(message["data"])
            except (RedisError, OSError) as error:
                log.debug("Questions are not heard while Redis does not answer: %s.", error)
                await asyncio.sleep(_AGAIN_SECONDS)
            finally:
                with contextlib.suppress(RedisError, OSError):
                    await pubsub.aclose()

    def _list(self, question: str) -> str:
        return f"{self._prefix}replies:{question}"

    def _unavailable(self, error: Exception) -> StoreUnavailable:
        said = str(error) or type(error).__name__
        return StoreUnavailable(f"redis: {self.where!r} does not answer ({said}); start the server, or correct the URL")
