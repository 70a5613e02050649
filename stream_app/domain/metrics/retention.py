"""Retention by cohort: classic and rolling, over first-time cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.counters import Series, measure
from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.snapshot import choose, summed
from stream_app.domain.periods import HORIZON, Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.metrics.snapshot import Snapshot

KINDS = ("classic", "rolling")
GRAINS: Mapping[str, Grain] = {grain.value: grain for grain in Grain}


@dataclass(frozen=True, slots=True)
class Cell:
    """One closed cell: of the `size` users of a cohort, `retained` had a return event in period `index`.

    Attributes:
        cohort: ordinal of the cohort's period.
        start: local date the cohort's period begins on.
        size: users of the cohort.
        retained: users with a return event in the period.
        closed_at: the instant (ms) the judged period closed.
    """

    cohort: int
    start: str
    size: int
    retained: int
    closed_at: int


def retention(
    snapshot: Snapshot,
    *,
    definition: str,
    grain: str,
    kind: str = "classic",
    dimension: str | None = None,
    top: int = 20,
) -> dict[str, Any]:
    """The retention matrix, ready for JSON: one entry a segment, one row a cohort, null where not yet observed.

    Args:
        snapshot: the counters.
        definition: name of a retention definition.
        grain: `day`, `week` or `month`.
        kind: `classic` (active in period k) or `rolling` (in period k or later, as far as observed).
        dimension: a segment dimension; None for all users as one segment `{}`.
        top: how many of the dimension's values are shown; the rest are summed as `(other)`.

    Raises:
        QueryError: a name is unknown.
    """
    snapshot.definition(definition)
    chosen = choose("grain", grain, GRAINS)
    choose("kind", kind, dict.fromkeys(KINDS, kind))
    parts = snapshot.segments(definition, measure(chosen, "size"), dimension, top)
    return {
        "definition": definition,
        "grain": grain,
        "kind": kind,
        "timezone": snapshot.calendar.timezone,
        "as_of": snapshot.as_of,
        "segments": [
            {"segment": segment, "cohorts": _cohorts(snapshot, definition, chosen, kind, series)}
            for segment, series in parts
        ],
    }


def _cohorts(
    snapshot: Snapshot, definition: str, grain: Grain, kind: str, series: Sequence[Series]
) -> list[dict[str, Any]]:
    last_period, last_closed = snapshot.last_period(grain), snapshot.last_closed(grain)
    sizes = _sizes(snapshot, definition, grain, series)
    if last_period is None or last_closed is None or not sizes:
        return []
    first = min(sizes)
    matrix = _matrix(snapshot, definition, grain, kind, series, first, max(sizes) - first + 1)
    rows = []
    for cohort in sorted(sizes):
        width = min(last_period - cohort + 1, HORIZON[grain])
        observed = min(max(last_closed - cohort + 1, 0), width)
        retained: list[int | None] = matrix[cohort - first, :observed].tolist()
        if retained:
            retained[0] = sizes[cohort]  # index 0 is the cohort's size, by the start event alone
        rows.append(
            {
                "start": snapshot.calendar.start_date(grain, cohort),
                "size": sizes[cohort],
                "retained": retained + [None] * (width - observed),
            }
        )
    return rows


def _sizes(snapshot: Snapshot, definition: str, grain: Grain, series: Sequence[Series]) -> dict[int, int]:
    pages = summed(snapshot.block(definition, measure(grain, "size"), s) for s in series)
    return {cohort: int(block[0]) for cohort, block in pages.items() if block[0] > 0}


def _matrix(
    snapshot: Snapshot, definition: str, grain: Grain, kind: str, series: Sequence[Series], first: int, height: int
) -> NDArray[np.int64]:
    """Users by cohort (from `first` on) and index: shape (height, horizon)."""
    matrix = np.zeros((height, HORIZON[grain]), np.int64)
    name = measure(grain, "on" if kind == "classic" else "last")
    for one in series:
        for period, block in snapshot.block(definition, name, one).items():
            indexes = np.flatnonzero(block)
            cohorts = period - indexes - first
            inside = (cohorts >= 0) & (cohorts < height)
            matrix[cohorts[inside], indexes[inside]] += block[indexes[inside]]
    if kind == "rolling":
        # A user counts at every index up to that of the last return.
        matrix = np.cumsum(matrix[:, ::-1], axis=1)[:, ::-1]
    return matrix


def closed_cells(snapshot: Snapshot, *, definition: str, grain: str, index: int, series: Series) -> list[Cell]:
    """The closed cells of one index of classic retention, oldest cohort first; open ones are not there.

    Raises:
        QueryError: a name is unknown or the index lies outside the horizon.
    """
    snapshot.definition(definition)
    chosen = choose("grain", grain, GRAINS)
    if not 0 <= index < HORIZON[chosen]:
        raise QueryError(f"index: {index} is outside the horizon of grain {grain}; use 0 to {HORIZON[chosen] - 1}")
    last_closed = snapshot.last_closed(chosen)
    if last_closed is None:
        return []
    sizes = _sizes(snapshot, definition, chosen, [series])
    on = snapshot.block(definition, measure(chosen, "on"), series)
    cells = []
    for cohort in sorted(c for c in sizes if c + index <= last_closed):
        block = on.get(cohort + index)
        retained = int(block[index]) if block is not None and index < len(block) else 0
        cells.append(
            Cell(
                cohort=cohort,
                start=snapshot.calendar.start_date(chosen, cohort),
                size=sizes[cohort],
                retained=sizes[cohort] if index == 0 else retained,
                closed_at=snapshot.calendar.end(chosen, cohort + index),
            )
        )
    return cells
