"""Figures of a period as bars: life cycle and concentration; side by side for several segments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.reports.drawing.axes import bar_width, column, counts, percents, periods, top_of
from stream_app.reports.drawing.sheet import ACTIVE, BACK, CHURNED, NEW, SOFT, Sheet, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Answer = Mapping[str, Any]

#: What users of a period are: its name, its colour, and whether it is drawn downwards.
_STATES = (("dormant", CHURNED, -1), ("returning", ACTIVE, 1), ("resurrected", BACK, 1), ("new", NEW, 1))
_EVEN = 0.1  # the share of the top tenth where all are alike


def lifecycle(answer: Answer) -> Sheet:
    """Users of a period by where they come from, upwards; those who were there before and are not now, downwards."""
    sheet = Sheet(answer)
    if not any(entry["periods"] for entry in sheet.entries):
        return sheet.nothing("no closed period")
    panels = sheet.multiples(4.2)
    if len(panels) > 1:
        sheet.note("each on its own scale")
    for axes, entry in zip(panels, sheet.entries, strict=True):
        if not entry["periods"]:
            nothing(axes, "no closed period")
            continue
        places = periods(axes, answer["grain"], [row["start"] for row in entry["periods"]], _ticks(panels))
        below = np.zeros(len(places))
        for name, colour, sign in _STATES:
            heights = sign * column(entry["periods"], name)
            axes.bar(
                places, heights, bar_width(len(places)), bottom=below if sign > 0 else 0, color=colour, label=name,
                linewidth=0,
            )  # fmt: skip
            below = below + heights if sign > 0 else below
        axes.axhline(0, color=SOFT, linewidth=0.8)
        counts(axes)
    _legend(sheet, panels, -1)
    panels[0].set_ylabel("users")
    return sheet


def concentration(answer: Answer) -> Sheet:
    """The share of activity and of revenue that the top tenth has."""
    sheet = Sheet(answer)
    if not any(entry["periods"] for entry in sheet.entries):
        return sheet.nothing("no closed period")
    panels = sheet.multiples(3.6, sharey=True)
    tops = [column(entry["periods"], name) for entry in sheet.entries for name in ("activity_share", "revenue_share")]
    highest = max(1.12 * top_of(*tops), 2 * _EVEN)
    for axes, entry in zip(panels, sheet.entries, strict=True):
        rows = entry["periods"]
        if not rows:
            nothing(axes, "no closed period")
            continue
        places = periods(axes, answer["grain"], [row["start"] for row in rows], _ticks(panels))
        half = bar_width(len(places)) / 2
        axes.axhline(_EVEN, color=SOFT, linewidth=1, linestyle=(0, (4, 3)), label="10 %: all users alike", zorder=3)
        for name, colour, side in (("activity", ACTIVE, -1), ("revenue", NEW, 1)):
            shares = column(rows, f"{name}_share")
            bars = axes.bar(places + side * half / 2, shares, half, color=colour, label=f"share of {name}", linewidth=0)
            if len(rows) <= 18 and len(panels) == 1:
                axes.bar_label(bars, ["" if np.isnan(share) else f"{100 * share:.0f}" for share in shares], padding=2,
                               size=8.5, color=SOFT)  # fmt: skip
        percents(axes, highest)
    _legend(sheet, panels, 1)
    return sheet


def _ticks(panels: list[Axes]) -> int:
    return 12 if len(panels) == 1 else 6


def _legend(sheet: Sheet, panels: list[Axes], order: int) -> None:
    """One legend for all panels, in the order of drawing (1) or against it (-1)."""
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            sheet.legend(handles[::order], labels[::order])
            return
