"""Agent `merge`: sums the partials of all source partitions into snapshots, and shows them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from faust.types import TP

from stream_app.codecs.partials import decode_block, decode_key, decode_status
from stream_app.domain.watermarks import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream_app.domain.counters import BlockKey
    from stream_app.domain.merging import Merged
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.chunks import Chunk

log = logging.getLogger(__name__)


class Merger:
    """Reads the partials topic from its beginning, and once it has read all of it publishes what it sums to.

    Args:
        app: the Faust app.
        fresh: makes an empty `Merged`.
        publish: shows a snapshot, given the blocks that changed; called also if nothing did, as it may owe something.
        clock: wall clock (ms).
    """

    def __init__(
        self,
        app: ServiceApp,
        fresh: Callable[[], Merged],
        publish: Callable[[Snapshot, set[BlockKey]], Awaitable[None]],
        clock: Callable[[], int],
    ) -> None:
        self._app, self._fresh, self._publish, self._clock = app, fresh, publish, clock
        self._merged: Merged | None = None
        self._position = 0
        self._caught_up = False

    @property
    def active(self) -> bool:
        """Whether this worker merges, and has read all that there was to read."""
        return self._merged is not None and self._caught_up and self._owner()

    def rewind(self) -> None:
        """Begins anew: the next chunk is the topic's first."""
        self._merged, self._position, self._caught_up = self._fresh(), 0, False

    async def take(self, chunk: Chunk) -> None:
        """Takes a chunk of partials."""
        merged = self._merged
        if merged is None or chunk.stop <= self._position:
            return
        if chunk.start > self._position:
            tp = TP(chunk.topic, chunk.partition)
            log.warning("Topic %s: a chunk starts at %d, expected was %d.", chunk.topic, chunk.start, self._position)
            await self._app.consumer.seek_wait({tp: self._position})
            return
        for key, value in zip(chunk.keys, chunk.values, strict=True):
            if key is not None and value is not None:
                apply(merged, key, value)
        self._position = chunk.stop

    async def show(self) -> None:
        """Publishes a snapshot; called at intervals."""
        merged = self._merged
        if merged is None or not self._owner():
            return
        if not self._caught_up:
            end = self._end()
            self._caught_up = end is not None and self._position >= end
            if not self._caught_up:
                return
        snapshot, dirty = merged.snapshot(self._clock())
        await self._publish(snapshot, dirty)

    def _end(self) -> int | None:
        """Where the partials end: the last stable offset, or the high watermark of a broker without transactions."""
        tp, consumer = TP(self._app.names.partials, 0), self._app.consumer._thread._consumer
        stable = consumer.last_stable_offset(tp)
        end = consumer.highwater(tp) if stable is None or stable < 0 else stable
        return None if end is None else int(end)

    def _owner(self) -> bool:
        return bool(self._app.assignor.is_active(TP(self._app.names.partials, 0)))


def apply(merged: Merged, key: bytes, value: bytes) -> None:
    """Adds one record of the partials topic to the sum."""
    block, partition = decode_key(key)
    if block is None:
        status = decode_status(value)
        progress = [Progress(source.last_event, source.idle) for source in status.sources.values()]
        lag = sum(source.lag for source in status.sources.values())
        merged.status(partition, status.epoch, progress, {**status.totals, "lag": lag})
    else:
        merged.block(block, partition, *decode_block(value))


def register(app: ServiceApp, merger: Merger, fail: Callable[[BaseException], None], interval: float) -> None:
    """Adds the agent and its timer to the app."""
    app.rewind = merger.rewind

    async def merge(stream: Any) -> None:
        async for chunk in stream:
            try:
                await merger.take(chunk)
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the chunk and go on
                fail(error)
                return

    app.agent(app.chunk_topic(app.names.partials), name="merge")(merge)

    @app.timer(interval)
    async def show() -> None:
        try:
            await merger.show()
        except Exception as error:  # noqa: BLE001 - figures that stand still must not go unnoticed
            fail(error)
