"""The JSON of retention matrices, made anew only where a snapshot differs from the one before.

A matrix of 50 segments and 400 daily cohorts has 4 million cells, 12 MB of JSON, and takes 0.4 s to compute and write
from nothing. Of what a second changes, little is shown: the cells of a period that is open are null. So each row is
kept as the bytes it was written as, and a new snapshot costs the rows that it changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from stream_app.domain.metrics.figures import framed
from stream_app.domain.metrics.matrix import CohortMatrix
from stream_app.domain.metrics.mean import mean_of, weighted
from stream_app.domain.metrics.query import MEANS
from stream_app.domain.metrics.retention import Frame, frame_of, measures, shown
from stream_app.domain.metrics.snapshot import SeriesTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.query import Query

#: How many bytes of rows are kept, of the questions asked last.
KEPT_BYTES = 192 * 1024 * 1024
#: Rows and columns are made ready for so many periods more than there are, so that a new day moves nothing.
_ROOM = 32
#: Periods that have begun and not closed are few, unless the watermark stands still.
_MOST_OPEN = 16
#: Between the cohorts of an entry and their mean.
_MEAN = b'],"mean":'


class _Segment:
    """One segment's matrix, and its rows and means as JSON."""

    def __init__(self, segment: dict[str, str], first: int, height: int, width: int, series: int) -> None:
        self.head = b'{"segment":' + orjson.dumps(segment) + b',"cohorts":['
        self.matrix = CohortMatrix(first, height, width, series, np.int32)
        self.rows: list[bytes] = [b""] * height
        #: By how many cohorts and in which way, the mean over the latest ones.
        self.means: dict[tuple[int | None, str], bytes] = {}
        self.length = 0

    def write(self, row: int, text: bytes) -> None:
        """Puts a row's JSON in its place."""
        self.length += len(text) - len(self.rows[row])
        self.rows[row] = text

    def entry(self, query: Query, frame: Frame) -> bytes:
        """The rows that are there, or the last of them, and their mean, as the segment's entry."""
        rows = list(filter(None, self.rows))
        most = query.last
        wanted = most, query.mean
        if wanted not in self.means:
            self.means[wanted] = orjson.dumps(_mean(self.matrix, frame, query))
        return b"".join((self.head, b",".join(rows if most is None else rows[-most:]), _MEAN, self.means[wanted], b"}"))

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self.matrix.cells.nbytes + self.length + 40 * len(self.rows) + sum(map(len, self.means.values()))


def _mean(matrix: CohortMatrix, frame: Frame, query: Query) -> dict[str, Any]:
    """The mean over the cohorts that are shown, as `metrics.counted` has it; mostly without a look at each cell."""
    height = frame.last_period - matrix.first + 1
    there = np.flatnonzero(matrix.sizes[:height] > 0)
    if query.last is not None:
        there = there[-query.last :]
    if not there.size:
        return weighted(*np.zeros((3, 0), np.int64))
    first = int(there[0])
    longest = frame.width(matrix.first + first)
    # As many rows from the first one on have each column observed.
    closed = frame.last_closed - (matrix.first + first)
    deep = np.clip(closed + 1 - np.arange(longest), 0, height - first)
    sizes, cells = matrix.sizes[first:height], matrix.cells[first:height, :longest]
    if query.mean == "simple" or len(sizes) - closed > _MOST_OPEN:
        seen = np.arange(len(sizes))[:, None] < deep
        return mean_of(shown(cells, sizes, query.kind), sizes[:, None], seen, query.mean)
    users, cohorts = (np.concatenate([[0], np.cumsum(column)])[deep] for column in (sizes, sizes > 0))
    pooled = _pooled(cells, closed, rolling=query.kind == "rolling")
    pooled[0] = users[0]
    return weighted(pooled, users, cohorts)


def _pooled(cells: NDArray[Any], closed: int, *, rolling: bool) -> NDArray[np.int64]:
    """The users retained in the observed cells of each column, shape (k,).

    The sum of a column, less its cells of open periods: they lie on the few diagonals that have begun and not closed.

    Args:
        cells: by cohort and index, shape (n, k); nothing is in those of periods that have not begun.
        closed: the last diagonal that has closed: row + column.
        rolling: a cell counts at every index up to its own.
    """
    height, width = cells.shape
    sums: NDArray[np.int64] = np.add.reduce(cells, axis=0, dtype=np.int64)
    if rolling:
        sums = np.cumsum(sums[::-1])[::-1].copy()
    for diagonal in range(max(closed + 1, 0), height):
        rows = np.arange(max(diagonal - width + 1, 0), min(diagonal + 1, height))
        columns = diagonal - rows
        open_cells = cells[rows, columns]
        # At each index at which a cell of this period counts and the period of that index is open.
        for back in range(diagonal - closed if rolling else 1):
            counts = columns >= back
            sums[columns[counts] - back] -= open_cells[counts]
    return sums


class _Matrix:
    """The matrix of one definition, grain, kind and dimension."""

    def __init__(self, query: Query) -> None:
        self.lock = threading.Lock()
        self.size = 0
        self._query = query
        self._measures = measures(query.grain, query.kind)
        self._totals = SeriesTotals()
        self._frame: Frame | None = None
        self._shape = (0, 0, 0)
        self._segments: dict[tuple[tuple[str, ...], tuple[Series, ...]], _Segment] = {}

    def entries(self, snapshot: Snapshot, query: Query) -> list[bytes]:
        """The segments' entries, each with as many cohorts as the query wants; else it is the one of this matrix."""
        size, name = self._measures
        definition = query.definition.name
        parts = snapshot.segments(definition, size, query.dimension, query.top, self._totals)
        blocks = {
            one: (snapshot.block(definition, size, one), snapshot.block(definition, name, one))
            for _, series in parts
            for one in series
        }
        first = min((min(sizes) for sizes, _ in blocks.values() if sizes), default=None)
        frame = frame_of(snapshot, query.grain, () if first is None else (first,))
        if frame is None:
            nothing = orjson.dumps(weighted(*np.zeros((3, 0), np.int64)))
            return [
                b"".join((b'{"segment":', orjson.dumps(segment), b',"cohorts":[', _MEAN, nothing, b"}"))
                for segment, _ in parts
            ]
        everything = self._resize(frame)
        kept, self._segments = self._segments, {}
        work: list[tuple[_Segment, NDArray[np.bool_]]] = []
        for segment, series in parts:
            # Of one value alone `(other)` may be made, too.
            key = (tuple(segment.values()), tuple(series))
            one = kept.get(key) or _Segment(segment, *self._shape, len(series))
            self._segments[key] = one
            changed = one.matrix.follow(
                [blocks[s][0] for s in series],
                [blocks[s][1] for s in series],
                shown=frame.last_closed if query.kind == "classic" else None,
            )
            changed[:] |= everything
            if changed.any():
                one.means.clear()
                work.append((one, changed))
        self._write(snapshot, frame, work)
        found = [one.entry(query, frame) for one in self._segments.values()]
        self.size = sum(one.size for one in self._segments.values())
        return found

    def _resize(self, frame: Frame) -> bool:
        """Makes room for a frame. Returns whether every row is another than before."""
        if frame == self._frame:
            return False
        first, height, width = self._shape
        wanted = min(frame.last_period - frame.first + 1, frame.horizon)
        if not first <= frame.first or frame.last_period >= first + height or wanted > width:
            self._segments = {}
            height = frame.height + _ROOM
            self._shape = (frame.first, height, min(height, frame.horizon))
        self._frame = frame
        return True

    def _write(self, snapshot: Snapshot, frame: Frame, work: Sequence[tuple[_Segment, NDArray[np.bool_]]]) -> None:
        """Writes the changed rows: those of one cohort are as long as each other, so they are written together."""
        if not work:
            return
        first = self._shape[0]
        changed = np.array([rows for _, rows in work])
        for row in np.flatnonzero(changed.any(axis=0)).tolist():
            of = [work[place][0] for place in np.flatnonzero(changed[:, row]).tolist()]
            cohort = first + row
            sizes = np.array([one.matrix.sizes[row] for one in of])
            observed = frame.observed(cohort)
            start = b'{"start":"%s","size":' % snapshot.calendar.start_date(self._query.grain, cohort).encode()
            nulls = b",".join([b"null"] * (frame.width(cohort) - observed))
            if observed:
                # Beyond what is observed a row says nothing, but a rolling cell is the sum of all after it.
                width = observed if self._query.kind == "classic" else self._shape[2]
                cells = np.array([one.matrix.cells[row, :width] for one in of])
                texts = _lists(shown(cells, sizes, self._query.kind)[:, :observed])
                end = (b"," + nulls if nulls else b"") + b"]}"
            else:
                texts, end = [b""] * len(of), nulls + b"]}"
            for one, size, text in zip(of, sizes.tolist(), texts, strict=True):
                one.write(row, b'%s%d,"retained":[%s%s' % (start, size, text, end) if size > 0 else b"")


class Matrices:
    """Matrices as JSON, kept from one snapshot to the next. Called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Query, _Matrix] = OrderedDict()

    def retention(self, snapshot: Snapshot, asked: Asked) -> bytes:
        """The answer to a question, byte for byte what `metrics.counted` gives."""
        query = asked.query
        key = replace(query, last=None, mean=MEANS[0])
        with self._lock:
            matrix = self._kept.get(key) or _Matrix(key)
            self._kept[key] = matrix
            self._kept.move_to_end(key)
        with matrix.lock:
            entries = matrix.entries(snapshot, query)
        with self._lock:
            self._forget()
        head = orjson.dumps(framed(asked, []))
        return b"".join((head.removesuffix(b"]}"), b",".join(entries), b"]}"))

    def _forget(self) -> None:
        """Forgets the questions that were not asked for longest, but never the last one."""
        total = sum(matrix.size for matrix in self._kept.values())
        while total > KEPT_BYTES and len(self._kept) > 1:
            total -= self._kept.popitem(last=False)[1].size


def _lists(rows: NDArray[Any]) -> list[bytes]:
    """The numbers of each row, separated by commas. One call for all: a call has the cost of 300 numbers."""
    text = orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].split(b"],[")
