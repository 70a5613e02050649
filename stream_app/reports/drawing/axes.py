"""Axes: periods along the bottom, percent or numbers up the side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stream_app.reports.words import period_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_MOST_TICKS = 12
#: Letters of a name that say enough where there are many periods: of a day its month, of an hour its day.
_SHORTER = {"hour": 5, "day": 7, "week": 7}


def column(rows: Iterable[Any], name: str) -> NDArray[np.float64]:
    """A column of an answer's rows, null as NaN, which draws nothing."""
    return np.array([np.nan if row[name] is None else row[name] for row in rows], np.float64)


def numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """A list of an answer, null as NaN."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def periods(axes: Axes, grain: str, starts: Sequence[str], most: int = _MOST_TICKS) -> NDArray[np.float64]:
    """Names periods that follow each other along the bottom, as many as can be read; returns their places."""
    places = [place for place, start in enumerate(starts) if _round(grain, start)]
    if len(starts) <= most or not places:
        places = list(range(len(starts)))
    step = -(-len(places) // most)
    places = places[::step] if step else places
    names = [period_name(grain, starts[place]) for place in places]
    if len(starts) > 60 and grain in _SHORTER:
        names = [name[: _SHORTER[grain]] for name in names]
    axes.set_xticks(places, names)
    if starts:
        axes.set_xlim(-0.7, len(starts) - 0.3)
    return np.arange(len(starts), dtype=np.float64)


def _round(grain: str, start: str) -> bool:
    """Whether a period begins something larger: a day a month (told as such), an hour a day."""
    if grain == "day":
        return start.endswith("-01")
    if grain == "week":
        return int(start[8:10]) <= 7
    return "T00:" in start if grain == "hour" else True


_STEPS = {"hour": (1, 2, 3, 6, 12, 24, 48, 96), "day": (1, 2, 7, 14, 28, 56), "month": (1, 2, 3, 6, 12, 24)}


def indexes(axes: Axes, grain: str, inches: float) -> list[int]:
    """The period indexes to name between the limits of axes so wide: the first one, then every step of its grain."""
    low, high = axes.get_xlim()
    last = int(high)
    steps = _STEPS.get(grain, (1, 2, 4, 8, 13, 26, 52))
    step = next((step for step in steps if step * inches / (high - low) >= 0.36), steps[-1])
    return sorted({1, *range(step, last + 1, step)} - ({2} if step > 2 else set()))


def bar_width(number: int) -> float:
    """The width of bars; so many that the gaps between them would be all one sees have none."""
    return 0.8 if number <= 60 else 1.0


def percents(axes: Axes, top: float, bottom: float = 0.0) -> None:
    """Shares up the side, from 0 on where they are not below it."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.set_ylim(min(bottom, 0.0), top if top > 0 else 1.0)


def counts(axes: Axes) -> None:
    """Numbers of users up the side, without a sign: what is drawn downwards is a number too."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: _short(abs(number))))
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def amounts(axes: Axes, currency: str) -> None:
    """Money up the side, in major units."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda number, _: f"{'-' if number < 0 else ''}{_short(abs(number))}"))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_ylabel(currency)


def _short(number: float) -> str:
    """The number as short as it can be told exactly enough for an axis."""
    if number >= 10_000_000:
        return f"{number / 1e6:,.0f} M"
    if number >= 1_000_000:
        return f"{number / 1e6:,.1f} M"
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:g}"


def top_of(*columns: NDArray[np.float64]) -> float:
    """The largest of some numbers and 0, NaN aside."""
    return max([0.0, *(float(np.nanmax(one)) for one in columns if not np.isnan(one).all())])


def bottom_of(*columns: NDArray[np.float64]) -> float:
    """The least of some numbers and 0."""
    return -top_of(*(-one for one in columns)) if columns else 0.0


def legend_above(axes: Axes) -> None:
    """A legend over the axes, to the right of their title."""
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=8, borderaxespad=0.1, columnspacing=1.2)
