"""From the figures to what rules judge: the question of a rule, and its course from counters or from an answer."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.closings import Closings
from stream_app.domain.alerts.observation import Course, Observation
from stream_app.domain.alerts.readings import Reading, readings
from stream_app.domain.alerts.rule import EVERY, EVERYBODY
from stream_app.domain.counters import ALL, measure
from stream_app.domain.metrics.churn import rows
from stream_app.domain.metrics.query import MOST_TOP, parse
from stream_app.domain.metrics.retention import closed_cells
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.counters import Series
    from stream_app.domain.events import Definition
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.snapshot import Snapshot
    from stream_app.domain.periods import Calendar


def query_of(rule: Rule, *, definitions: Sequence[Definition], dimensions: Sequence[str], calendar: Calendar) -> Query:
    """The question whose answer `from_answer` takes; equal for rules that can share one.

    Raises:
        ParameterError: the definition or the dimension is not there any more.
    """
    given = {"figure": rule.figure, "definition": rule.definition, "grain": rule.grain.value, **dict(rule.parameters)}
    if rule.segment is not None:
        given |= {"segment": rule.segment[0], "top": str(MOST_TOP)}
    return parse(given, definitions=definitions, dimensions=dimensions, calendar=calendar)


def counted_by(rule: Rule, snapshot: Snapshot) -> bool:
    """Whether the counters of a snapshot give the rule's course, see `from_snapshot`; else it takes a census.

    Raises:
        QueryError: the definition or the dimension is not there any more.
    """
    return query_of(
        rule, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar
    ).counted


def frontier(rules: Sequence[Rule], snapshot: Snapshot) -> tuple[int | None, ...]:
    """The latest closed period of each rule's grain. While it stands still no rule has a new cell to judge."""
    found = []
    for rule in rules:
        closings = Closings.of(rule, snapshot.calendar)
        latest = closings.latest(snapshot.watermark)
        found.append(None if latest is None else latest + closings.last)
    return tuple(found)


def from_snapshot(rule: Rule, snapshot: Snapshot) -> Course:
    """The course of a rule that counters hold the answer to: classic retention, or churn by day.

    Of churn the counters know the days whose inactivity window lies within the latest 128 days.

    Raises:
        QueryError: the definition or the dimension is not there any more.
    """
    name = rule.definition
    window = snapshot.definition(name).inactivity_days if rule.figure == "churn" else 0
    closings = Closings.of(rule, snapshot.calendar, window)

    def read(series: Series) -> Iterable[Reading]:
        if rule.figure == "churn":
            entry = {"days": rows(snapshot, name, window, None, [series])}
            return readings(rule, entry, snapshot.calendar)
        cells = closed_cells(snapshot, definition=name, grain=rule.grain, index=rule.index, series=series)
        return (Reading(cohort, users, came, came / users) for cohort, users, came in cells)

    values: list[str] = []
    if rule.segment is not None:
        size = measure(Grain.DAY if rule.figure == "churn" else rule.grain, "size")
        values = snapshot.values(name, size, rule.segment[0])
    first = next((reading.cohort for reading in read(ALL)), None)
    return _course(rule, closings, snapshot.watermark, values, read, first)


def from_answer(rule: Rule, answer: Mapping[str, Any], calendar: Calendar, as_of: int | None) -> Course:
    """The course of a rule, from the answer to its question.

    Args:
        rule: the rule.
        answer: to the question of `query_of`, as `metrics.figures.answer` or `metrics.counted.answer` makes it.
        calendar: what counting is done by.
        as_of: the watermark (ms) of the answer; None before any event.
    """
    closings = Closings.of(rule, calendar, answer.get("inactivity_days", 0))
    entries: dict[Series, Mapping[str, Any]] = {
        next(iter(entry["segment"].items()), ALL): entry for entry in answer["segments"]
    }

    def read(series: Series) -> Iterable[Reading]:
        if series == ALL and ALL not in entries:
            return _together(readings(rule, entry, calendar) for entry in entries.values())
        return readings(rule, entries[series], calendar) if series in entries else ()

    firsts = [reading.cohort for series in entries for reading in islice(read(series), 1)]
    return _course(rule, closings, as_of, [series[1] for series in entries if series], read, min(firsts, default=None))


def _together(parts: Iterable[Iterable[Reading]]) -> list[Reading]:
    """The shares of all users, of those of every value of a dimension: each user has one value, for good."""
    sums: dict[int, tuple[int, int]] = {}
    for reading in chain.from_iterable(parts):
        group, count = sums.get(reading.cohort, (0, 0))
        sums[reading.cohort] = group + reading.group, count + (reading.part or 0)
    return [Reading(cohort, group, count, count / group) for cohort, (group, count) in sorted(sums.items())]


def _course(
    rule: Rule,
    closings: Closings,
    watermark: int | None,
    values: Iterable[str],
    read: Callable[[Series], Iterable[Reading]],
    first: int | None,
) -> Course:
    latest = closings.latest(watermark)

    def observed(series: Series) -> list[Observation]:
        found = []
        for cohort, group, count, value in read(series):
            if latest is not None and cohort <= latest:
                start, since, closed_at = closings.when(cohort)
                if since < closed_at:  # a zone that changed its date has a day that never was: nobody came on it
                    found.append(Observation(cohort, start, since, closed_at, group, count, value))
        return found

    other = None if rule.baseline is None else rule.baseline.segment
    return Course(
        streams={series: observed(series) for series in _watched(rule, values) if series != other},
        last_closed=latest,
        closed_at=None if latest is None else closings.closed_at(latest),
        baselines={} if other is None else {other: observed(ALL if other == EVERYBODY else other)},
        closings={}
        if latest is None or first is None
        else {cohort: closings.when(cohort) for cohort in range(first, latest + 1)},
    )


def _watched(rule: Rule, values: Iterable[str]) -> list[Series]:
    """The series a rule judges: all users, one value whether or not it has users, or every value that has."""
    if rule.segment is None:
        return [ALL]
    dimension, value = rule.segment
    return [(dimension, one) for one in values] if value == EVERY else [(dimension, value)]
