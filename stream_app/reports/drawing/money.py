"""Value: revenue a user by cohort and age, revenue by period, and how much of it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, to_hex

from stream_app.reports.drawing.axes import (
    amounts,
    bar_width,
    bottom_of,
    column,
    indexes,
    legend_above,
    numbers,
    percents,
    periods,
    top_of,
)
from stream_app.reports.drawing.lines import Line, last_known, line, name_ends, over_periods
from stream_app.reports.drawing.sheet import ACTIVE, BACK, NEW, SOFT, Sheet, nothing
from stream_app.reports.words import count, money, percent, period_name, segment_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

    Answer = Mapping[str, Any]

_AGE = LinearSegmentedColormap.from_list("age", ["#a9c9ee", "#2a78d6", "#0b2f63"])
_MOST_COHORTS = 12


def value(answer: Answer) -> Sheet:
    """The sheet of an answer of value: all of it for one segment, revenue and its return for several."""
    sheet = Sheet(answer)
    scale = 10.0 ** answer["minor_units"]
    if len(sheet.entries) > 1:
        return _segments(sheet, scale)
    entry = sheet.entries[0] if sheet.entries else None
    if entry is None or not entry["totals"]["customers"]:
        return sheet.nothing("no customers")
    _totals(sheet, entry["totals"])
    ltv, revenue, back = sheet.panels([3.0, 2.0, 1.9])
    _ltv(sheet, ltv, entry["cohorts"], scale)
    _revenue(revenue, answer, entry["periods"], scale)
    _kept(back, answer, entry["periods"])
    return sheet


def _totals(sheet: Sheet, totals: Answer) -> None:
    units, currency = sheet.answer["minor_units"], sheet.answer["currency"]
    told = [
        f"{count(totals['customers'])} customers", f"{count(totals['orders'])} orders",
        f"{money(totals['revenue'], units)} {currency}", f"{percent(totals['repeat_rate'])} % bought again",
    ]  # fmt: skip
    if totals["aov"] is not None:
        told.append(f"{money(totals['aov'], units)} {currency} an order")
    sheet.note("; ".join(told))


def _ltv(sheet: Sheet, axes: Axes, cohorts: Sequence[Answer], scale: float) -> None:
    """A line a cohort, the older ones darker."""
    having = [c for c in cohorts if c["size"] and any(v is not None for v in c["ltv"])]
    shown = having[-_MOST_COHORTS:]
    if len(having) > len(shown):
        sheet.note(f"the latest {len(shown)} of {len(having)} cohorts")
    grain = sheet.answer["grain"]
    axes.set_title("Cumulative revenue a user of the cohort (LTV to date)")
    if not shown:
        nothing(axes, "no cohort is observed yet")
        return
    lines = [numbers(cohort["ltv"]) / scale for cohort in shown]
    longest = max(map(len, lines))
    axes.set_xlim(-0.3, max(longest - 0.7, 1))
    axes.set_ylim(1.08 * bottom_of(*lines), 1.08 * top_of(*lines) or 1.0)
    for number, (cohort, ages) in enumerate(zip(shown, lines, strict=True)):
        colour = to_hex(_AGE(1 - number / max(len(shown) - 1, 1)))
        name = f"{period_name(grain, cohort['start'])} ({count(cohort['size'])})"
        line(axes, np.arange(float(len(ages))), ages, colour, label=name if _named(number, len(shown)) else None)
    axes.legend(loc="lower right", ncols=2, title="cohort (users)", alignment="left", title_fontsize=9)
    amounts(axes, sheet.answer["currency"])
    places = indexes(axes, grain, 10.0)
    axes.set_xticks([0, *(places if 2 in places else places[1:])])
    axes.set_xlabel(f"{grain}s after the cohort's own")


def _named(number: int, shown: int) -> bool:
    """Whether a cohort is in the legend: all of a few; of many the first, the last and some between."""
    return shown <= 6 or number == shown - 1 or number % -(-(shown - 1) // 5) == 0


def _revenue(axes: Axes, answer: Answer, rows: Sequence[Answer], scale: float) -> None:
    axes.set_title(f"Revenue by {answer['grain']}, by who paid it")
    if not rows:
        nothing(axes, "no closed period")
        return
    places = periods(axes, answer["grain"], [row["start"] for row in rows])
    above = below = np.zeros(len(rows))
    parts = (("returning_revenue", "payers of the period before", ACTIVE), ("resurrected_revenue", "resurrected", BACK),
             ("new_revenue", "new", NEW))  # fmt: skip
    for name, label, colour in parts:
        heights = column(rows, name) / scale
        axes.bar(
            places,
            heights,
            bar_width(len(rows)),
            bottom=np.where(heights < 0, below, above),
            color=colour,
            label=label,
            linewidth=0,
        )
        above, below = above + np.maximum(heights, 0), below + np.minimum(heights, 0)
    amounts(axes, answer["currency"])
    legend_above(axes)


def _kept(axes: Axes, answer: Answer, rows: Sequence[Answer]) -> None:
    axes.set_title("Revenue kept from the period before")
    if not rows:
        nothing(axes, "no closed period")
        return
    places = periods(axes, answer["grain"], [row["start"] for row in rows])
    rates = [("NRR", column(rows, "nrr"), ACTIVE), ("GRR", column(rows, "grr"), SOFT)]
    both = [shares for _, shares, _ in rates]
    percents(axes, 1.1 * top_of(*both), 1.1 * bottom_of(*both))
    for _, shares, colour in rates:
        line(axes, places, shares, colour)
    ends = [(last_known(shares), f"{name} {100 * last_known(shares):.0f} %", colour) for name, shares, colour in rates]
    name_ends(axes, ends, 1.4)


def _segments(sheet: Sheet, scale: float) -> Sheet:
    """Revenue and its return, a line a segment."""
    answer = sheet.answer
    if not any(entry["periods"] for entry in sheet.entries):
        return sheet.nothing("no closed period")
    revenue, back = sheet.panels([3.0, 3.0])
    paid, rates = (
        [
            Line(
                segment_value(entry["segment"]), [row["start"] for row in entry["periods"]],
                column(entry["periods"], name) / by,
            )
            for entry in sheet.entries
        ]
        for name, by in (("revenue", scale), ("nrr", 1.0))
    )  # fmt: skip
    revenue.set_title(f"Revenue by {answer['grain']}")
    values = [one.values for one in paid]
    revenue.set_ylim(1.08 * bottom_of(*values), 1.08 * top_of(*values) or 1.0)
    amounts(revenue, answer["currency"])
    back.set_title("What customers of the period before paid again, beside what they had paid (NRR)")
    values = [one.values for one in rates]
    percents(back, 1.08 * top_of(*values), 1.08 * bottom_of(*values))
    for axes, lines in ((revenue, paid), (back, rates)):
        over_periods(axes, answer["grain"], lines, 2.4)
    return sheet
