"""Stickiness: the share of the month's users who are there on a day, and how many days they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.reports.drawing.axes import column, percents, top_of
from stream_app.reports.drawing.lines import Line, over_periods
from stream_app.reports.drawing.sheet import ACTIVE, MANY, NONE, SOFT, Sheet
from stream_app.reports.words import segment_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Answer = Mapping[str, Any]


def stickiness(answer: Answer) -> Sheet:
    """DAU / MAU by day, and how many days of the window users were active."""
    sheet = Sheet(answer)
    entries = [entry for entry in sheet.entries if entry["days"]]
    if not entries:
        return sheet.nothing("no closed day")
    days, bars = sheet.panels([3.0, 2.2])
    lines = [
        Line(
            segment_value(entry["segment"]), [day["date"] for day in entry["days"]], column(entry["days"], "stickiness")
        )
        for entry in entries
    ]
    # While the first window fills, from 100 % down, the share says nothing: it may leave the picture.
    filling = (
        answer["window"] - 1 if any(entry["days"][0]["dau"] == entry["days"][0]["mau"] for entry in entries) else 0
    )
    top = 1.2 * top_of(*(one.values[filling:] for one in lines))
    percents(days, top or 1.03)
    over_periods(days, answer["grain"], lines, 2.4, MANY if len(lines) > 1 else [ACTIVE])
    days.set_title("Active on the day among those active in the window (DAU / MAU)")
    if top and filling:
        days.axvspan(days.get_xlim()[0], filling - 0.5, color=NONE, zorder=0, linewidth=0)
        days.text(filling, 0.98 * top, "the window fills", color=SOFT, size=9, va="top")
    _histogram(bars, answer, entries)
    return sheet


def _histogram(axes: Axes, answer: Answer, entries: Sequence[Answer]) -> None:
    """Shares of users by their active days; a step line a segment, as bars side by side would be too thin."""
    tops = [1]
    for number, entry in enumerate(entries):
        histogram = entry["histogram"]
        users = column(histogram, "users")
        if not users.sum():
            continue
        places = column(histogram, "days")
        tops.append(int(places[np.flatnonzero(users)[-1]]))
        if len(entries) == 1:
            bars = axes.bar(places, users / users.sum(), 0.8, color=ACTIVE, linewidth=0)
            axes.bar_label(bars, [f"{n:,.0f}" if n else "" for n in users], padding=2, size=8.5, color=SOFT)
            axes.set_ylim(0, 1.12 * float(users.max() / users.sum()))
        else:
            axes.step(places, users / users.sum(), where="mid", color=MANY[number], linewidth=1.8)
    window, last = answer["window"], entries[0]["days"][-1]["date"]
    axes.set_title(f"Users by their active days in the {window} days to {last}")
    most = max(*tops, min(window, 7))
    axes.set_xlim(0.4, most + 0.6)
    axes.set_xticks(range(1, most + 1, -(-most // 31)))
    axes.set_xlabel("active days")
    percents(axes, axes.get_ylim()[1])
