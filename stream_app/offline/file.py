"""A file of events, read once for any number of questions."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.codecs.times import SECONDS
from stream_app.domain.filters import conditions_of
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer, census
from stream_app.offline.gather import Gathering
from stream_app.offline.needs import Needs
from stream_app.offline.opening import opened
from stream_app.offline.records import Bad, Reading, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream_app.domain.metrics.query import Query
    from stream_app.offline.population import FilePopulation
    from stream_app.offline.progress import Show
    from stream_app.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EventFile:
    """What was read of a file.

    Attributes:
        settings: what is counted by.
        population: its users.
        last_event: the largest event time (ms) before `until`; None without events.
        watermark: what is closed (ms): `until`, or the last event; None without records.
    """

    settings: Settings
    population: FilePopulation
    last_event: int | None
    watermark: int | None

    def answer(self, query: Query) -> dict[str, Any]:
        """The answer to one of the questions that the file was read for."""
        asked = Asked(
            query=query,
            calendar=self.settings.calendar,
            watermark=self.watermark,
            last_event=self.last_event,
            late_share=None if self.last_event is None else 0.0,  # all of a file is read before anything of it closes
            currency=self.settings.currency,
            minor_units=self.settings.minor_units,
        )
        return answer(asked, census(asked, self.population))


def read(
    path: str,
    queries: Iterable[Query],
    *,
    until: int | None = None,
    settings: Settings,
    reading: Reading | None = None,
    show: Callable[[], Show] | None = None,
) -> EventFile:
    """Reads a file, and keeps what the questions need.

    Args:
        path: the file; `-` is stdin. Compressed by gzip or not.
        queries: the questions; those with an `until` have that one.
        until: events from this instant (ms) on are left out, and it is the watermark; None: there is no end.
        settings: time zone, week start, currency and the like.
        reading: how the file is to be read.
        show: makes the progress bar; None: there is none.

    Raises:
        ConfigurationError: the file cannot be read, or none of its records can.
    """
    needs = Needs.union(map(Needs.of, queries))
    conditions = conditions_of((*needs.first, *needs.active))
    wanted = Wanted(
        dimensions=needs.dimensions, conditions=conditions,
        currency=settings.currency, minor_units=settings.minor_units, actor=settings.actor,
        orders=needs.orders,
    )  # fmt: skip
    gathering = Gathering(needs, settings.calendar, conditions=conditions)
    bad, records, early = Bad(), 0, 0
    with opened(path, reading or Reading(), wanted, bad, settings.calendar, show) as reader:
        for count, batch in reader.batches():
            records += count
            early += int(np.count_nonzero(batch.times < SECONDS))
            kept = batch
            if until is not None and len(batch) and int(batch.times.max()) >= until:
                kept = batch.where(batch.times < until)
                # An order is what its latest form says, whenever it is asked for, as in the live service.
                gathering.add_orders(batch.where(batch.times >= until))
            gathering.add(kept)
    bad.tell(path, records)
    last = gathering.latest
    if early:
        log.warning(
            "%s: %d of its times lie before 1972. Numbers are milliseconds: are these seconds? They are counted "
            "here; the service refuses such numbers.", path, early,
        )  # fmt: skip
    ends = until if records > bad.count else None  # without events it stands still
    return EventFile(settings, gathering.population(), last, last if until is None else ends)
