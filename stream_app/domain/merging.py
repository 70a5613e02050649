"""The sum over source partitions: what the partials of all of them say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.metrics import Snapshot
from stream_app.domain.watermarks import Progress, watermark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.counters import BlockKey, Series
    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar


@dataclass
class _Partition:
    """What one source partition has said: its epoch, its blocks by key, its sources' progress and its totals.

    Blocks wait until the status comes that was written with them: half of what a commit says is never shown.
    """

    epoch: int = 0
    waiting: dict[BlockKey, tuple[int, NDArray[np.int64]]] = field(default_factory=dict)
    blocks: dict[BlockKey, tuple[int, NDArray[np.int64]]] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    totals: Mapping[str, int] = field(default_factory=dict)
    told: bool = False


class Merged:
    """The merged counters of all source partitions.

    Args:
        calendar, definitions, dimensions: as in `Snapshot`.
        partitions: how many source partitions there are; until each has told of itself there is no watermark.
        lateness: allowed lateness (ms).
        previous: a watermark (ms) that was reached before; it never goes back.
    """

    def __init__(
        self,
        calendar: Calendar,
        definitions: Sequence[Definition],
        dimensions: Sequence[str],
        *,
        partitions: int,
        lateness: int,
        previous: int | None = None,
    ) -> None:
        self._calendar, self._definitions, self._dimensions = calendar, tuple(definitions), tuple(dimensions)
        self._parts = [_Partition() for _ in range(partitions)]
        self._lateness = lateness
        self.watermark = previous
        self._sums: dict[tuple[str, str, Series], dict[int, NDArray[np.int64]]] = {}
        self._shown: dict[tuple[str, str, Series], dict[int, NDArray[np.int64]]] = {}
        self._dirty: set[BlockKey] = set()

    def block(self, key: BlockKey, partition: int, epoch: int, cells: NDArray[np.int64]) -> None:
        """Takes a partition's block. It replaces the one before when the partition's next status comes."""
        self._parts[partition].waiting[key] = (epoch, cells)

    def status(self, partition: int, epoch: int, progress: Sequence[Progress], totals: Mapping[str, int]) -> None:
        """Takes a partition's status, and the blocks before it. Blocks of an earlier epoch are void."""
        part = self._parts[partition]
        if epoch < part.epoch:
            return
        current = {key: block for key, block in part.waiting.items() if block[0] >= epoch}
        part.waiting = {}
        part.blocks |= current
        self._dirty |= current.keys()
        if epoch > part.epoch:
            part.epoch = epoch
            for key in [key for key, (old, _) in part.blocks.items() if old < epoch]:
                del part.blocks[key]
                self._dirty.add(key)
        part.progress, part.totals, part.told = list(progress), totals, True

    @property
    def complete(self) -> bool:
        """Whether every source partition has told of itself."""
        return all(part.told for part in self._parts)

    def snapshot(self, now: int) -> tuple[Snapshot, set[BlockKey]]:
        """The figures at this instant of the wall clock (ms), and the blocks that changed since the last call.

        A snapshot does not change afterwards.
        """
        dirty, self._dirty = self._dirty, set()
        for key in dirty:
            self._sum(key)
        return self._snapshot(now, dirty), dirty

    def _snapshot(self, now: int, dirty: set[BlockKey]) -> Snapshot:
        shown = dict(self._shown)
        for name in {(key.definition, key.measure, key.series) for key in dirty}:
            shown[name] = dict(self._sums[name])
        self._shown = shown
        if self.complete:
            progress = [p for part in self._parts for p in part.progress]
            self.watermark = watermark(progress, lateness=self._lateness, now=now, previous=self.watermark)
        events = [p.last_event for part in self._parts for p in part.progress if p.last_event is not None]
        totals: dict[str, int] = {}
        for part in self._parts:
            for name_of, count in part.totals.items():
                totals[name_of] = totals.get(name_of, 0) + count
        return Snapshot(
            calendar=self._calendar,
            definitions=self._definitions,
            dimensions=self._dimensions,
            watermark=self.watermark,
            last_event=max(events, default=None),
            blocks=shown,
            totals=totals,
        )

    def _sum(self, key: BlockKey) -> None:
        found = [part.blocks[key][1] for part in self._parts if key in part.blocks]
        total = np.zeros(max((len(cells) for cells in found), default=1) or 1, np.int64)
        for cells in found:
            total[: len(cells)] += cells
        # A new array each time: snapshots given out hold the old one.
        self._sums.setdefault((key.definition, key.measure, key.series), {})[key.period] = total
