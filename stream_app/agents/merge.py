"""Agent `merge`: sums the partials of all source partitions into snapshots, and shows them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from faust.types import TP

from stream_app.codecs.partials import decode_block, decode_key, decode_page, decode_status
from stream_app.domain.counters import PageKey
from stream_app.domain.fingerprint import of_figures
from stream_app.domain.watermarks import Progress

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from stream_app.domain.counters import BlockKey
    from stream_app.domain.merging import Merged
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.chunks import Chunk

log = logging.getLogger(__name__)

#: Seconds between two snapshots while partitions tell of news. Without news every fourth is enough: the watermark may
#: have moved with the clock, or the store be owed what it did not take.
PACE = 0.25
QUIET = 4


class Merger:
    """Reads the partials topic from its beginning, and once it has read all of it publishes what it sums to.

    Args:
        app: the Faust app.
        fresh: makes an empty `Merged`.
        publish: shows a snapshot, given the blocks that changed, None for all; called also if nothing did, as it may
            owe something.
        clock: wall clock (ms).
        reached: the watermark that was reached before; it never goes back.
        ready: whether that is known yet.
    """

    def __init__(
        self,
        app: ServiceApp,
        fresh: Callable[[], Merged],
        publish: Callable[[Snapshot, set[BlockKey] | None], Awaitable[None]],
        clock: Callable[[], int],
        *,
        reached: Callable[[], int | None] = lambda: None,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._app, self._fresh, self._publish, self._clock = app, fresh, publish, clock
        self._reached, self._ready = reached, ready
        self._merged: Merged | None = None
        self._position = 0
        self._caught_up = False
        self._whole = True
        self._news = False
        self._quiet = 0
        self._foreign: list[int] = []

    @property
    def active(self) -> bool:
        """Whether this worker merges, and has read all that there was to read."""
        return self._merged is not None and self._caught_up and self._owner()

    def rewind(self) -> None:
        """Begins anew: the next chunk is the topic's first."""
        self._merged, self._position, self._caught_up = self._fresh(), 0, False
        # What was shown before may hold blocks that are void by now: the new sum does not know of them.
        self._whole = True

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
        self._news = True

    async def show(self) -> None:
        """Publishes a snapshot if one is due; called at intervals."""
        merged = self._merged
        if merged is None or not self._owner():
            return
        if not self._caught_up:
            end = self._end()
            self._caught_up = end is not None and self._position >= end and self._ready()
            if not self._caught_up:
                return
            merged.watermark = self._reached()
        if self._waits_for(merged.foreign):
            return
        self._quiet += 1
        if not self._news and self._quiet < QUIET:
            return
        self._news, self._quiet = False, 0
        snapshot, dirty = merged.snapshot(self._clock())
        whole, self._whole = self._whole, False
        await self._publish(snapshot, None if whole else dirty)

    def _waits_for(self, foreign: dict[int, str]) -> bool:
        """Whether some partitions count under another configuration: a sum without them would be no figure."""
        if sorted(foreign) != self._foreign:
            self._foreign = sorted(foreign)
            if foreign:
                log.warning(
                    "Partitions %s are counted under another configuration (%s); figures stand still until all are "
                    "counted under this worker's.", self._foreign, next(iter(foreign.values())),
                )  # fmt: skip
        return bool(foreign)

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
        merged.status(partition, status.epoch, progress, {**status.totals, "lag": lag}, of_figures(status.fingerprint))
    elif isinstance(block, PageKey):
        merged.page(block, partition, *decode_page(value))
    else:
        merged.block(block, partition, *decode_block(value))


def register(app: ServiceApp, merger: Merger, fail: Callable[[BaseException], None], interval: float = PACE) -> None:
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
