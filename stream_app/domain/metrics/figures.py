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
    from collections.abc import Mapping

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


def census(asked: Asked, population: Population) -> Tally:
    """Counts a population for a question; the tallies of several add up (`Tally.merged`)."""
    query, kept = asked.query, population.segments
    of_combo = np.zeros(len(kept.combos), np.int64)
    values = [""]
    if query.dimension is not None:
        column = kept.dimensions.index(query.dimension)
        values = sorted({combo[column] for combo in kept.combos})
        numbers = {value: number for number, value in enumerate(values)}
        of_combo = np.array([numbers[combo[column]] for combo in kept.combos], np.int64)
    tally = Tally(values, first_day=population.first_day, last_day=population.last_day, hours=population.hours,
                  whole=population.whole)  # fmt: skip
    for part in population.slices():
        places = of_combo[part.combos]
        tally.users += places.size
        tally.add("users", [places[part.first(query.definition.start_filter) < asked.end]])
        _FIGURES[query.figure].count(asked, part, places, tally)
    return tally


def answer(asked: Asked, tally: Tally) -> dict[str, Any]:
    """The answer to a question, ready for JSON."""
    query, figure = asked.query, _FIGURES[asked.query.figure]
    return {
        "schema": f"stream-app/{query.figure}/{SCHEMA}",
        "definition": query.definition.name,
        "grain": query.grain.value,
        **figure.head(asked),
        "timezone": asked.calendar.timezone,
        "as_of": None if asked.as_of is None else rfc3339(asked.as_of),
        "late_share": asked.late_share,
        "segments": [
            {"segment": segment, **figure.answer(asked, tally, places)} for segment, places in segments(asked, tally)
        ],
    }
