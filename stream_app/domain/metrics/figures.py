"""Every figure by a census: `census` counts a population, `answer` makes the JSON of what was counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.census import (
    churn,
    concentration,
    crr,
    lifecycle,
    retention,
    stickiness,
    survival,
    value,
)
from stream_app.domain.metrics.census.asked import segments
from stream_app.domain.metrics.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Population, Slice

#: The version of every figure's JSON: docs/schemas has one schema a figure.
SCHEMA = 1


class Figure(Protocol):
    """What the module of a figure has."""

    def count(self, asked: Asked, part: Slice, places: NDArray[np.int64], tally: Tally) -> None:
        """Adds a slice of n users to the tally; `places` (n,) is each user's segment in the tally's `values`."""

    def head(self, asked: Asked) -> dict[str, Any]:
        """The parameters of the figure that its answer names, besides those that every answer has."""

    def answer(self, asked: Asked, tally: Tally, places: NDArray[np.int64]) -> Entry:
        """The entry of one segment, made up of the values at `places`, without its name."""


_FIGURES: Mapping[str, Figure] = {
    "retention": retention,
    "churn": churn,
    "lifecycle": lifecycle,
    "crr": crr,
    "stickiness": stickiness,
    "value": value,
    "survival": survival,
    "concentration": concentration,
}

#: The figures of those who did what counts as a return; the others are of those who started.
_OF_RETURNS = frozenset({"churn", "lifecycle", "crr", "stickiness", "concentration"})
OF_ORDERS = frozenset({"value", "concentration"})


def census(asked: Asked, population: Population) -> Tally:
    """Counts a population for a question; the tallies of several add up (`Tally.merged`)."""
    *_, tally = counting(asked, population)
    return tally


def counting(asked: Asked, population: Population) -> Iterator[Tally]:
    """The same in steps, one a slice: yields the tally before the first and after each one; the last is of all."""
    query, kept = asked.query, population.segments
    of_combo = np.zeros(max(len(kept.combos), 1), np.int64)
    values = [""]
    if query.dimension is not None:
        column = kept.dimensions.index(query.dimension)
        values = sorted({combo[column] for combo in kept.combos})
        numbers = {value: number for number, value in enumerate(values)}
        of_combo = np.array([numbers[combo[column]] for combo in kept.combos], np.int64)
    tally = Tally(values, first_day=population.first_day, last_day=population.last_day, hours=population.hours,
                  whole=population.whole)  # fmt: skip
    yield tally
    for part in population.slices():
        places = of_combo[part.combos]
        tally.users += places.size
        tally.add("users", [places[_meant(asked, part)]])
        _FIGURES[query.figure].count(asked, part, places, tally)
        yield tally


def _meant(asked: Asked, part: Slice) -> NDArray[np.bool_]:
    """Which users of a slice a figure is of, (n,): they say how large a segment is, and whether there is one."""
    query = asked.query
    definition = query.definition
    meant = part.first(definition.return_filter if query.figure in _OF_RETURNS else definition.start_filter) < asked.end
    if query.figure in OF_ORDERS:  # somebody may have nothing but a refund
        orders = part.orders()
        meant[orders.users[orders.times < asked.end]] = True
    return meant


def answer(asked: Asked, tally: Tally) -> dict[str, Any]:
    """The answer to a question, ready for JSON."""
    figure = _FIGURES[asked.query.figure]
    return framed(
        asked,
        [{"segment": segment, **figure.answer(asked, tally, places)} for segment, places in segments(asked, tally)],
    )


def framed(asked: Asked, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """An answer of these entries, one a segment: what every answer says of itself comes first."""
    query = asked.query
    return {
        "schema": f"stream-app/{query.figure}/{SCHEMA}",
        "definition": query.definition.name,
        "grain": query.grain.value,
        **_FIGURES[query.figure].head(asked),
        "timezone": asked.calendar.timezone,
        "as_of": None if asked.as_of is None else rfc3339(asked.as_of),
        "late_share": asked.late_share,
        "segments": entries,
    }
