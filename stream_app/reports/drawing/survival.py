"""Survival: the curve of all customers with its interval, and a thin one a cohort; a curve a segment where several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from stream_app.reports.drawing.axes import numbers, percents
from stream_app.reports.drawing.lines import name_ends
from stream_app.reports.drawing.sheet import ACTIVE, MANY, SOFT, Sheet
from stream_app.reports.words import count, period_name, segment_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    Answer = Mapping[str, Any]

_AGE = LinearSegmentedColormap.from_list("age", ["#b9b7ae", "#c9892b", "#d4551f"])
_MOST_COHORTS = 12
_HEIGHT = 4.6
_EVENT = {"churn": "not churned", "return": "not back yet"}


def survival(answer: Answer) -> Sheet:
    """The sheet of a survival answer."""
    sheet = Sheet(answer)
    entries = [entry for entry in sheet.entries if entry["all"]["days"]]
    if not entries:
        return sheet.nothing("nobody has churned yet" if answer["kind"] == "churn" else "nobody has come back yet")
    axes = sheet.panels([_HEIGHT])[0]
    axes.set_xlim(0, max(entry["all"]["days"][-1] for entry in entries) * 1.01)
    percents(axes, 1.03)
    axes.set_xlabel("days after a customer's first event")
    axes.set_ylabel(_EVENT[answer["kind"]])
    axes.axhline(0.5, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)))
    if len(sheet.entries) > 1:
        ends = []
        for entry, colour in zip(entries, MANY, strict=False):
            _curve(axes, entry["all"], colour)
            ends.append((entry["all"]["survival"][-1], segment_value(entry["segment"]), colour))
        name_ends(axes, ends, _HEIGHT - 0.6)
        return sheet
    everybody = entries[0]["all"]
    median = "not reached" if everybody["median"] is None else f"{count(everybody['median'])} days"
    _curve(axes, everybody, ACTIVE, f"all {count(everybody['size'])} customers, 95 % interval; median {median}")
    _cohorts(sheet, axes, answer, entries[0])
    axes.legend(loc="upper right")
    return sheet


def _cohorts(sheet: Sheet, axes: Axes, answer: Answer, entry: Answer) -> None:
    """Thin curves of the latest cohorts, the older ones paler."""
    having = [cohort for cohort in entry["cohorts"] if cohort["days"]]
    shown = having[-_MOST_COHORTS:]
    if len(having) > len(shown):
        sheet.note(f"the latest {len(shown)} of {len(having)} cohorts")
    for number, cohort in enumerate(shown):
        days, left = _steps(cohort, "survival")
        name = None
        if len(shown) <= 4 or number in {0, len(shown) - 1}:
            name = f"cohort of {period_name(answer['grain'], cohort['start'])} ({count(cohort['size'])})"
        colour = _AGE(number / max(len(shown) - 1, 1))
        axes.step(days, left, where="post", color=colour, linewidth=1.0, label=name)


def _curve(axes: Axes, curve: Answer, colour: str, name: str | None = None) -> None:
    """Draws a curve with its band, before those of the cohorts."""
    days, left = _steps(curve, "survival")
    _, low = _steps(curve, "low")
    _, high = _steps(curve, "high")
    axes.fill_between(days, low, high, step="post", color=colour, alpha=0.2, linewidth=0)
    axes.step(days, left, where="post", color=colour, linewidth=2.2, label=name, zorder=3)


def _steps(curve: Answer, column: str) -> tuple[Any, Any]:
    """Days and values, from day 0 on, on which all are left."""
    return np.concatenate([[0.0], numbers(curve["days"])]), np.concatenate([[1.0], numbers(curve[column])])
