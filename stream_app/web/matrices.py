"""The JSON of retention matrices, made anew only where a snapshot differs from the one before.

A matrix of 50 segments and 400 daily cohorts has 4 million cells, 12 MB of JSON, and takes 0.4 s to compute and write
from nothing. Of what a second changes, little is shown: the cells of a period that is open are null. So each row is
kept as the bytes it was written as, and a new snapshot costs the rows that it changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from stream_app.domain.metrics.matrix import CohortMatrix
from stream_app.domain.metrics.retention import GRAINS, Frame, frame_of, measures, shown
from stream_app.domain.metrics.snapshot import SeriesTotals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics import Snapshot
    from stream_app.web.queries import Query

#: How many bytes of rows are kept, of the questions asked last.
KEPT_BYTES = 192 * 1024 * 1024
#: Rows and columns are made ready for so many periods more than there are, so that a new day moves nothing.
_ROOM = 32


class _Segment:
    """One segment's matrix, and its rows as JSON."""

    def __init__(self, segment: dict[str, str], first: int, height: int, width: int, series: int) -> None:
        self.head = b'{"segment":' + orjson.dumps(segment) + b',"cohorts":['
        self.matrix = CohortMatrix(first, height, width, series, np.int32)
        self.rows: list[bytes] = [b""] * height
        self.length = 0

    def write(self, row: int, text: bytes) -> None:
        """Puts a row's JSON in its place."""
        self.length += len(text) - len(self.rows[row])
        self.rows[row] = text

    def entry(self, most: int | None) -> bytes:
        """The rows that are there, or the last of them, as the segment's entry."""
        rows = list(filter(None, self.rows))
        return self.head + b",".join(rows if most is None else rows[-most:]) + b"]}"

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return self.matrix.cells.nbytes + self.length + 40 * len(self.rows)


class _Matrix:
    """The matrix of one definition, grain, kind and dimension."""

    def __init__(self, query: Query) -> None:
        self.lock = threading.Lock()
        self.size = 0
        chosen: Any = query
        self._definition: str = chosen["definition"]
        self._kind: str = chosen["kind"]
        self._dimension: str | None = chosen["segment"]
        self._top: int = chosen["top"]
        self._grain = GRAINS[str(query["grain"])]
        self._measures = measures(self._grain, self._kind)
        self._totals = SeriesTotals()
        self._frame: Frame | None = None
        self._shape = (0, 0, 0)
        self._segments: dict[tuple[tuple[str, ...], tuple[Series, ...]], _Segment] = {}

    def entries(self, snapshot: Snapshot, most: int | None) -> list[bytes]:
        """The segments' entries, each with at most so many cohorts."""
        size, name = self._measures
        snapshot.definition(self._definition)
        parts = snapshot.segments(self._definition, size, self._dimension, self._top, self._totals)
        blocks = {
            one: (snapshot.block(self._definition, size, one), snapshot.block(self._definition, name, one))
            for _, series in parts
            for one in series
        }
        first = min((min(sizes) for sizes, _ in blocks.values() if sizes), default=None)
        frame = frame_of(snapshot, self._grain, () if first is None else (first,))
        if frame is None:
            return [b'{"segment":' + orjson.dumps(segment) + b',"cohorts":[]}' for segment, _ in parts]
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
                shown=frame.last_closed if self._kind == "classic" else None,
            )
            changed[:] |= everything
            if changed.any():
                work.append((one, changed))
        self._write(snapshot, frame, work)
        found = [one.entry(most) for one in self._segments.values()]
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
            start = b'{"start":"%s","size":' % snapshot.calendar.start_date(self._grain, cohort).encode()
            nulls = b",".join([b"null"] * (frame.width(cohort) - observed))
            if observed:
                # Beyond what is observed a row says nothing, but a rolling cell is the sum of all after it.
                width = observed if self._kind == "classic" else self._shape[2]
                cells = np.array([one.matrix.cells[row, :width] for one in of])
                texts = _lists(shown(cells, sizes, self._kind)[:, :observed])
                end = (b"," + nulls if nulls else b"") + b"]}"
            else:
                texts, end = [b""] * len(of), nulls + b"]}"
            for one, size, text in zip(of, sizes.tolist(), texts, strict=True):
                one.write(row, b'%s%d,"retained":[%s%s' % (start, size, text, end) if size > 0 else b"")


class Matrices:
    """Matrices as JSON, kept from one snapshot to the next. Called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], _Matrix] = OrderedDict()

    def retention(self, snapshot: Snapshot, query: Query) -> bytes:
        """The answer to a query, byte for byte what `metrics.retention` gives.

        Raises:
            QueryError: a name is unknown.
        """
        most = query["cohorts"]
        key = tuple(sorted((name, value) for name, value in query.items() if name != "cohorts"))
        with self._lock:
            matrix = self._kept.get(key) or _Matrix(query)
            self._kept[key] = matrix
            self._kept.move_to_end(key)
        with matrix.lock:
            entries = matrix.entries(snapshot, None if most is None else int(most))
        with self._lock:
            self._forget()
        head = orjson.dumps(
            {name: query[name] for name in ("definition", "grain", "kind")}
            | {"timezone": snapshot.calendar.timezone, "as_of": snapshot.as_of}
        )
        return b"".join((head[:-1], b',"segments":[', b",".join(entries), b"]}"))

    def _forget(self) -> None:
        """Forgets the questions that were not asked for longest, but never the last one."""
        total = sum(matrix.size for matrix in self._kept.values())
        while total > KEPT_BYTES and len(self._kept) > 1:
            total -= self._kept.popitem(last=False)[1].size


def _lists(rows: NDArray[Any]) -> list[bytes]:
    """The numbers of each row, separated by commas. One call for all: a call has the cost of 300 numbers."""
    text = orjson.dumps(np.ascontiguousarray(rows), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[2:-2].split(b"],[")
