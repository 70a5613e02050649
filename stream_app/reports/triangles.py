"""Tables with a row a cohort: retention, cumulative revenue, survival."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from stream_app.reports.grid import grid
from stream_app.reports.words import UNKNOWN, count, money, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Answer = Mapping[str, Any]

#: Days of which a table of survival shows the share that is left.
_LANDMARKS = (1, 3, 7, 14, 30, 60, 90, 120, 180, 270, 365, 545, 730, 1095, 1460, 1825)


def retention(answer: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    """The triangle: cohort, size, then a column a period index (bracket) from 1 on; then the mean over cohorts.

    A cell not yet observed is `-`, one of an empty cohort is blank.
    """
    cohorts = entry["cohorts"]
    if not cohorts:
        yield "  no cohorts"
        return
    heading = ["cohort", "size", *columns(answer, entry)]
    rows = [[str(cohort["start"]), count(cohort["size"]), *_shares(cohort)] for cohort in cohorts]
    mean = entry["mean"]
    if any(rate is not None for rate in mean["rate"][1:]):
        rows.append(["mean", "", *map(percent, mean["rate"][1:])])
        if answer["mean"] == "weighted":
            rows.append(["95 % from", "", *map(percent, mean["low"][1:])])
            rows.append(["95 % to", "", *map(percent, mean["high"][1:])])
    yield from grid(heading, rows, width)


def columns(answer: Answer, entry: Answer) -> list[str]:
    """The names of the cells of a row of retention, without index 0: `1`, or `2-4` for a bracket."""
    if answer["kind"] == "bracket":
        ends = [(bracket["from"], bracket["to"]) for bracket in answer["brackets"]]
        return [str(first) if first == last else f"{first}-{last}" for first, last in ends]
    return [str(k) for k in range(1, max((len(cohort["retained"]) for cohort in entry["cohorts"]), default=0))]


def share(cohort: Answer, index: int) -> float | None:
    """The retained share of a cell, None where it is not observed or of nobody."""
    retained = cohort["retained"]
    if index >= len(retained) or retained[index] is None:
        return None
    users = cohort["reached"][index] if "reached" in cohort else cohort["size"]
    return float(retained[index] / users) if users else None


def _shares(cohort: Answer) -> Iterator[str]:
    for index in range(1, len(cohort["retained"])):
        yield percent(share(cohort, index)) if cohort["size"] else ""


def ltv(entry: Answer, units: int, width: int | None) -> Iterator[str]:
    """Revenue a user by cohort and age, from index 0 on."""
    cohorts = entry["cohorts"]
    if not cohorts:
        yield "  no cohorts"
        return
    heading = ["cohort", "size", *(str(k) for k in range(max(len(cohort["ltv"]) for cohort in cohorts)))]
    rows = [
        [str(cohort["start"]), count(cohort["size"]),
         *(money(value, units) if cohort["size"] else "" for value in cohort["ltv"])]
        for cohort in cohorts
    ]  # fmt: skip
    yield from grid(heading, rows, width)


def survival(_: Answer, entry: Answer, width: int | None) -> Iterator[str]:
    """Rows of all customers and of each cohort; columns of a few days, and what is left on them."""
    everybody, cohorts = entry["all"], entry["cohorts"]
    if not everybody["size"]:
        yield "  no customers"
        return
    last = max(everybody["days"], default=0)
    days = [day for day in _LANDMARKS if day <= last]
    heading = ["cohort", "size", "events", "censored", "median", *(f"day {day}" for day in days)]
    rows = [["all", *_sizes(everybody), *_left(everybody, "survival", days)]]
    for name, column in (("95 % from", "low"), ("95 % to", "high")):
        rows.append([name, "", "", "", "", *_left(everybody, column, days)])
    rows += [[str(c["start"]), *_sizes(c), *_left(c, "survival", days)] for c in cohorts]
    yield from grid(heading, rows, width)


def _sizes(curve: Answer) -> list[str]:
    return [*(count(curve[name]) for name in ("size", "events", "censored")), count(curve["median"])]


def _left(curve: Answer, column: str, days: Sequence[int]) -> Iterator[str]:
    """The value in force on each day; unknown past the last event: nobody may have been followed for longer."""
    for day in days:
        place = bisect_right(curve["days"], day) - 1
        if not curve["days"] or day > curve["days"][-1]:
            yield UNKNOWN
        else:
            yield percent(curve[column][place] if place >= 0 else 1.0)
