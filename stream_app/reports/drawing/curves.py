"""Figures over time as curves: churn, and customers kept and lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.reports.drawing.axes import column, counts, legend_above, percents, periods, top_of
from stream_app.reports.drawing.lines import Line, last_known, line, name_ends, over_periods
from stream_app.reports.drawing.sheet import ACTIVE, CHURNED, MANY, NEW, Sheet, nothing
from stream_app.reports.words import segment_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Answer = Mapping[str, Any]
    Floats = NDArray[np.float64]

_RATES = (("crr", "CRR", NEW), ("kept_rate", "kept", ACTIVE), ("churn_rate", "churn", CHURNED))


def churn(answer: Answer) -> Sheet:
    """Customers active and churned as an area, the churned share of all below; with segments the share only."""
    sheet = Sheet(answer)
    entries = [entry for entry in sheet.entries if entry["days"]]
    if not entries:
        return sheet.nothing("no closed period")
    if len(sheet.entries) > 1:
        shares = sheet.panels([4.0])[0]
    else:
        area, shares = sheet.panels([3.0, 2.0])
        days = entries[0]["days"]
        places = periods(area, answer["grain"], [day["date"] for day in days])
        colours = [ACTIVE, CHURNED]
        area.stackplot(places, column(days, "active"), column(days, "churned"), colors=colours, alpha=0.85,
                       labels=["active", "churned"], linewidth=0)  # fmt: skip
        area.set_ylim(0)
        area.set_title("Customers by whether they were active in the window")
        counts(area)
        legend_above(area)
    lines = [
        Line(segment_value(entry["segment"]), [day["date"] for day in entry["days"]], _share(entry["days"]))
        for entry in entries
    ]
    percents(shares, 1.03)
    over_periods(shares, answer["grain"], lines, 3.4, MANY if len(lines) > 1 else [CHURNED])
    shares.set_title("Churned among all customers so far")
    return sheet


def _share(days: Sequence[Answer]) -> Floats:
    customers = column(days, "customers")
    shares: Floats = np.divide(column(days, "churned"), customers, out=np.full(len(days), np.nan), where=customers > 0)
    return shares


def crr(answer: Answer) -> Sheet:
    """The three rates of each period, which belong together."""
    sheet = Sheet(answer)
    if not any(entry["periods"] for entry in sheet.entries):
        return sheet.nothing("no closed period")
    panels = sheet.multiples(4.0, sharey=True)
    tops = [column(entry["periods"], name) for entry in sheet.entries for name, _, _ in _RATES]
    highest = max(1.0, 1.05 * top_of(*tops))
    for axes, entry in zip(panels, sheet.entries, strict=True):
        rows = entry["periods"]
        if not rows:
            nothing(axes, "no closed period")
            continue
        places = periods(axes, answer["grain"], [row["start"] for row in rows], 12 if len(panels) == 1 else 5)
        percents(axes, highest)
        ends = []
        for key, name, colour in _RATES:
            rates = column(rows, key)
            line(axes, places, rates, colour)
            last = last_known(rates)
            ends.append((last, f"{name} {100 * last:.0f} %", colour))
        name_ends(axes, ends, 3.4 if len(panels) == 1 else 2.4)
        if entry["whole"]:
            _whole(axes, entry["whole"], several=len(panels) > 1)
    return sheet


def _whole(axes: Axes, row: Answer, *, several: bool) -> None:
    told = ", ".join(f"{name} {100 * row[key]:.1f} %" for key, name, _ in _RATES if row[key] is not None)
    text = f"{row['start']} to {row['end']}: {told}" if told else ""
    if several:
        axes.set_xlabel(text, size=8.5)
    else:
        axes.set_xlabel(f"The whole span, {text}" if text else "")
