"""What the rows of an answer say of a rule's measure."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple

from stream_app.domain.alerts.measures import measure_of
from stream_app.domain.periods import EPOCH, Grain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stream_app.domain.alerts.measures import Measure
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.periods import Calendar

    Row = Mapping[str, Any]


class Reading(NamedTuple):
    """One cell as an answer has it.

    Attributes:
        cohort: ordinal of the cohort's period, or of the period.
        group: the denominator.
        part: the numerator; None for a value.
        value: the figure.
    """

    cohort: int
    group: int
    part: int | None
    value: float


def readings(rule: Rule, entry: Row, calendar: Calendar) -> Iterator[Reading]:
    """The cells of a segment's entry, oldest first, without those that are not observed or of an empty group.

    A cell of 24-hour windows may still be open: its group then has only the users whose own window has closed.
    """
    measure = measure_of(rule.figure, rule.measure)
    rows: Sequence[Row] = entry[measure.rows]
    former: tuple[int, Row] | None = None
    for row in rows:
        cohort = ordinal(calendar, rule.grain, row["start"] if "start" in row else row["date"])
        if measure.rows == "cohorts":
            found = _cell(measure, row, rule.index)
        elif measure.before:
            follows = former is not None and former[0] == cohort - 1
            found = _cell_of(measure, row, former[1] if former is not None and follows else None)
            former = cohort, row
        else:
            found = _cell_of(measure, row, row)
        if found is not None and found[0] > 0:
            yield Reading(cohort, *found)


def _cell(measure: Measure, row: Row, index: int) -> tuple[int, int | None, float] | None:
    """Of a cohort's row the cell at an index."""
    cells = row[measure.count or measure.value or ""]
    cell = cells[index] if index < len(cells) else None
    if cell is None:
        return None
    group = row["reached"][index] if "reached" in row else row["size"]
    if measure.share:
        return (group, cell, cell / group) if group else None
    return group, None, float(cell)


def _cell_of(measure: Measure, row: Row, grouped: Row | None) -> tuple[int, int | None, float] | None:
    """Of a period's row, whose group `grouped` names."""
    group = 0 if grouped is None else sum(grouped[name] for name in measure.group)
    if group <= 0:
        return None
    if measure.count is not None:
        return group, row[measure.count], row[measure.count] / group
    value = row[measure.value or ""]
    if value is None:
        return None
    return group, None, value / row[measure.over] if measure.over else float(value)


def ordinal(calendar: Calendar, grain: Grain, date: str) -> int:
    """The period that a local date lies in; of an hour, that of its local time with the offset to UTC."""
    if grain is Grain.HOUR:
        begin = dt.datetime.fromisoformat(date)
        return calendar.period_at(grain, round(begin.timestamp() * 1000))
    return calendar.period(grain, (dt.date.fromisoformat(date) - EPOCH).days)
