"""Cells of a tally as lines of periods without a gap, and which periods an answer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.population import Pairs
    from stream_app.domain.metrics.tally import Cells, Tally
    from stream_app.domain.periods import Calendar

    Ints = NDArray[np.int64]


def upto(pairs: Pairs, last: int) -> Pairs:
    """The pairs of the periods up to `last`, which are those that have closed."""
    keep = pairs.periods <= last
    return pairs if keep.all() else pairs.where(keep)


def opens(pairs: Pairs) -> NDArray[np.bool_]:
    """Which pairs are the first one of their user, shape (m,)."""
    found = np.ones(pairs.users.size, np.bool_)
    np.not_equal(pairs.users[1:], pairs.users[:-1], out=found[1:])
    return found


def of_segment(cells: Cells, places: Ints) -> tuple[Ints, Ints]:
    """The keys (m, d) and sums (m,) of the values at `places`, which make up a segment."""
    keep = np.isin(cells.keys[:, 0], places)
    return cells.keys[keep], cells.sums[keep]


def earliest(tally: Tally, name: str, width: int, places: Ints) -> int | None:
    """The first period of which cells (place, period, ...) of a segment are there; None without any."""
    keys, _ = of_segment(tally.of(name, width), places)
    return int(keys[:, 1].min()) if len(keys) else None


def line(tally: Tally, name: str, places: Ints, first: int, last: int) -> Ints:
    """The sums of cells (place, period) of a segment, by the periods `first` to `last`, shape (last - first + 1,)."""
    keys, sums = of_segment(tally.of(name, 2), places)
    total = np.zeros(max(last - first + 1, 0), np.int64)
    at = keys[:, 1] - first
    inside = (at >= 0) & (at < total.size)
    np.add.at(total, at[inside], sums[inside])
    return total


def first_days(calendar: Calendar, grain: Grain, first: int, last: int) -> Ints:
    """The first local day of each period from `first` to `last`, shape (last - first + 1,)."""
    if grain is Grain.DAY:
        return np.arange(first, last + 1)
    return np.array([calendar.first_day(grain, period) for period in range(first, last + 1)], np.int64)


def shown(asked: Asked, grain: Grain, first: int | None) -> Ints:
    """The closed periods from `first` on that do not begin before `from`; none where `first` is None."""
    last, begin = asked.last_closed(grain), asked.first_shown(grain)
    if first is None or last is None:
        return np.zeros(0, np.int64)
    return np.arange(first if begin is None else max(first, begin), last + 1)


def latest(asked: Asked, periods: Ints, known: NDArray[np.bool_]) -> Ints:
    """The periods that are known, as many of the latest ones as are asked for."""
    periods = periods[known]
    return periods if asked.query.last is None else periods[-asked.query.last :]


def windows_known(asked: Asked, tally: Tally, ends: Ints, window: int | Ints) -> NDArray[np.bool_]:
    """Whether everything is known of the `window` local days that end with each of these days, shape (n,)."""
    if not ends.size:
        return np.zeros(0, np.bool_)
    begins = ends - window + 1
    first = int(begins.min())
    missing = ~asked.known(Grain.DAY, np.arange(first, int(ends.max()) + 1), tally)
    before = np.concatenate([[0], np.cumsum(missing)])
    whole: NDArray[np.bool_] = before[ends - first + 1] == before[begins - first]
    return whole


def columns(*lines: Ints) -> Sequence[tuple[int, ...]]:
    """Arrays of shape (n,) as n rows of Python's integers."""
    return list(zip(*(one.tolist() for one in lines), strict=True))
