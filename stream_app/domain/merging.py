"""The sum over source partitions: what the partials of all of them say together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.counters import ACTIVE, ALL, BlockKey, Series, measure
from stream_app.domain.metrics import Snapshot
from stream_app.domain.metrics.snapshot import Corrections
from stream_app.domain.periods import KEPT, Grain
from stream_app.domain.watermarks import Progress, watermark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.counters import PageKey
    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar


#: Of one period: (definition, measure, period).
_Period = tuple[str, str, int]
#: Which series of a period: a group's number, or the series itself where it came by itself.
_Group = int | Series
#: Before any period.
_NEVER = -(1 << 62)


class _Page(NamedTuple):
    """Some series' blocks of one period, as a partition told them: cells (series, n) from index `first` on."""

    epoch: int
    series: tuple[Series, ...]
    first: int
    cells: NDArray[Any]


@dataclass
class _Partition:
    """What one source partition has said: its epoch, its pages by period, its sources' progress and its totals.

    Pages wait until the status comes that was written with them: half of what a commit says is never shown.
    `foreign` is the fingerprint of another configuration that the partition counts under, None for ours.
    """

    epoch: int = 0
    waiting: dict[tuple[_Period, _Group], _Page] = field(default_factory=dict)
    pages: dict[_Period, dict[_Group, _Page]] = field(default_factory=dict)
    progress: list[Progress] = field(default_factory=list)
    totals: Mapping[str, int] = field(default_factory=dict)
    told: bool = False
    foreign: str | None = None


class Merged:
    """The merged counters of all source partitions.

    Args:
        calendar, definitions, dimensions: as in `Snapshot`.
        partitions: how many source partitions there are; until each has told of itself there is no watermark.
        lateness: allowed lateness (ms).
        previous: a watermark (ms) that was reached before; it never goes back.
        fingerprint: of the figures; what was counted under another configuration is not added. None: of any.
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
        fingerprint: str | None = None,
    ) -> None:
        self._calendar, self._definitions, self._dimensions = calendar, tuple(definitions), tuple(dimensions)
        self._parts = [_Partition() for _ in range(partitions)]
        self._lateness, self._fingerprint = lateness, fingerprint
        self.watermark = previous
        self._sums: dict[tuple[str, str, Series], dict[int, NDArray[np.int64]]] = {}
        self._shown: dict[tuple[str, str, Series], dict[int, NDArray[np.int64]]] = {}
        self._dirty: set[_Period] = set()
        self._totals: dict[_Period, NDArray[np.int64]] = {}
        self._series: list[Series] = []
        self._places: dict[tuple[Series, ...], NDArray[np.int64]] = {}
        self._corrections: Corrections | None = None
        self._summed = False  # whether the last snapshot was the sum of all partitions

    def block(self, key: BlockKey, partition: int, epoch: int, cells: NDArray[np.int64]) -> None:
        """Takes a partition's block. It replaces the one before when the partition's next status comes."""
        page = _Page(epoch, (key.series,), 0, cells.reshape(1, -1))
        self._parts[partition].waiting[(key.definition, key.measure, key.period), key.series] = page

    def page(
        self,
        key: PageKey,
        partition: int,
        epoch: int,
        series: tuple[Series, ...],
        first: int,
        cells: NDArray[np.int32],
    ) -> None:
        """Takes the blocks of a partition's group of series: cells (series, n), from index `first` on."""
        place = (key.definition, key.measure, key.period), key.group
        self._parts[partition].waiting[place] = _Page(epoch, series, first, cells)

    def status(
        self,
        partition: int,
        epoch: int,
        progress: Sequence[Progress],
        totals: Mapping[str, int],
        fingerprint: str | None = None,
    ) -> None:
        """Takes a partition's status, and the blocks before it.

        Blocks of an earlier epoch are void, and so are all of a partition that counts under another configuration.
        """
        part = self._parts[partition]
        if epoch < part.epoch:
            return
        part.foreign = fingerprint if self._fingerprint is not None and fingerprint != self._fingerprint else None
        for (period, group), page in part.waiting.items():
            if page.epoch >= epoch and part.foreign is None:
                part.pages.setdefault(period, {})[group] = page
                self._dirty.add(period)
        part.waiting = {}
        if epoch > part.epoch:
            part.epoch = epoch
            for period, groups in part.pages.items():
                for group in [group for group, page in groups.items() if page.epoch < epoch]:
                    del groups[group]
                    self._dirty.add(period)
        part.progress, part.totals, part.told = list(progress), totals, True

    @property
    def foreign(self) -> dict[int, str]:
        """The partitions that count under another configuration, and its fingerprint: until there are none, no sum."""
        return {number: part.foreign for number, part in enumerate(self._parts) if part.foreign is not None}

    @property
    def complete(self) -> bool:
        """Whether every source partition has told of itself, under one configuration."""
        return all(part.told and part.foreign is None for part in self._parts)

    def snapshot(self, now: int) -> tuple[Snapshot, set[BlockKey]]:
        """The figures at this instant of the wall clock (ms), and the blocks that changed since the last call.

        A snapshot does not change afterwards.
        """
        periods, self._dirty = self._dirty, set()
        dirty: set[BlockKey] = set()
        corrected: dict[str, int] = {}
        closed = self._closed()
        for period in periods:
            cells = self._sum(period, dirty)
            if cells and closed.get(period[1], _NEVER) >= period[2]:
                corrected[period[0]] = corrected.get(period[0], 0) + cells
        if self._corrections is None:
            self._corrections = Corrections(since=now)
        if corrected:
            known = self._corrections.cells
            cells_of = {name: known.get(name, 0) + corrected.get(name, 0) for name in {**known, **corrected}}
            self._corrections = Corrections(cells_of, self._corrections.since, now)
        self._summed = self.complete
        return self._snapshot(now, dirty), dirty

    def _closed(self) -> dict[str, int]:
        """By measure, the latest period whose figures were final at the last snapshot.

        Who was last active when (`last`) changes whenever somebody comes back: no figure of such a block is final.
        Nothing is before all partitions have told of themselves: what comes then was counted before.
        """
        if not self._summed or self.watermark is None:
            return {}
        last = {grain: self._calendar.last_closed(grain, self.watermark) for grain in KEPT}
        closed = {measure(grain, kind): last[grain] for grain in KEPT for kind in ("size", "on")}
        return closed | {ACTIVE: last[Grain.DAY]}

    def _snapshot(self, now: int, dirty: set[BlockKey]) -> Snapshot:
        shown = dict(self._shown)
        touched = {(key.definition, key.measure) for key in dirty}
        for name, pages in self._sums.items():
            if name[:2] in touched:
                shown[name] = dict(pages)
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
            epochs={number: part.epoch for number, part in enumerate(self._parts)},
            corrections=self._corrections or Corrections(),
        )

    def _sum(self, key: _Period, dirty: set[BlockKey]) -> int:
        """Adds up one period of all partitions, and says which series' blocks are not what they were.

        Returns:
            How many cells of all users changed.
        """
        found = [page for part in self._parts for page in part.pages.get(key, {}).values()]
        places = [self._places_of(page.series) for page in found]
        width = max((page.first + page.cells.shape[1] for page in found), default=1) or 1
        total = np.zeros((len(self._series), width), np.int64)
        for page, place in zip(found, places, strict=True):
            total[place, page.first : page.first + page.cells.shape[1]] += page.cells
        former = self._totals.get(key)
        changed = set(_differing(former, total).tolist())
        if not changed:
            return 0
        total.flags.writeable = False  # snapshots hold its rows
        self._totals[key] = total
        definition, measure, period = key
        for row, series in enumerate(self._series):
            pages = self._sums.get((definition, measure, series))
            if row in changed:
                self._sums.setdefault((definition, measure, series), {})[period] = total[row]
                dirty.add(BlockKey(definition, measure, series, period))
            elif pages is not None and period in pages:
                pages[period] = total[row]  # equal, but of the total that is kept
        everyone = self._series.index(ALL) if ALL in self._series else len(self._series)
        return _cells(former, total, everyone)

    def _places_of(self, series: tuple[Series, ...]) -> NDArray[np.int64]:
        """The rows of these series in every total."""
        places = self._places.get(series)
        if places is None:
            known = {one: place for place, one in enumerate(self._series)}
            for one in series:
                if known.setdefault(one, len(known)) == len(self._series):
                    self._series.append(one)
            places = self._places[series] = np.array([known[one] for one in series], np.int64)
        return places


def _cells(former: NDArray[np.int64] | None, total: NDArray[np.int64], row: int) -> int:
    """How many cells of a row differ between two totals."""
    if row >= len(total):
        return 0
    change = total[row].copy()
    if former is not None and row < len(former):
        width = min(former.shape[1], total.shape[1])
        if former[row, width:].any():  # never narrower but for blocks that ended in zeros
            change = np.pad(change, (0, former.shape[1] - width))
            width = former.shape[1]
        change[:width] -= former[row, :width]
    return int(np.count_nonzero(change))


def _differing(former: NDArray[np.int64] | None, total: NDArray[np.int64]) -> NDArray[np.intp]:
    """The rows in which two totals differ; where one has fewer rows or columns, it has zeros there."""
    if former is None:
        return true_at((total != 0).any(axis=1))
    if former.shape != total.shape:
        shape = np.maximum(former.shape, total.shape)
        grown = []
        for one in (former, total):
            grown.append(np.zeros(shape, np.int64))
            grown[-1][: one.shape[0], : one.shape[1]] = one
        former, total = grown
    return true_at((former != total).any(axis=1))
