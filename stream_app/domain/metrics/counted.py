"""Figures whose cells move one at a time, from the counters of a snapshot: the answers that a census gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import ALL, measure
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.churn import first_known, rows
from stream_app.domain.metrics.figures import framed
from stream_app.domain.metrics.matrix import CohortMatrix
from stream_app.domain.metrics.mean import mean_of
from stream_app.domain.metrics.retention import frame_of, measures, shown
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.counters import Series
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.snapshot import Snapshot


def asked_at(snapshot: Snapshot, query: Query, currency: str = "USD", minor_units: int = 2) -> Asked:
    """The question at the watermark of a snapshot."""
    return Asked(
        query, snapshot.calendar, snapshot.watermark, snapshot.last_event, snapshot.late_share, currency, minor_units
    )


def known(snapshot: Snapshot, query: Query) -> bool:
    """Whether the counters of a snapshot hold all that the users' rows hold for a question."""
    if not query.counted:
        return False
    if query.figure == "retention":
        return True
    last = snapshot.last_closed(Grain.DAY)
    began = min(snapshot.block(query.definition.name, measure(Grain.DAY, "size"), ALL), default=None)
    if last is None or began is None:
        return True
    # Who is active when is counted from the rings of the latest days alone.
    first = began if query.last is None else max(began, last - query.last + 1)
    return first >= first_known(snapshot, query.window)


def answer(asked: Asked, snapshot: Snapshot) -> dict[str, Any]:
    """The answer to a question that the counters hold the answer to, see `known`; ready for JSON."""
    query = asked.query
    size = measure(query.grain, "size")
    name = query.definition.name
    make = _retention if query.figure == "retention" else _churn
    return framed(
        asked,
        [
            {"segment": segment, **make(snapshot, query, series)}
            for segment, series in snapshot.segments(name, size, query.dimension, query.top)
        ],
    )


def _churn(snapshot: Snapshot, query: Query, series: Sequence[Series]) -> dict[str, Any]:
    return {"days": rows(snapshot, query.definition.name, query.window, query.last, series)}


def _retention(snapshot: Snapshot, query: Query, series: Sequence[Series]) -> dict[str, Any]:
    name, grain = query.definition.name, query.grain
    size, cells = measures(grain, query.kind)
    sizes = [snapshot.block(name, size, one) for one in series]
    frame = frame_of(snapshot, grain, (cohort for pages in sizes for cohort, block in pages.items() if block[0] > 0))
    if frame is None:
        nothing = np.zeros((0, 0), np.int64)
        return {"cohorts": [], "mean": mean_of(nothing, nothing, nothing > 0, query.mean)}
    matrix = CohortMatrix(frame.first, frame.height, min(frame.height, frame.horizon), len(series))
    matrix.follow(sizes, [snapshot.block(name, cells, one) for one in series])
    there = np.flatnonzero(matrix.sizes > 0)
    if query.last is not None:
        there = there[-query.last :]
    table = shown(matrix.cells, matrix.sizes, query.kind)[there]
    observed = np.array([frame.observed(frame.first + row) for row in there.tolist()])
    found = []
    for row, cells_of, seen in zip(there.tolist(), table, observed.tolist(), strict=True):
        cohort = frame.first + row
        found.append(
            {
                "start": snapshot.calendar.start_date(grain, cohort),
                "size": int(matrix.sizes[row]),
                "retained": cells_of[:seen].tolist() + [None] * (frame.width(cohort) - seen),
            }
        )
    longest = max((len(one["retained"]) for one in found), default=0)
    counts = np.arange(longest) < observed[:, None]
    return {
        "cohorts": found,
        "mean": mean_of(table[:, :longest], matrix.sizes[there][:, None], counts, query.mean),
    }
