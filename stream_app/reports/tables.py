"""The answer of a figure as text for people: a table a segment, and what its columns mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.reports import triangles
from stream_app.reports.grid import grid, wrapped
from stream_app.reports.legends import legend
from stream_app.reports.words import (
    count,
    decimal,
    figure_of,
    money,
    origin,
    parameters,
    percent,
    segment_name,
    title,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Answer = Mapping[str, Any]
    Rows = Sequence[Mapping[str, Any]]


def table(answer: Answer, *, width: int | None = None) -> str:
    """The tables of an answer, one a segment.

    Args:
        answer: what `analyze --json` and the API give, of any figure.
        width: characters a line may have; columns for which there is no room are left out and said to be. None: any
            number.

    Returns:
        Lines without a final newline.
    """
    draw = _FIGURES[figure_of(answer)]
    lines = wrapped(", ".join([title(answer), *parameters(answer)]), width)
    lines += wrapped(f"({legend(answer)})", width)
    lines += wrapped(origin(answer), width)
    for entry in answer["segments"]:
        lines += ["", segment_name(entry["segment"]), *draw(answer, entry, width)]
    if not answer["segments"]:
        lines += ["", "no events"]
    return "\n".join(line if width is None else line[:width] for line in lines)


def _churn(_: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    rows = [
        [day["date"], count(day["customers"]), count(day["active"]), count(day["churned"]),
         percent(day["churned"] / day["customers"] if day["customers"] else None)]
        for day in entry["days"]
    ]  # fmt: skip
    yield from _rows(["end of", "customers", "active", "churned", "churned %"], rows, width)


def _lifecycle(_: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    names = ("active", "new", "returning", "resurrected", "dormant")
    rows = [
        [period["start"], *(count(period[name]) for name in names), decimal(period["quick_ratio"])]
        for period in entry["periods"]
    ]
    yield from _rows(["period of", *names, "quick ratio"], rows, width)


def _crr(_: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    counts = ("start_active", "end_active", "new", "new_active", "kept", "lost", "resurrected")
    shares = ("crr", "kept_rate", "churn_rate")
    heading = ["from", "to", "S", "E", "N", "new in E", "kept", "lost", "resurrected", "CRR %", "kept %", "churn %"]
    rows = [
        [row["start"], row["end"], *(count(row[name]) for name in counts), *(percent(row[name]) for name in shares)]
        for row in (*entry["periods"], *([entry["whole"]] if entry["whole"] else []))
    ]
    yield from _rows(heading, rows, width)
    if entry["whole"]:
        yield "(the last row: the whole span asked for)"


def _stickiness(answer: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    rows = [[day["date"], count(day["dau"]), count(day["mau"]), percent(day["stickiness"])] for day in entry["days"]]
    yield from _rows(["day", "DAU", "MAU", "DAU/MAU %"], rows, width)
    histogram = entry["histogram"]
    users = sum(bar["users"] for bar in histogram)
    if users:
        most = max(bar["days"] for bar in histogram if bar["users"])
        yield ""
        last = entry["days"][-1]["date"]
        yield from wrapped(f"active days of a user in the {answer['window']} days to {last}", width)
        rows = [
            [str(bar["days"]), count(bar["users"]), percent(bar["users"] / users)]
            for bar in histogram
            if bar["days"] <= most
        ]
        yield from _rows(["days", "users", "users %"], rows, width)


def _value(answer: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    units, totals = answer["minor_units"], entry["totals"]
    names = ["customers", "orders", "revenue", "refunded", "repeat customers", "repeat rate %", "orders a customer",
             "revenue an order", "conflicts"]  # fmt: skip
    values = [
        count(totals["customers"]), count(totals["orders"]), money(totals["revenue"], units),
        money(totals["refunded"], units), count(totals["repeat_customers"]), percent(totals["repeat_rate"]),
        decimal(totals["frequency"]), money(totals["aov"], units), count(totals["conflicts"]),
    ]  # fmt: skip
    across = max(map(len, values))
    for name, value in zip(names, values, strict=True):
        yield f"  {name.ljust(max(map(len, names)))}  {value.rjust(across)}"
    yield ""
    yield from wrapped(f"cumulative revenue a user of the cohort, to the end of {answer['grain']} k (LTV)", width)
    yield from triangles.ltv(entry, units, width)
    yield ""
    yield from wrapped(f"revenue by {answer['grain']}", width)
    sums = ("revenue", "aov", "kept_revenue", "returning_revenue")
    rows = [
        [row["start"], count(row["customers"]), count(row["orders"]), *(money(row[name], units) for name in sums),
         percent(row["grr"]), percent(row["nrr"]), money(row["new_revenue"], units),
         money(row["resurrected_revenue"], units)]
        for row in entry["periods"]
    ]  # fmt: skip
    heading = ["period of", "customers", "orders", "revenue", "AOV", "kept", "returning", "GRR %", "NRR %", "new",
               "resurrected"]  # fmt: skip
    yield from _rows(heading, rows, width)


def _concentration(answer: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    units = answer["minor_units"]
    rows = [
        [row["start"], count(row["users"]), count(row["top_users"]), count(row["activity"]), count(row["top_activity"]),
         percent(row["activity_share"]), count(row["customers"]), count(row["top_customers"]),
         money(row["revenue"], units), money(row["top_revenue"], units), percent(row["revenue_share"])]
        for row in entry["periods"]
    ]  # fmt: skip
    heading = ["period of", "users", "top", "active days", "of top", "share %", "customers", "top", "revenue", "of top",
               "share %"]  # fmt: skip
    yield from _rows(heading, rows, width)


def _rows(heading: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    if rows:
        yield from grid(heading, rows, width)
    else:
        yield "  no closed period"


_FIGURES: Mapping[str, Callable[[Answer, Answer, int | None], Iterator[str]]] = {
    "retention": triangles.retention,
    "churn": _churn,
    "lifecycle": _lifecycle,
    "crr": _crr,
    "stickiness": _stickiness,
    "value": _value,
    "survival": triangles.survival,
    "concentration": _concentration,
}
