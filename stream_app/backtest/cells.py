"""Cells that a test file gives, as the course of a rule's figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.domain.alerts import Course, Observation, query_of
from stream_app.domain.alerts.closings import Closings
from stream_app.domain.alerts.rule import EVERY, EVERYBODY
from stream_app.domain.counters import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Rule
    from stream_app.domain.counters import Series
    from stream_app.settings import Settings


@dataclass(frozen=True)
class Cells:
    """Cells of one segment in a row.

    Attributes:
        rule: the name of the rule that judges them.
        first: an instant (ms) in the first one's cohort, or period.
        series: the segment.
        groups: their groups; None or 0: nobody is in it.
        counted: of a share, how many of the group are counted.
        values: of a value figure, the values.
    """

    rule: str
    first: int
    series: Series
    groups: Sequence[int | None]
    counted: Sequence[int | None] | None = None
    values: Sequence[float | None] | None = None


def course_of(rule: Rule, given: Sequence[Cells], settings: Settings, until: int | None = None) -> Course:
    """The course that a rule judges.

    Args:
        rule: the rule.
        given: its cells, those of at least one segment.
        settings: what is counted by.
        until: the end of time (ms): what closes after it is left out; None: there is none.
    """
    query = query_of(rule, definitions=settings.definitions, dimensions=settings.dimensions, calendar=settings.calendar)
    closings = Closings.of(rule, settings.calendar, query.window if rule.figure in ("churn", "crr") else 0)
    seen: dict[Series, list[Observation]] = {}
    ordinals: list[int] = []
    for cells in given:
        first = settings.calendar.period_at(rule.grain, cells.first)
        ordinals += [first, first + len(cells.groups) - 1]
        observed = _observed(cells, first, closings)
        seen.setdefault(cells.series, []).extend(o for o in observed if until is None or o.closed_at <= until)
    other = None if rule.baseline is None else rule.baseline.segment
    compared = ALL if other == EVERYBODY else other
    named = [] if rule.segment is not None and rule.segment[1] == EVERY else [rule.segment or ALL]
    begin, last = min(ordinals), max(ordinals)
    while until is not None and last >= begin and closings.closed_at(last) > until:
        last -= 1
    closed = last >= begin
    return Course(
        streams={series: seen.get(series, []) for series in dict.fromkeys((*named, *seen)) if series != compared},
        last_closed=last if closed else None,
        closed_at=closings.closed_at(last) if closed else None,
        baselines={} if other is None or compared is None else {other: seen.get(compared, [])},
        closings={cohort: closings.when(cohort) for cohort in range(begin, last + 1)},
    )


def _observed(cells: Cells, first: int, closings: Closings) -> list[Observation]:
    found = []
    for place, group in enumerate(cells.groups):
        count = None if cells.counted is None else cells.counted[place]
        value = None if cells.values is None else cells.values[place]
        if value is None and count is not None and group:
            value = count / group
        if group and value is not None:
            start, since, closed_at = closings.when(first + place)
            found.append(Observation(first + place, start, since, closed_at, group, count, value))
    return found
