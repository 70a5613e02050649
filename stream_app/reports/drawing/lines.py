"""Lines, and their names where they end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from stream_app.reports.drawing.axes import periods
from stream_app.reports.drawing.sheet import MANY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_MOST_MARKED = 40


class Line(NamedTuple):
    """A line over periods.

    Attributes:
        name: what it is called at its end.
        starts: where its periods begin, as in the answer; shape (n,).
        values: what is drawn, NaN for nothing; shape (n,).
    """

    name: str
    starts: Sequence[str]
    values: NDArray[np.float64]


def line(axes: Axes, places: NDArray[np.float64], values: NDArray[np.float64], colour: str, **options: Any) -> None:
    """Draws a line; where its points are few, each is marked, so that one alone between unknown ones is seen."""
    width, marker = (1.8, "o") if len(places) <= _MOST_MARKED else (1.3, "")
    axes.plot(places, values, color=colour, linewidth=width, marker=marker, markersize=4, **options)


def over_periods(axes: Axes, grain: str, lines: Sequence[Line], inches: float, colours: Sequence[str] = MANY) -> None:
    """Draws lines of segments over all their periods, and their names where there are several.

    Args:
        axes: where; the limits of its values are set.
        grain: of the periods.
        lines: at most as many as colours.
        inches: the height of the axes, about.
        colours: of the lines, in their order.
    """
    starts = sorted({start for one in lines for start in one.starts})
    at = {start: place for place, start in enumerate(starts)}
    periods(axes, grain, starts)
    ends = []
    for one, colour in zip(lines, colours, strict=False):
        line(axes, np.array([at[start] for start in one.starts], np.float64), one.values, colour)
        ends.append((last_known(one.values), one.name, colour))
    if len(lines) > 1:
        name_ends(axes, ends, inches)


def last_known(values: NDArray[np.float64]) -> float:
    """The last value that is known; NaN if none is."""
    known = values[~np.isnan(values)]
    return float(known[-1]) if known.size else float("nan")


def name_ends(axes: Axes, ends: Sequence[tuple[float, str, str]], inches: float) -> None:
    """Writes names to the right of where lines end, moved apart where they would cover each other.

    Args:
        axes: its limits are set.
        ends: of each line its last value (NaN: it is not named), the name and the colour.
        inches: the height of the axes, about.
    """
    low, high = axes.get_ylim()
    named = sorted((end for end in ends if np.isfinite(end[0])), key=lambda end: end[0])
    heights = _apart([end[0] for end in named], 0.19 / inches * (high - low), low, high)
    right = axes.get_xlim()[1]
    for (_, name, colour), height in zip(named, heights, strict=True):
        axes.annotate(
            name, (right, height), xytext=(4, 0), textcoords="offset points", va="center", color=colour, size=9.5,
            weight="bold", annotation_clip=False,
        )  # fmt: skip


def _apart(heights: list[float], least: float, low: float, high: float) -> list[float]:
    """Rising heights, moved as little as need be: at least so far apart and, if they fit, within the limits.

    >>> _apart([1.0, 1.0, 5.0], 2.0, 0.0, 9.0)
    [0.0, 2.0, 5.0]
    >>> _apart([9.0, 9.0], 1.0, 0.0, 9.0)
    [8.0, 9.0]
    """
    for _ in range(100):  # two that are too close share the way
        for one in range(len(heights) - 1):
            short = least - (heights[one + 1] - heights[one])
            if short > 0:
                heights[one] -= short / 2
                heights[one + 1] += short / 2
    for one, height in enumerate(heights):
        heights[one] = max(height, low if one == 0 else heights[one - 1] + least)
    for one in range(len(heights) - 1, -1, -1):
        heights[one] = min(heights[one], high if one == len(heights) - 1 else heights[one + 1] - least)
    return heights
