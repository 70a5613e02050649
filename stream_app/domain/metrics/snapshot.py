"""A snapshot: the merged counters of all source partitions at one watermark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from stream_app.domain.counters import ALL, OTHER, Series
from stream_app.domain.errors import QueryError
from stream_app.domain.events import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar, Grain

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Corrections:
    """What late events changed in figures that had been shown as final.

    Attributes:
        cells: how many cells (of all users, every definition and grain) of periods that had closed were changed, by
            definition.
        since: the instant (ms) of the wall clock from which on they are counted: when this sum began.
        latest: the instant of the latest change, None where there was none.
    """

    cells: Mapping[str, int] = field(default_factory=dict)
    since: int | None = None
    latest: int | None = None


#: (definition, measure, series) -> period -> block; see `domain.counters` for what a block holds.
Blocks = Mapping[tuple[str, str, Series], Mapping[int, "NDArray[np.int64]"]]


@dataclass(frozen=True)
class Snapshot:
    """What is known at one watermark.

    Attributes:
        calendar: the business time zone and week start.
        definitions: the retention definitions that are kept.
        dimensions: the segment dimensions that are kept.
        watermark: the service's watermark (ms), None before any event.
        last_event: the largest event time (ms), None before any event.
        blocks: the merged counter blocks.
        totals: records `read`, `counted`, `dead_lettered`, `dropped`, events `late`, and `users`.
        epochs: by source partition, the epoch of the worker whose counters are in the sum; empty where not known.
        corrections: of periods that had closed.
    """

    calendar: Calendar
    definitions: tuple[Definition, ...]
    dimensions: tuple[str, ...]
    watermark: int | None
    last_event: int | None
    blocks: Blocks
    totals: Mapping[str, int] = field(default_factory=dict)
    epochs: Mapping[int, int] = field(default_factory=dict)
    corrections: Corrections = field(default_factory=Corrections)

    def definition(self, name: str) -> Definition:
        """The definition of that name. Raises QueryError where there is none."""
        return choose("definition", name, {d.name: d for d in self.definitions})

    def block(self, definition: str, measure: str, series: Series) -> Mapping[int, NDArray[np.int64]]:
        """Period -> block of one series; empty where nothing was counted."""
        return self.blocks.get((definition, measure, series), {})

    def values(
        self, definition: str, size_measure: str, dimension: str, totals: SeriesTotals | None = None
    ) -> list[str]:
        """The values of a dimension, those with most users first (equal counts: in order of their names)."""
        choose("segment", dimension, dict.fromkeys(self.dimensions, dimension))
        of = (totals or SeriesTotals()).of
        users = {
            series[1]: of(series, pages)
            for (name, measure, series), pages in self.blocks.items()
            if series and series[0] == dimension and measure == size_measure and name == definition
        }
        return sorted((v for v, count in users.items() if count), key=lambda v: (-users[v], v))

    def segments(
        self, definition: str, size_measure: str, dimension: str | None, top: int, totals: SeriesTotals | None = None
    ) -> list[tuple[dict[str, str], Sequence[Series]]]:
        """What to show: for each segment its name and the series that make it up.

        Without a dimension that is all users; with one, its `top` largest values, and the rest as `(other)`. `totals`
        is what earlier calls for the same definition and measure have added up.
        """
        if dimension is None:
            return [({}, [ALL])]
        if top < 1:
            raise QueryError(f"top: {top} is not a number of segments; use 1 or more")
        values = self.values(definition, size_measure, dimension, totals)
        shown = [v for v in values if v != OTHER][:top]
        chosen = set(shown)
        rest = [v for v in values if v not in chosen]
        segments: list[tuple[dict[str, str], Sequence[Series]]] = [({dimension: v}, [(dimension, v)]) for v in shown]
        if rest:
            segments.append(({dimension: OTHER}, [(dimension, v) for v in rest]))
        return segments

    def last_closed(self, grain: Grain) -> int | None:
        """The latest closed period, None before any event."""
        return None if self.watermark is None else self.calendar.last_closed(grain, self.watermark)

    def last_period(self, grain: Grain) -> int | None:
        """The latest period of which anything is known: of the last event, or of the instant before the watermark."""
        known = [t for t in (self.last_event, None if self.watermark is None else self.watermark - 1) if t is not None]
        return self.calendar.period(grain, self.calendar.day(max(known))) if known else None

    @property
    def late_share(self) -> float | None:
        """Late events among those counted, 0 to 1; None before any event."""
        counted = self.totals.get("counted", 0)
        return self.totals.get("late", 0) / counted if counted else None

    @property
    def as_of(self) -> str | None:
        """The watermark as an RFC 3339 instant."""
        return None if self.watermark is None else rfc3339(self.watermark)


class SeriesTotals:
    """The users of each series, added up from its pages; kept for as long as the pages are the same object."""

    def __init__(self) -> None:
        self._known: dict[Series, tuple[Mapping[int, NDArray[np.int64]], int]] = {}

    def of(self, series: Series, pages: Mapping[int, NDArray[np.int64]]) -> int:
        """The sum of the first cells of all pages."""
        known = self._known.get(series)
        if known is None or known[0] is not pages:
            self._known[series] = known = (pages, sum([block.item(0) for block in pages.values()]))
        return known[1]


def summed(pages: Iterable[Mapping[int, NDArray[np.int64]]]) -> dict[int, NDArray[np.int64]]:
    """Adds blocks of equal periods; shorter ones count as zero where they end."""
    total: dict[int, NDArray[np.int64]] = {}
    for page in pages:
        for period, block in page.items():
            have = total.get(period)
            if have is None:
                total[period] = block
            elif len(have) >= len(block):
                have = have.copy()
                have[: len(block)] += block
                total[period] = have
            else:
                grown = block.copy()
                grown[: len(have)] += have
                total[period] = grown
    return total


def choose(parameter: str, value: str, allowed: Mapping[str, T]) -> T:
    """The entry of that name. Raises QueryError that names the parameter, the value and what is allowed."""
    if value in allowed:
        return allowed[value]
    near = get_close_matches(value, allowed, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise QueryError(f"{parameter}: {value!r} is not known; {hint}allowed: {', '.join(allowed) or '(none configured)'}")
