"""Retention: a heat map of cohorts (of segments, where several are shown) and the mean over cohorts below it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from stream_app.reports.drawing.axes import indexes, numbers, percents, top_of
from stream_app.reports.drawing.lines import last_known, line, name_ends
from stream_app.reports.drawing.sheet import ACTIVE, MANY, SOFT, Sheet
from stream_app.reports.triangles import columns, share
from stream_app.reports.words import count, period_name, segment_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Answer = Mapping[str, Any]

_HEAT = LinearSegmentedColormap.from_list("heat", ["#e9f1fb", "#9cc3ef", "#3f83d0", "#0d4a94"])
_MOST_ROWS = 60
_MEAN = 2.6  # inches of the panel of the mean
_PANEL = 10.0  # inches across, about
_SIZES = 0.75  # of them for the sizes of cohorts


def retention(answer: Answer) -> Sheet:
    """The sheet of a retention answer."""
    sheet = Sheet(answer)
    entries = sheet.entries
    if len(entries) == 1:
        names, sizes, cells = _cohorts(answer, entries[0])
        all_of_them = sum(cohort["size"] > 0 for cohort in entries[0]["cohorts"])
        if all_of_them > len(names):
            sheet.note(f"the latest {len(names)} of {all_of_them} cohorts")
    else:
        names, sizes, cells = _segments(entries)
    if not cells.size:
        return sheet.nothing("no cohort is observed yet")
    tall = min(max(0.5 + 0.27 * len(names), 1.2), 9.0)
    heat, mean = sheet.panels([tall, _MEAN])
    labels = max((columns(answer, entry) for entry in entries), key=len)
    _heat(sheet, heat, names, sizes, cells, tall)
    _mean(mean, answer, entries, len(labels), heat.get_xlim())
    for axes in (heat, mean):
        places = indexes(axes, answer["grain"], _PANEL)
        axes.set_xticks(places, [labels[place - 1] for place in places if place <= len(labels)])
    return sheet


def _cohorts(answer: Answer, entry: Answer) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Names, sizes and shares of the latest cohorts that have one, from index 1 on."""
    shown = [cohort for cohort in entry["cohorts"] if cohort["size"]][-_MOST_ROWS:]
    wide = max((len(cohort["retained"]) for cohort in shown), default=1) - 1
    cells = np.array([[share(cohort, k + 1) for k in range(wide)] for cohort in shown], np.float64)
    return (
        [period_name(answer["grain"], cohort["start"]) for cohort in shown],
        [count(cohort["size"]) for cohort in shown],
        _trimmed(cells),
    )


def _segments(entries: Sequence[Answer]) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Names, users and means of all segments, from index 1 on."""
    rates = [numbers(entry["mean"]["rate"])[1:] for entry in entries]
    cells = np.full((len(entries), max((len(rate) for rate in rates), default=0)), np.nan)
    for row, rate in zip(cells, rates, strict=True):
        row[: len(rate)] = rate
    users = [count(sum(cohort["size"] for cohort in entry["cohorts"])) for entry in entries]
    return [segment_value(entry["segment"]) for entry in entries], users, _trimmed(cells)


def _trimmed(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the columns at the end of which nothing is known."""
    known = np.flatnonzero(~np.isnan(cells).all(axis=0)) if cells.size else np.zeros(0, np.int64)
    return cells[:, : int(known[-1]) + 1] if known.size else np.zeros((len(cells), 0))


def _heat(
    sheet: Sheet, axes: Axes, names: Sequence[str], sizes: Sequence[str], cells: NDArray[np.float64], tall: float
) -> None:  # fmt: skip
    rows, wide = cells.shape
    deepest = max(float(np.nanpercentile(cells, 98)), 1e-9)
    edge = 1.2 if wide <= 40 else 0.3 if wide <= 130 else 0.0
    axes.pcolormesh(
        np.arange(wide + 1) + 0.5, np.arange(rows + 1) - 0.5, np.ma.masked_invalid(cells), cmap=_HEAT, vmin=0,
        vmax=deepest, edgecolors="white" if edge else "none", linewidth=edge, rasterized=cells.size > 4000,
    )  # fmt: skip
    cell = (_PANEL - _SIZES) / wide
    margin = _SIZES / cell  # of the column of sizes, in cells
    axes.set_xlim(0.5 - margin, wide + 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks(range(rows), names, size=9)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    left = 0.5 - 0.1 / cell
    axes.annotate("size", (left, -0.5), (0, 6), textcoords="offset points", ha="right", va="bottom", color=SOFT)
    height = (tall - 0.4) / rows
    for row, size in enumerate(sizes):
        axes.text(left, row, size, ha="right", va="center", color=SOFT, size=min(9.0, 52 * height))
    decimals = 1 if cell >= 0.36 else 0
    if cell < 0.24 or height < 0.13:
        sheet.note(f"darkest: {100 * deepest:.2g} % or more")
        return
    for row, place in np.argwhere(~np.isnan(cells)).tolist():
        value = cells[row, place]
        colour = "white" if value > 0.55 * deepest else "black"
        axes.text(
            place + 1, row, f"{100 * value:.{decimals}f}", ha="center", va="center", color=colour,
            size=min(9.0, 52 * height, 21 * cell if decimals else 26 * cell),
        )  # fmt: skip


def _mean(axes: Axes, answer: Answer, entries: Sequence[Answer], longest: int, limits: tuple[float, float]) -> None:
    """The mean over cohorts by index, with its interval; a line a segment."""
    ends, tops = [], []
    for entry, colour in zip(entries, MANY if len(entries) > 1 else [ACTIVE], strict=False):
        rate, low, high = (numbers(entry["mean"][name])[1:] for name in ("rate", "low", "high"))
        places = np.arange(1.0, len(rate) + 1)
        axes.fill_between(places, low, high, color=colour, alpha=0.18, linewidth=0)
        line(axes, places, rate, colour)
        tops += [rate, high]
        ends.append((last_known(rate), segment_value(entry["segment"]), colour))
    axes.set_xlim(limits[0], max(limits[1], longest + 0.5))
    percents(axes, 1.1 * top_of(*tops))
    axes.set_xlabel(
        f"{answer['grain']}s after the cohort's own" if answer["windows"] == "calendar"
        else f"{answer['grain']}s after the first event"
    )  # fmt: skip
    weighted = answer["mean"] == "weighted"
    name = "Mean over cohorts, weighted by size, 95 % interval" if weighted else "Mean over cohorts, each one alike"
    biased = "; the end is biased down: later returns are not observed yet" if answer["kind"] == "rolling" else ""
    axes.set_title(name + biased)
    if len(entries) > 1:
        name_ends(axes, ends, _MEAN - 0.8)
