"""Counters: how many users stand in each cell, by definition, measure, segment and period.

A counter block belongs to one period, because a stream in order moves only the cells of the present period:

    measure        block of period p                                        length
    <grain>.size   users whose cohort is p                                  1
    <grain>.on     over index k: users of cohort p - k active in p          up to the horizon
    <grain>.last   over index k: users of cohort p - k last active in p     up to the horizon
    day.active     users active at the end of day p (inactivity window)     1

All are sums over users, so the blocks of the source partitions add up to those of the service.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain.bits import true_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.periods import Grain

    Ints = NDArray[np.int64]

#: `()` for all users, else (dimension, value).
Series = tuple[()] | tuple[str, str]
ALL: Series = ()
NONE = "(none)"
OTHER = "(other)"
ACTIVE = "day.active"


def measure(grain: Grain, kind: str) -> str:
    """The name of a measure: `kind` is `size`, `on` or `last`."""
    return f"{grain.value}.{kind}"


class BlockKey(NamedTuple):
    """What a counter block counts."""

    definition: str
    measure: str
    series: Series
    period: int


class PageKey(NamedTuple):
    """What the blocks of some series of one period count: those of group g are the series from `GROUP` * g on."""

    definition: str
    measure: str
    period: int
    group: int


#: Users in transitions that may wait to be counted: what bounds their memory, at 24 bytes each.
MOST_WAITING = 1 << 17
#: Series that are published together: one record of them costs little more than one of a single series.
GROUP = 32


@dataclass(frozen=True, slots=True)
class Cells:
    """Users entering (`sign` 1) or leaving (-1) cells of one measure: three columns of equal length."""

    definition: str
    measure: str
    combos: NDArray[np.int64]
    periods: NDArray[np.int64]
    indexes: NDArray[np.int64]
    sign: int


@dataclass(frozen=True, slots=True)
class Spans:
    """Users active (`sign` 1) or no longer so (-1) on the days `first` to `stop` - 1: columns of equal length."""

    definition: str
    combos: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    sign: int


Transition = Cells | Spans


class Segments:
    """The segment values of one partition's users: combinations of values, and the series each belongs to.

    Args:
        dimensions: the configured dimensions, in order.
        max_values: how many values a dimension may have; any more are counted as `(other)` for good.
    """

    def __init__(self, dimensions: Sequence[str], max_values: int = 1000) -> None:
        self.dimensions = tuple(dimensions)
        self.combos: list[tuple[str, ...]] = []
        self.series: list[Series] = [ALL]
        self.capped: dict[str, int] = dict.fromkeys(self.dimensions, 0)
        self._max_values = max_values
        self._combo_ids: dict[tuple[str, ...], int] = {}
        self._series_ids: dict[Series, int] = {ALL: 0}
        self._values = dict.fromkeys(self.dimensions, 0)
        self._members = np.zeros((16, len(self.dimensions) + 1), np.int64)

    def combo(self, values: tuple[str, ...]) -> int:
        """The number of a combination of values, one a dimension. May differ in value where the cap was reached."""
        known = self._combo_ids.get(values)
        if known is not None:
            return known
        admitted = tuple(self._admit(d, v) for d, v in zip(self.dimensions, values, strict=True))
        number = self._combo_ids.get(admitted)
        if number is None:
            number = len(self.combos)
            self.combos.append(admitted)
            self._combo_ids[admitted] = number
            if number >= len(self._members):
                self._members = np.concatenate([self._members, np.zeros_like(self._members)])
            self._members[number, 1:] = [self._series_ids[s] for s in zip(self.dimensions, admitted, strict=True)]
        self._combo_ids[values] = number
        return number

    def _admit(self, dimension: str, value: str) -> str:
        if (dimension, value) not in self._series_ids:
            # The two that are always there take no room, or what fits would depend on when they came.
            if value not in (NONE, OTHER):
                if self._values[dimension] >= self._max_values:
                    self.capped[dimension] += 1
                    return self._admit(dimension, OTHER)
                self._values[dimension] += 1
            self._series_ids[(dimension, value)] = len(self.series)
            self.series.append((dimension, value))
        return value

    def series_of(self, combos: NDArray[np.int64]) -> NDArray[np.int64]:
        """The series of each combination, all users first: shape (n, dimensions + 1)."""
        return self._members[combos]


class Counters:
    """The counter blocks of one source partition, and which of them changed since they were last taken.

    Args:
        segments: the partition's segments, which give each user's series.
    """

    def __init__(self, segments: Segments) -> None:
        self._segments = segments
        # (definition, measure) -> period -> int32 matrix (series, index); rows and columns grow by doubling.
        self._pages: dict[tuple[str, str], dict[int, NDArray[np.int32]]] = {}
        self._dirty: dict[tuple[str, str, int], NDArray[np.bool_]] = {}
        # Transitions by definition and measure that are not counted yet, and how many users they are of.
        self._waiting: dict[tuple[str, str], list[Transition]] = {}
        self._waiting_size = 0

    def apply(self, transitions: Sequence[Transition]) -> None:
        """Adds the transitions, at the latest when blocks are asked for. Their order does not matter."""
        for transition in transitions:
            size = transition.combos.size
            if size:
                name = transition.measure if isinstance(transition, Cells) else ACTIVE
                self._waiting.setdefault((transition.definition, name), []).append(transition)
                self._waiting_size += size
        if self._waiting_size > MOST_WAITING:
            self._settle()

    def _settle(self) -> None:
        """Counts the transitions that wait. Many at once cost less: what users leave and enter cancels out."""
        waiting, self._waiting, self._waiting_size = self._waiting, {}, 0
        for (definition, name), transitions in waiting.items():
            combos = np.concatenate([t.combos for t in transitions])
            signs = np.repeat([t.sign for t in transitions], [t.combos.size for t in transitions])
            cells = [t for t in transitions if isinstance(t, Cells)]
            spans = [t for t in transitions if isinstance(t, Spans)]
            if cells:
                periods, indexes = (np.concatenate([getattr(c, of) for c in cells]) for of in ("periods", "indexes"))
                self._add_cells(definition, name, combos, periods, indexes, signs)
            if spans:
                first, stop = (np.concatenate([getattr(s, of) for s in spans]) for of in ("first", "stop"))
                self._add_spans(definition, combos, first, stop, signs)

    def _add_cells(self, definition: str, name: str, combos: Ints, periods: Ints, indexes: Ints, signs: Ints) -> None:
        # Users of one combination in one cell are counted first: there are far fewer cells than users.
        low, width, known = int(periods.min()), int(indexes.max()) + 1, len(self._segments.combos)
        found, counts = _netted(((periods - low) * known + combos) * width + indexes, signs)
        rest, indexes = np.divmod(found, width)
        periods, of = np.divmod(rest, known)
        series = self._segments.series_of(of)
        bounds = true_at(periods[1:] != periods[:-1]) + 1
        for start, stop in zip([0, *bounds.tolist()], [*bounds.tolist(), periods.size], strict=True):
            if start < stop:
                period, rows, columns = int(periods[start]) + low, series[start:stop], indexes[start:stop]
                page = self._page(definition, name, period, int(columns.max()) + 1)
                flat = (rows * page.shape[1] + columns[:, None]).ravel()
                np.add.at(page.reshape(-1), flat, np.repeat(counts[start:stop], series.shape[1]))
                self._touch(definition, name, period)[rows.ravel()] = True

    def _add_spans(self, definition: str, combos: Ints, first: Ints, stop: Ints, signs: Ints) -> None:
        low, high = int(first.min()), int(stop.max())
        width, height = high - low + 1, len(self._segments.series)
        steps = np.zeros((height, width), np.int32)
        for days, sign in ((first, signs), (stop, -signs)):
            found, counts = _netted(combos * width + (days - low), sign)
            of, offsets = np.divmod(found, width)
            series = self._segments.series_of(of)
            flat = (series * width + offsets[:, None]).ravel()
            np.add.at(steps.reshape(-1), flat, np.repeat(counts, series.shape[1]))
        change = np.cumsum(steps, axis=1, dtype=np.int32)
        for offset in true_at((change != 0).any(axis=0)).tolist():
            page = self._page(definition, ACTIVE, low + offset, 1)
            column = change[:, offset]
            page[:height, 0] += column
            self._touch(definition, ACTIVE, low + offset)[:height] |= column != 0

    def _page(self, definition: str, name: str, period: int, width: int) -> NDArray[np.int32]:
        pages = self._pages.setdefault((definition, name), {})
        page = pages.get(period)
        height = len(self._segments.series)
        if page is None or page.shape[0] < height or page.shape[1] < width:
            old = np.zeros((0, 0), np.int32) if page is None else page
            shape = (_room(height, old.shape[0]), _room(width, old.shape[1]))
            page = np.zeros(shape, np.int32)
            page[: old.shape[0], : old.shape[1]] = old
            pages[period] = page
        return page

    def _touch(self, definition: str, name: str, period: int) -> NDArray[np.bool_]:
        key = (definition, name, period)
        height = len(self._pages[definition, name][period])
        dirty = self._dirty.get(key)
        if dirty is None or len(dirty) < height:
            grown = np.zeros(height, np.bool_)
            if dirty is not None:
                grown[: len(dirty)] = dirty
            self._dirty[key] = dirty = grown
        return dirty

    def touch_all(self) -> None:
        """Marks every block as changed, so that `take_dirty` gives them all."""
        self._settle()
        for (definition, name), pages in self._pages.items():
            for period in pages:
                self._touch(definition, name, period)[: len(self._segments.series)] = True

    def take_dirty(self) -> Iterator[tuple[BlockKey, NDArray[np.int64]]]:
        """The blocks changed since the last call, with their present values; each is then clean."""
        self._settle()
        taken, self._dirty = self._dirty, {}
        for (definition, name, period), rows in taken.items():
            page = self._pages[definition, name][period]
            for row in true_at(rows[: len(self._segments.series)]).tolist():
                yield BlockKey(definition, name, self._segments.series[row], period), page[row].astype(np.int64)

    def take_pages(self) -> Iterator[tuple[PageKey, NDArray[np.int32]]]:
        """The groups of blocks of which one changed since the last call: (series, index); each is then clean.

        The arrays are those that are counted in: they are to be read before the next `apply`.
        """
        self._settle()
        taken, self._dirty = self._dirty, {}
        height = len(self._segments.series)
        for (definition, name, period), rows in taken.items():
            page = self._pages[definition, name][period][:height]
            for group in range(-(-len(page) // GROUP)):
                if rows[group * GROUP : (group + 1) * GROUP].any():
                    key = PageKey(definition, name, period, group)
                    yield key, page[group * GROUP : (group + 1) * GROUP]

    def blocks(self) -> Iterator[tuple[BlockKey, NDArray[np.int64]]]:
        """Every block, whatever changed."""
        self._settle()
        for (definition, name), pages in self._pages.items():
            for period, page in pages.items():
                for row, series in enumerate(self._segments.series[: len(page)]):
                    yield BlockKey(definition, name, series, period), page[row].astype(np.int64)


def _room(wanted: int, had: int) -> int:
    size = max(had, 1)
    while size < wanted:
        size *= 2
    return size


def _netted(values: Ints, signs: Ints) -> tuple[Ints, NDArray[np.int32]]:
    """The distinct values (0 or more) in order, and the sum of each one's signs; those of sum 0 are left out."""
    if int(values.max()) <= 4 * values.size:  # a table costs less than sorting
        sums = np.bincount(values, signs)
        found = true_at(sums != 0)
        return found, sums[found].astype(np.int32)
    both = values * 2 + (signs < 0)
    both.sort()
    values = both >> 1
    starts = true_at(np.diff(values, prepend=-1))
    sums = np.add.reduceat(1 - 2 * (both & 1), starts)
    kept = true_at(sums != 0)
    return values[starts[kept]], sums[kept].astype(np.int32)
