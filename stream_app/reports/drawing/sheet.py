"""A sheet: what it is of on top, panels below, and the colours that mean the same on all of them."""

from __future__ import annotations

import contextlib
import io
import textwrap
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font_names

from stream_app.reports.words import origin, parameters, segment_value, shown, title

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from matplotlib.axes import Axes

INK, SOFT, LINE, NONE = "#0b0b0b", "#52514e", "#e1e0d9", "#f4f3ef"
ACTIVE, CHURNED, NEW, BACK = "#2a78d6", "#d4551f", "#2f9e6e", "#8a63c7"
#: Of lines side by side, such as segments: told apart by people who do not see all colours, too.
MANY = ("#2a78d6", "#d4551f", "#2f9e6e", "#8a63c7", "#b8860b", "#c2417c", "#3aa0b5", "#6f6d66")
#: Segments that one picture shows, the first ones of the answer.
MOST_SEGMENTS = 8
_WIDTH, _DPI = 11.0, 150
#: For names in scripts that matplotlib's own font lacks, where the machine has one of them.
_SCRIPTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "IPAGothic", "Noto Sans Arabic", "Unifont")
_STYLE: Any = {
    "font.size": 10, "text.color": INK, "axes.labelcolor": SOFT, "axes.edgecolor": LINE,
    "xtick.color": SOFT, "ytick.color": SOFT, "axes.titlesize": 10.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.grid.axis": "y", "grid.color": LINE, "grid.linewidth": 0.8, "axes.axisbelow": True, "xtick.major.size": 0,
    "ytick.major.size": 0, "xtick.major.pad": 6, "legend.edgecolor": "none",
    "legend.framealpha": 0.9, "legend.fontsize": 9.5, "figure.facecolor": "white",
    "text.parse_math": False,  # names of segments are data: a dollar in them is a dollar
    "svg.hashsalt": "stream-app", "svg.fonttype": "path",
}  # fmt: skip


class Sheet:
    """A figure of matplotlib with a heading.

    Args:
        answer: what it is of.

    Attributes:
        entries: the segments that are drawn.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer
        segments = answer["segments"]
        self.entries: Sequence[Mapping[str, Any]] = segments[:MOST_SEGMENTS]
        self._notes = [f"by {shown(name)}" for entry in segments[:1] for name in entry["segment"]]
        if len(segments) > MOST_SEGMENTS:
            self.note(f"the first {MOST_SEGMENTS} of {len(segments)} segments")
        self._height = 0.0
        self.figure = Figure(layout="constrained")
        FigureCanvasAgg(self.figure)

    def note(self, text: str) -> None:
        """Adds to what stands under the heading, such as what is left out."""
        self._notes.append(text)

    def panels(self, heights: Sequence[float], columns: int = 1, **options: Any) -> list[Axes]:
        """Axes by rows of so many inches; `options` are those of `Figure.subplots`."""
        self._height = sum(heights)
        axes = self.figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights, **options)
        return [one for row in axes for one in row]

    def multiples(self, height: float, **options: Any) -> list[Axes]:
        """Axes for every segment, with its name above where there are several; one row has so many inches."""
        number = len(self.entries)
        columns = 1 if number == 1 else 2
        rows = -(-number // columns)
        part = 1.0 if number == 1 else 0.75 if rows < 3 else 0.6
        axes = self.panels([height * part] * rows, columns, **options)
        for spare in axes[number:]:
            spare.set_visible(False)
        if number > 1:
            for one, entry in zip(axes, self.entries, strict=False):
                one.set_title(segment_value(entry["segment"]))
        return axes[:number]

    def nothing(self, text: str) -> Sheet:
        """Says that there is nothing to draw, on a sheet that is not higher than that needs."""
        nothing(self.panels([1.2])[0], text)
        return self

    def legend(self, handles: Sequence[Any], labels: Sequence[str]) -> None:
        """One legend for all panels, below them."""
        self.figure.legend(handles, labels, loc="outside lower left", ncols=len(labels))

    def saved(self, format_: str) -> bytes:
        """The picture, PNG or SVG."""
        lines = [title(self.answer)]
        small = ", ".join([*parameters(self.answer), *self._notes])
        lines += textwrap.wrap(small, 140)
        lines += [origin(self.answer)]
        above = 0.34 + 0.2 * len(lines)
        whole = self._height + above
        self.figure.set_size_inches(_WIDTH, whole)
        engine: Any = self.figure.get_layout_engine()
        engine.set(rect=(0.006, 0.006, 0.988, self._height / whole - 0.006), h_pad=0.08, w_pad=0.06)
        self.figure.text(0.014, 1 - 0.16 / whole, lines[0], size=15, weight="bold", va="top")
        for number, line in enumerate(lines[1:]):
            self.figure.text(0.014, 1 - (0.46 + 0.2 * number) / whole, line, size=9.5, color=SOFT, va="top")
        out = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # a script the font lacks is drawn as boxes
            self.figure.savefig(
                out, format=format_, dpi=_DPI, metadata={"Date": None, "Creator": None} if format_ == "svg" else None
            )
        return out.getvalue()


def nothing(axes: Axes, text: str) -> None:
    """Says on axes that there is nothing to draw."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.text(0.5, 0.5, text, ha="center", va="center", color=SOFT, transform=axes.transAxes)


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The settings under which all of a sheet is drawn, whatever the user's own ones say."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE | {"font.family": ["DejaVu Sans", *_scripts()]})
        yield


@cache
def _scripts() -> tuple[str, ...]:
    known = set(get_font_names())
    return tuple(name for name in _SCRIPTS if name in known)
