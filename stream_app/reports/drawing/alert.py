"""The picture in an alert's message: the judged figure by cohort, its bound, and since when it is bad."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stream_app.reports.drawing.axes import bar_width, counts, periods
from stream_app.reports.drawing.sheet import ACTIVE, CHURNED, INK, SOFT, style
from stream_app.reports.words import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from stream_app.domain.alerts import Curve

# A chat shows it 360 to 500 points wide: few words, and large ones.
_INCHES, _DPI, _TEXT = (8.0, 4.4), 150, 13
_BAD, _GROUP = "#fbe4db", "#cfcdc4"


class Words(NamedTuple):
    """What is written on the picture.

    Attributes:
        title: what it is of.
        about: what stands below it, smaller.
        bound: the bound, with its value.
        last: the last value.
        group: whom the figure is of.
    """

    title: str
    about: str
    bound: str
    last: str
    group: str


def draw(curve: Curve, words: Words, *, grain: str, share: bool, above: bool, scale: float = 1.0) -> bytes:
    """The picture, PNG, 1200 by 660 pixels.

    Args:
        curve: what is drawn; at least one point.
        words: what is written on it.
        grain: of the cohorts.
        share: whether values are shares, told in percent.
        above: whether the figure is bad above its bound.
        scale: what values are divided by, such as minor units in a major one.
    """
    with style():
        figure = Figure(figsize=_INCHES, layout="constrained")
        FigureCanvasAgg(figure)
        values, groups = figure.subplots(2, 1, sharex=True, height_ratios=[4, 1])
        _figure(values, curve, words, grain, share=share, above=above, scale=scale)
        _groups(groups, curve, words, grain)
        _line(figure, 0.985, words.title, _TEXT + 4, 50, weight="bold")
        _line(figure, 0.905, words.about, _TEXT - 1, 78, color=SOFT)
        engine: Any = figure.get_layout_engine()
        engine.set(rect=(0.006, 0.006, 0.988, 0.84), h_pad=0.04, w_pad=0.06)
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a script the font lacks is drawn as boxes
            figure.savefig(out, format="png", dpi=_DPI)
        return out.getvalue()


def _line(figure: Figure, height: float, text: str, size: float, fits: int, **options: Any) -> None:
    """A line on top; one of more characters than fit is smaller, and cut where it could not be read any more."""
    most = round(1.5 * fits)
    text = shown(text)
    text = text if len(text) <= most else f"{text[: most - 1]}…"
    figure.text(0.014, height, text, size=size * min(1.0, fits / max(len(text), 1)), va="top", **options)


def _figure(axes: Axes, curve: Curve, words: Words, grain: str, *, share: bool, above: bool, scale: float) -> None:
    """The figure by cohort; what is past its bound since the drop began is marked."""
    starts = [point[0] for point in curve.points]
    seen = np.array([point[1] for point in curve.points], np.float64) / scale
    bound = None if curve.threshold is None else curve.threshold / scale
    places = periods(axes, grain, starts, most=7)
    _limits(axes, seen if bound is None else np.append(seen, bound))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %" if share else f"{value:,g}"))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.tick_params(labelsize=_TEXT, labelbottom=False)
    began = next((place for place, start in enumerate(starts) if curve.began and start >= curve.began), None)
    if began is not None:
        axes.axvspan(began - 0.5, len(starts) - 0.3, color=_BAD, zorder=0, linewidth=0)
    axes.plot(places, seen, color=ACTIVE, linewidth=2.2, marker="o", markersize=4 if len(starts) > 30 else 5.5)
    colour = ACTIVE
    if bound is not None:
        axes.axhline(bound, color=INK, linewidth=1.5, linestyle=(0, (5, 3)))
        # Its name stands on the bad side, at the left: there the figure seldom is.
        axes.annotate(
            shown(words.bound), (0.0, bound), xytext=(5, 4 if above else -5), textcoords="offset points", size=_TEXT,
            xycoords=("axes fraction", "data"), va="bottom" if above else "top", weight="bold", color=INK,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85},
        )  # fmt: skip
        bad = (seen > bound) if above else (seen < bound)
        colour = CHURNED if bad[-1] else ACTIVE
        bad &= places >= (len(starts) if began is None else began)
        axes.plot(places[bad], seen[bad], color=CHURNED, linestyle="", marker="o", markersize=7)
    axes.annotate(
        shown(words.last), (1.0, float(seen[-1])), xytext=(5, 0), textcoords="offset points", size=_TEXT + 1,
        xycoords=("axes fraction", "data"), va="center", weight="bold", color=colour, annotation_clip=False,
    )  # fmt: skip


def _limits(axes: Axes, known: NDArray[np.float64]) -> None:
    """From 0 on where that costs little of the picture; else so that the drop fills it."""
    low, high = float(known.min()), float(known.max())
    room = 0.15 * (high - low) or 0.15 * abs(high) or 0.1
    axes.set_ylim(0.0 if 0.0 <= low < 0.4 * high else low - room, high + room)


def _groups(axes: Axes, curve: Curve, words: Words, grain: str) -> None:
    """How many the figure is of."""
    starts = [point[0] for point in curve.points]
    places = periods(axes, grain, starts, most=7)
    sizes = np.array([point[2] for point in curve.points], np.float64)
    axes.bar(places, sizes, bar_width(len(starts)), color=_GROUP, linewidth=0)
    counts(axes)
    axes.yaxis.set_major_locator(MaxNLocator(2, integer=True))
    axes.tick_params(labelsize=_TEXT - 1)
    axes.set_title(shown(words.group), size=_TEXT - 2, weight="normal", color=SOFT, pad=3)
