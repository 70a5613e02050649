"""A reader's copy of the snapshot in Redis, which fetches only what changed since it last looked."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.stores.blocks import LazyPages, bucket_size
from stream_app.stores.layout import CHANGES_KEPT, Keys, Meta, Page, parse_field, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio import Redis

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics import Snapshot

log = logging.getLogger(__name__)

_ATTEMPTS = 5


class Mirror:
    """The latest snapshot, kept up by versions.

    Args:
        client: of the server that the snapshots are in.
        keys: the names of the keys.
        fingerprint: of this process's configuration; figures of another one are not shown.
    """

    def __init__(self, client: Redis, keys: Keys, fingerprint: str) -> None:
        self._client = client
        self._keys = keys
        self._fingerprint = fingerprint
        self._lock = asyncio.Lock()
        self._meta: Meta | None = None
        self._blocks: dict[tuple[str, str, Series], LazyPages] = {}
        self._snapshot: Snapshot | None = None
        self._refused: str | None = None

    async def snapshot(self) -> Snapshot | None:
        """The latest snapshot; the same object as long as nothing was published.

        Raises:
            redis.RedisError, OSError: the server does not answer.
        """
        async with self._lock:
            meta = Meta.from_json(await self._client.get(self._keys.meta))
            if meta is None or not self._ours(meta):
                self._meta, self._blocks, self._snapshot = None, {}, None
                return None
            if self._meta is None or meta.name != self._meta.name:
                meta = await self._follow(meta) or await self._reload(meta)
                if meta is None:
                    return self._snapshot  # the publisher was faster each time: the next call goes on
                calendar = self._snapshot.calendar if self._snapshot is not None else None
                self._snapshot = snapshot_of(meta.figures, dict(self._blocks), calendar)
                self._meta = meta
            return self._snapshot

    def _ours(self, meta: Meta) -> bool:
        if meta.fingerprint == self._fingerprint:
            self._refused = None
            return True
        if self._refused != meta.fingerprint:
            self._refused = meta.fingerprint
            log.warning(
                "The snapshot in Redis belongs to another configuration and is not shown: stored=%s own=%s.",
                meta.fingerprint,
                self._fingerprint,
            )
        return False

    async def _follow(self, meta: Meta) -> Meta | None:
        """Apply what changed between the version here and `meta`; None where that is not known."""
        if self._meta is None or meta.epoch != self._meta.epoch or meta.version - self._meta.version > CHANGES_KEPT:
            return None
        behind = meta.version - self._meta.version
        lines = await self._client.lrange(self._keys.changes, 0, behind + 1)
        changed: dict[int, dict[str, list[str]]] = dict(map(orjson.loads, lines))
        wanted = range(self._meta.version + 1, meta.version + 1)
        if any(version not in changed for version in wanted):
            return None
        fields: dict[Page, set[str]] = {}
        for version in wanted:
            for joined, names in changed[version].items():
                definition, _, measure = joined.rpartition(":")
                fields.setdefault((definition, measure), set()).update(names)
        found = await self._read(meta, {page: sorted(names) for page, names in fields.items()})
        if found is None:
            return None
        await asyncio.to_thread(self._apply, found[1])
        return meta

    async def _reload(self, meta: Meta) -> Meta | None:
        """Read everything; None where another version came in between each time."""
        for _ in range(_ATTEMPTS):
            read = await self._read(meta, dict.fromkeys(meta.pages))
            if read is not None:
                self._blocks = {}
                await asyncio.to_thread(self._apply, read[1])
                return read[0]
            latest = Meta.from_json(await self._client.get(self._keys.meta))
            if latest is None or not self._ours(latest):
                return None
            meta = latest
        return None

    async def _read(
        self, meta: Meta, wanted: Mapping[Page, list[str] | None]
    ) -> tuple[Meta, dict[Page, Iterable[tuple[bytes, bytes]]]] | None:
        """Fields of hashes (None: all) as of one version, which may be later than `meta` where all are read."""
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.get(self._keys.meta)
            for page, names in wanted.items():
                if names is None:
                    pipe.hgetall(self._keys.page(page))
                else:
                    pipe.hmget(self._keys.page(page), names)
            raw, *answers = await pipe.execute()
        latest = Meta.from_json(raw)
        if latest is None or latest.pages != meta.pages or latest.epoch != meta.epoch:
            return None
        whole = all(names is None for names in wanted.values())
        if latest.version != meta.version and not whole:
            return None
        found: dict[Page, Iterable[tuple[bytes, bytes]]] = {}
        for (page, names), answer in zip(wanted.items(), answers, strict=True):
            found[page] = answer.items() if names is None else _present(names, answer)
        return latest, found

    def _apply(self, found: Mapping[Page, Iterable[tuple[bytes, bytes]]]) -> None:
        """Runs in a thread: of many segments it is some 10 ms of work, during which others are served."""
        for page, pairs in found.items():
            self._apply_page(page, pairs)

    def _apply_page(self, page: Page, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        changed: dict[Series, dict[int, bytes]] = {}
        for field, raw in pairs:
            series, bucket = parse_field(field)
            changed.setdefault(series, {})[bucket] = raw
        for series, buckets in changed.items():
            key = (*page, series)
            known = self._blocks.get(key)
            self._blocks[key] = LazyPages(buckets, bucket_size(page[1])) if known is None else known.replaced(buckets)


def _present(names: list[str], answer: list[Any]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), raw) for name, raw in zip(names, answer, strict=True) if raw is not None]
