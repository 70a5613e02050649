"""`stream-app analyze`: the figures of a file of events, by the code that the live service runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from stream_app.domain.filters import conditions_of
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.query import parse
from stream_app.offline.gather import Gathering
from stream_app.offline.needs import Needs
from stream_app.offline.opening import opened
from stream_app.offline.records import Bad, Reading, Wanted
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.domain.metrics.query import Query
    from stream_app.offline.progress import Show

log = logging.getLogger(__name__)

#: The end of 1971 (ms): what seconds of today look like when they are taken as milliseconds lies before.
_EARLY = 63_072_000_000


def analyze(
    path: str,
    given: Mapping[str, str],
    *,
    settings: Settings | None = None,
    reading: Reading | None = None,
    show: Callable[[], Show] | None = None,
) -> dict[str, Any]:
    """A figure of the events of a file: the answer that the live service gives of the same events.

    Args:
        path: the file; `-` is stdin. Compressed by gzip or not.
        given: the parameters of the figure by their names in the API, see `domain.metrics.query`.
        settings: time zone, week start, currency, definitions and the like; the defaults if absent.
        reading: how the file is to be read.
        show: makes the progress bar; None: there is none.

    Raises:
        ConfigurationError: the file cannot be read, or none of its records can.
        ParameterError: of the first parameter that is wrong. It shows before the file is read.
    """
    settings = settings or Settings()
    query = parse(
        given, definitions=settings.definitions, dimensions=tuple(filter(None, [given.get("segment")])),
        calendar=settings.calendar, top=settings.top_values,
    )  # fmt: skip
    needs = Needs.of(query)
    conditions = conditions_of((*needs.first, *needs.active))
    wanted = Wanted(
        dimension=query.dimension, conditions=conditions,
        currency=settings.currency, minor_units=settings.minor_units, actor=settings.actor,
        orders=needs.orders,
    )  # fmt: skip
    gathering = Gathering(needs, settings.calendar, conditions=conditions)
    bad, read = Bad(), 0
    with opened(path, reading or Reading(), wanted, bad, settings.calendar, show) as reader:
        for records, batch in reader.batches():
            read += records
            kept = batch
            if query.until is not None and len(batch) and int(batch.times.max()) >= query.until:
                kept = batch.where(batch.times < query.until)
                # An order is what its latest form says, whenever it is asked for, as in the live service.
                gathering.add_orders(batch.where(batch.times >= query.until))
            gathering.add(kept)
    bad.tell(path, read)
    if gathering.latest is not None and gathering.latest < _EARLY:
        log.warning("%s: all of its times lie before 1972. Numbers are milliseconds: are these seconds?", path)
    asked = _asked(query, settings, gathering, some=read > bad.count)
    return answer(asked, census(asked, gathering.population()))


def _asked(query: Query, settings: Settings, gathering: Gathering, *, some: bool) -> Asked:
    last = gathering.latest
    return Asked(
        query=query,
        calendar=settings.calendar,
        watermark=last if query.until is None else query.until if some else None,  # without events it stands still
        last_event=last,
        late_share=None if last is None else 0.0,  # all of a file is read before anything of it closes
        currency=settings.currency,
        minor_units=settings.minor_units,
    )
