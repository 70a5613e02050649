"""The picture of a backtest: each figure that fired by cohort, its bound, and when its alerts fired and resolved."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from stream_app.reports.drawing.axes import periods
from stream_app.reports.drawing.lines import line
from stream_app.reports.drawing.sheet import ACTIVE, CHURNED, INK, NEW, SOFT, nothing, style
from stream_app.reports.words import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_WIDTH, _DPI, _HEIGHT = 11.0, 150, 2.5
_BAD = "#fbe4db"


class Firing(NamedTuple):
    """One firing, by places among the points of its panel.

    Attributes:
        began: the estimated start of the drop.
        fired: the cohort with which it fired.
        ended: the one with which it resolved; None: it still fires.
        bound: what the figure was compared with.
    """

    began: int
    fired: int
    ended: int | None
    bound: float | None


class Panel(NamedTuple):
    """One segment's figure.

    Attributes:
        title: rule and segment.
        about: the figure.
        grain: of the cohorts or periods.
        starts: where they begin; at least one.
        values: the figure.
        bound: that of all; None where it is another one for each.
        share: whether values are told in percent.
        firings: in order.
    """

    title: str
    about: str
    grain: str
    starts: Sequence[str]
    values: Sequence[float]
    bound: float | None
    share: bool
    firings: Sequence[Firing]


def draw(heading: str, notes: Sequence[str], panels: Sequence[Panel], format_: str) -> bytes:
    """The picture, `png` or `svg`.

    Args:
        heading: what it is of.
        notes: lines below it, smaller.
        panels: what is drawn; none: it says so.
        format_: of the picture.
    """
    with style():
        figure = Figure(layout="constrained")
        FigureCanvasAgg(figure)
        columns = 1 if len(panels) < 2 else 2
        rows = max(1, -(-len(panels) // columns))
        every = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
        for axes, panel in zip(every, panels, strict=False):
            _panel(axes, panel, 12 // columns)
        for axes in every[max(1, len(panels)) :]:
            axes.set_visible(False)
        if panels:
            figure.legend(handles=_legend(), loc="outside lower left", ncols=5)
        else:
            nothing(every[0], "nothing fired")
        return _saved(figure, heading, notes, rows * _HEIGHT + 0.3, format_)


def _panel(axes: Axes, panel: Panel, ticks: int) -> None:
    places = periods(axes, panel.grain, panel.starts, most=ticks)
    values = np.array(panel.values, np.float64)
    for firing in panel.firings:
        end = len(values) - 0.5 if firing.ended is None else firing.ended - 0.5
        axes.axvspan(firing.began - 0.5, end, color=_BAD, zorder=0, linewidth=0)
        if panel.bound is None and firing.bound is not None:
            axes.hlines(firing.bound, firing.began - 0.5, end, color=INK, linewidth=1.2, linestyle=(0, (5, 3)))
    if panel.bound is not None:
        axes.axhline(panel.bound, color=INK, linewidth=1.2, linestyle=(0, (5, 3)))
    line(axes, places, values, ACTIVE)
    for marker, colour, marked in (
        ("v", CHURNED, [firing.fired for firing in panel.firings]),
        ("^", NEW, [firing.ended for firing in panel.firings if firing.ended is not None]),
    ):
        axes.plot(places[marked], values[marked], marker, color=colour, markersize=8, zorder=5)
    axes.margins(y=0.15)
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: f"{100 * value:g} %" if panel.share else f"{value:,g}")
    )
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_title(_cut(panel.title, 56))
    axes.set_xlabel(_cut(panel.about, 80), loc="left", size=8.5)


def _legend() -> list[Any]:
    return [
        Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (5, 3)), label="bound"),
        Line2D([], [], color=CHURNED, marker="v", markersize=8, linestyle="", label="fires"),
        Line2D([], [], color=NEW, marker="^", markersize=8, linestyle="", label="resolved"),
        Patch(color=_BAD, label="from the estimated start of the drop on"),
    ]


def _cut(text: str, most: int) -> str:
    text = shown(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _saved(figure: Figure, heading: str, notes: Sequence[str], height: float, format_: str) -> bytes:
    above = 0.4 + 0.2 * len(notes)
    whole = height + above
    figure.set_size_inches(_WIDTH, whole)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0.006, 0.006, 0.988, height / whole - 0.006), h_pad=0.08, w_pad=0.06)
    figure.text(0.014, 1 - 0.16 / whole, _cut(heading, 90), size=15, weight="bold", va="top")
    for number, note in enumerate(notes):
        figure.text(0.014, 1 - (0.46 + 0.2 * number) / whole, _cut(note, 140), size=9.5, color=SOFT, va="top")
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a script the font lacks is drawn as boxes
        metadata = {"Date": None, "Creator": None} if format_ == "svg" else None
        figure.savefig(out, format=format_, dpi=_DPI, metadata=metadata)
    return out.getvalue()
