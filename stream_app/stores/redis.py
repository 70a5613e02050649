"""The serving store: the latest snapshot and the alerts, in Redis. Nothing in it is needed to count.

How the keys lie is in `stores.layout`. A version is written in one transaction that fails if another writer came in
between. Whoever does not find its own last version there (another writer, a server that lost its memory, a write whose
answer got lost) writes everything anew; so what could not be written while Redis was away is there once it is back.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from redis.exceptions import RedisError, WatchError

from stream_app.stores import layout
from stream_app.stores.base import StoreUnavailable
from stream_app.stores.board import QuestionBoard
from stream_app.stores.connect import connect
from stream_app.stores.layout import Keys, Meta
from stream_app.stores.mirror import Mirror
from stream_app.stores.shelf import AlertShelf

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from redis.asyncio import Redis

    from stream_app.domain.counters import BlockKey
    from stream_app.domain.metrics import Snapshot
    from stream_app.stores.base import Alerts, Wanted
    from stream_app.stores.embedded import EmbeddedRedis

log = logging.getLogger(__name__)
T = TypeVar("T")

_ATTEMPTS = 5


class RedisStore:
    """Writes and reads snapshots and alerts. Made by `open`.

    Args:
        client: answers in bytes.
        where: the server, as messages name it.
        app_id: the service; services of different ids share a server without seeing each other.
        fingerprint: of the configuration that the figures belong to.
        embedded: the server to stop on close, where it is one's own.
    """

    def __init__(
        self, client: Redis, where: str, *, app_id: str, fingerprint: str, embedded: EmbeddedRedis | None = None
    ) -> None:
        self._client = client
        self._app_id = app_id
        self._fingerprint = fingerprint
        self._embedded = embedded
        self._keys = Keys(app_id)
        self._mirror = Mirror(client, self._keys, fingerprint)
        self._shelf = AlertShelf(self._keys)
        self._published: Meta | None = None  # None: the next version is written in full
        self.where = where

    @classmethod
    async def open(cls, url: str | None, *, app_id: str = "stream-app", fingerprint: str = "") -> RedisStore:
        """Connect to the server at `url`, or start an embedded one without.

        Raises:
            ConfigurationError: the URL is none of Redis.
            ConnectionFailedError: the server does not answer, or refuses.
        """
        client, where, embedded = await connect(url)
        return cls(client, where, app_id=app_id, fingerprint=fingerprint, embedded=embedded)

    async def close(self) -> None:
        """Close the connections, and end the embedded server where there is one. May be called twice."""
        try:
            await self._client.aclose()
        except (RedisError, OSError):
            log.debug("A connection to Redis was already gone when it was closed.")
        finally:
            if self._embedded is not None:
                await self._embedded.stop()

    def board(self) -> QuestionBoard:
        """Where the workers of this service ask each other."""
        return QuestionBoard(self._client, self._keys.prefix, self.where)

    @property
    def owed(self) -> bool:
        """Something is not yet known to be written; the next publication includes it."""
        return self._shelf.owed or self._published is None

    async def snapshot(self) -> Snapshot | None:
        """The latest snapshot of this configuration, None if there is none.

        The same object as long as nothing was published; only what changed is fetched, and a series is decoded when
        it is asked for.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        return await self._asked(self._mirror.snapshot)

    async def publish(self, snapshot: Snapshot, dirty: Iterable[BlockKey] | None = None) -> None:
        """Write a snapshot: only the changed blocks where the last version is this store's own, otherwise everything.

        Args:
            snapshot: complete, whatever is written of it. Its blocks must not change during the call.
            dirty: the blocks that changed since the last call, None for all. Those of a call that failed need not be
                given again: the call after it writes everything.

        Raises:
            StoreUnavailable: the server does not answer. Nothing was written, or all of it.
        """
        changed = None if dirty is None else layout.touched(dirty)
        last, self._published = self._published, None  # until it is known that the write succeeded
        self._published = await self._asked(lambda: self._publish(snapshot, changed, last))

    async def _publish(self, snapshot: Snapshot, changed: layout.Parts | None, last: Meta | None) -> Meta:
        figures = layout.figures_of(snapshot)
        for _ in range(_ATTEMPTS):
            async with self._client.pipeline(transaction=True) as pipe:
                await pipe.watch(self._keys.meta)
                stored = Meta.from_json(await pipe.get(self._keys.meta))
                if changed is None or last is None or stored is None or stored.name != last.name:
                    parts = layout.everything(snapshot)
                    version = stored.version + 1 if stored else 1
                    meta = Meta(uuid4().hex, version, self._fingerprint, tuple(sorted(parts)), figures)
                    former: set[layout.Page] | None = {
                        *meta.pages,
                        *(stored.pages if stored else ()),
                        *(last.pages if last else ()),
                    }
                elif changed or self._shelf.owed or figures != last.figures:
                    parts, former = changed, None
                    pages = tuple(sorted({*parts, *last.pages}))
                    meta = Meta(last.epoch, last.version + 1, self._fingerprint, pages, figures)
                else:
                    return last
                pipe.multi()  # type: ignore[no-untyped-call]
                if former is None:
                    layout.write(pipe, self._keys, meta, snapshot, parts=parts, former=None)
                else:  # a second's work where there are many segments
                    write = partial(layout.write, parts=parts, former=former)
                    await asyncio.to_thread(write, pipe, self._keys, meta, snapshot)
                shelved = self._shelf.write(pipe, everything=former is not None)
                try:
                    await pipe.execute()
                except WatchError:
                    continue
            self._shelf.settled(shelved)
            return meta
        raise StoreUnavailable(
            f"redis: another writer publishes figures of app_id {self._app_id!r} to {self.where!r} at the same "
            "time; if this goes on, give each service its own app_id"
        )

    async def publish_alerts(
        self,
        now: Sequence[Mapping[str, Any]],
        changes: Sequence[Mapping[str, Any]] = (),
        silences: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write the alerts.

        Args:
            now: all that fire, are pending or cannot be judged, JSON-ready (`domain.alerts.shown`); they replace those
                that were.
            changes: what happened since the last call, as rows of the history (`id`, `at`, ...). Those of a call
                that failed need not be given again, and one given twice is kept once. They are remembered, so that
                a server that lost its memory gets them again: whoever begins to publish gives all it has.
            silences: all that are known, as `Silence.to_json` gives them; they replace those that were.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        self._shelf.put(now, changes, silences)

        async def write() -> None:
            async with self._client.pipeline(transaction=True) as pipe:
                written = self._shelf.write(pipe)
                await pipe.execute()
            self._shelf.settled(written)

        await self._asked(write)

    async def alerts(self) -> Alerts:
        """The alerts as they were published last, by this or another process.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        return await self._asked(lambda: self._shelf.read(self._client))

    async def history(self, wanted: Wanted, last: int) -> list[dict[str, Any]]:
        """The latest so many rows of the history that are asked for, latest first.

        Raises:
            StoreUnavailable: the server does not answer.
        """
        return await self._asked(lambda: self._shelf.history(self._client, wanted, last))

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        try:
            return await ask()
        except (RedisError, OSError) as error:
            raise StoreUnavailable(
                f"redis: {self.where!r} does not answer ({str(error) or type(error).__name__}); counting goes on: "
                "start the server, or correct the URL"
            ) from error
