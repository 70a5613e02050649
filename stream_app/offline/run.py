"""`stream-app analyze`: the figures of a file of events, by the code that the live service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.metrics.query import parse
from stream_app.offline.file import read
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.offline.progress import Show
    from stream_app.offline.records import Reading


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
    return read(path, [query], until=query.until, settings=settings, reading=reading, show=show).answer(query)
