"""What was measured, as a picture: false alarms a year, and delays, by size of the group."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from promises.detectors import DETECTORS
from promises.worlds import TIME
from stream_app.reports.drawing.sheet import MANY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from promises.measured import Measured

_NAMES = {"sequential": "sequential test, 1 per year", "threshold": "plain threshold", "wilson": "daily Wilson test"}


def draw(measured: Sequence[Measured], to: Path) -> None:
    """Writes the picture of what was measured by every detector."""
    drops = sorted({one.world.drop for one in measured if one.world.drop is not None})
    levels = sorted({one.world.level for one in measured if one.world.drop is None}, reverse=True)
    figure = Figure(figsize=(4.2 * max(len(drops), 2), 7.6), dpi=130, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, max(len(drops), 2), squeeze=False)
    streams = measured[0].streams
    for axis, level in zip(axes[0], levels, strict=False):
        _alarms(axis, [one for one in measured if one.world.drop is None and one.world.level == level])
        where = "at the bound" if level == 1.0 else f"{level * 100 - 100:.0f} % above the bound"
        axis.set_title(f"False alarms a year, {streams} streams {where}", fontsize=9.5, loc="left")
    for axis in axes[0][len(levels) :]:
        axis.set_axis_off()
    axes[0][0].legend(fontsize=8)
    for axis, drop in zip(axes[1], drops, strict=False):
        _delays(axis, [one for one in measured if one.world.drop == drop])
        axis.set_title(f"Cohorts until a fall {drop * 100:.0f} % below is told", fontsize=9.5, loc="left")
    figure.supxlabel("Below: median, and the band up to 90 %; over the line: not found in 60 cohorts", fontsize=9)
    figure.savefig(to)


def _alarms(axis: Axes, measured: Sequence[Measured]) -> None:
    for color, detector in zip(MANY, DETECTORS, strict=False):
        rows = [one for one in measured if one.detector == detector]
        axis.plot([one.world.group for one in rows], [np.mean(one.alarms) for one in rows], "o-", color=color,
                  label=_NAMES[detector])  # fmt: skip
    axis.axhline(1, color="#0b0b0b", linestyle=":", label="budget")
    axis.set_xscale("log")
    axis.set_yscale("symlog", linthresh=1)
    axis.set_ylim(-0.1, 1e5)
    axis.set_xlabel("users a cohort")


def _delays(axis: Axes, measured: Sequence[Measured]) -> None:
    for color, detector in zip(MANY, DETECTORS, strict=False):
        rows = [one for one in measured if one.detector == detector]
        groups = [one.world.group for one in rows]
        median, late = ([min(one.delay(share), TIME * 1.1) for one in rows] for share in (0.5, 0.9))
        axis.plot(groups, median, "o-", color=color)
        axis.fill_between(groups, median, late, color=color, alpha=0.12, linewidth=0)
    axis.axhline(TIME, color="#52514e", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_xlabel("users a cohort")
