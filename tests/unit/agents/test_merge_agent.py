"""The merge agent: what it shows is what the partials say, also after it began anew."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.agents.merge import Merger
from stream_app.codecs.partials import Status, encode_block, encode_status
from stream_app.domain.counters import ALL, BlockKey
from stream_app.domain.events import ENGAGEMENT
from stream_app.domain.merging import Merged
from stream_app.domain.periods import Calendar
from stream_app.engine.chunks import Chunk

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot

OLD, NEW = (BlockKey("engagement", "day.last", ALL, day) for day in (20_000, 20_001))


class Shelf:
    """What a store shows: the blocks it was given, and those that it was told have changed since."""

    def __init__(self) -> None:
        self.blocks: dict[BlockKey, list[int]] = {}

    async def publish(self, snapshot: Snapshot, dirty: set[BlockKey] | None) -> None:
        if dirty is None:
            self.blocks, dirty = {}, {BlockKey(*name, day) for name, days in snapshot.blocks.items() for day in days}
        for key in dirty:
            block = snapshot.block(*key[:3]).get(key.period)
            self.blocks[key] = [] if block is None else np.trim_zeros(block, "b").tolist()

    @property
    def shown(self) -> dict[BlockKey, list[int]]:
        return {key: block for key, block in self.blocks.items() if block}


def merger(shelf: Shelf, log: list[Any]) -> Merger:
    consumer = SimpleNamespace(last_stable_offset=lambda _tp: len(log), highwater=lambda _tp: len(log))
    app: Any = SimpleNamespace(
        names=SimpleNamespace(partials="partials"),
        consumer=SimpleNamespace(_thread=SimpleNamespace(_consumer=consumer)),
        assignor=SimpleNamespace(is_active=lambda _tp: True),
    )

    def fresh() -> Merged:
        return Merged(Calendar("UTC"), (ENGAGEMENT,), (), partitions=1, lateness=0)

    return Merger(app, fresh, shelf.publish, lambda: 0)


def written(epoch: int, key: BlockKey) -> list[tuple[bytes, bytes]]:
    """A user's last day, and the status that it was written with."""
    return [encode_block(key, np.array([1]), 0, epoch), encode_status(Status(epoch, "a"), 0)]


async def read(merging: Merger, log: list[tuple[bytes, bytes]], start: int = 0) -> None:
    keys, values = [k for k, _ in log[start:]], [v for _, v in log[start:]]
    await merging.take(Chunk(start, len(log), keys, values, list(range(start, len(log))), "partials", 0))
    await merging.show()


async def test_a_block_that_a_new_epoch_does_not_have_is_not_shown_any_more() -> None:
    shelf, log = Shelf(), written(1, OLD)
    merging = merger(shelf, log)
    merging.rewind()
    await read(merging, log)
    assert shelf.shown == {OLD: [1]}
    log += written(2, NEW)
    await read(merging, log, 2)
    assert shelf.shown == {NEW: [1]}


async def test_after_a_rewind_nothing_stays_that_was_shown_before_and_is_void_by_now() -> None:
    shelf, log = Shelf(), written(1, OLD)
    merging = merger(shelf, log)
    merging.rewind()
    await read(merging, log)
    log += written(2, NEW)
    merging.rewind()  # a rebalance: the new sum begins when the old block is void
    await read(merging, log)
    assert shelf.shown == {NEW: [1]}
