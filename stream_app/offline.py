"""`stream-app analyze`: the figures of a file of events, by the code that the live service runs."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from stream_app.codecs.events import EventDecoder
from stream_app.codecs.jsonlines import Block, read_blocks
from stream_app.domain.counters import Counters, Segments
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, DeadLetter
from stream_app.domain.merging import Merged
from stream_app.domain.metrics import Snapshot, retention
from stream_app.domain.users import UserTable
from stream_app.domain.watermarks import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.periods import Calendar

log = logging.getLogger(__name__)

#: A file has no wall clock: none of its events is in the future.
_NO_CLOCK = 1 << 62
_UNLIMITED = 1 << 30
#: Bad records that are told of one by one.
_TOLD = 5
DEFINITIONS = (ENGAGEMENT, REPURCHASE)


@dataclass
class _Bad:
    """Records that could not be counted, and the first of them in words."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    def add(self, block: Block, letters: Sequence[DeadLetter]) -> None:
        for letter in letters[: max(_TOLD - len(self.told), 0)]:
            self.told.append(f"line {block.line(letter.position)}: {letter.reason.value}: {letter.message}")
        self.count += len(letters)


def read_events(
    path: str, *, calendar: Calendar, dimensions: Sequence[str] = (), until: int | None = None, currency: str = "USD",
    minor_units: int = 2,
) -> Snapshot:  # fmt: skip
    """Counts a file of events, one JSON object a line; `-` is stdin, gzip is recognised.

    Args:
        path: the file.
        calendar: the business time zone and week start.
        dimensions: the segment dimensions to keep.
        until: ends the data before this instant (ms) and is the watermark; None: the last event is.
        currency: the reporting currency; purchases in another are reported as bad records.
        minor_units: its decimals.

    Raises:
        ConfigurationError: the file cannot be read, or none of its records can.
    """
    decoder = EventDecoder(dimensions=dimensions, currency=currency, future_tolerance_ms=0, minor_units=minor_units)
    segments = Segments(dimensions, _UNLIMITED)
    table, counters = UserTable(DEFINITIONS, calendar, segments), Counters(segments)
    counted = read = 0
    last: int | None = None
    bad = _Bad()
    with _open(path) as file:
        for block in read_blocks(file, name=path):
            batch, letters = decoder.decode(None, block.values, _NO_CLOCK)
            bad.add(block, letters)
            read += len(block.values)
            if until is not None:
                batch = batch.where(batch.times < until)
            if len(batch):
                newest = int(batch.times.max())
                last = newest if last is None else max(last, newest)
                counters.apply(table.advance(batch))
                table.take_dirty()
                counted += len(batch)
    if read and bad.count == read:
        raise ConfigurationError(f"{path}: none of its {read} records is an event; the first: {bad.told[0]}")
    for told in bad.told:
        log.warning("%s, %s", path, told)
    if bad.count:
        log.warning("%s: %d of %d records could not be counted (above: the first).", path, bad.count, read)
    totals = {"read": read, "counted": counted, "dead_lettered": bad.count, "users": len(table)}
    return _snapshot(calendar, dimensions, counters, last, until, totals)


def _snapshot(
    calendar: Calendar, dimensions: Sequence[str], counters: Counters, last: int | None, until: int | None,
    totals: dict[str, int],
) -> Snapshot:  # fmt: skip
    merged = Merged(calendar, DEFINITIONS, dimensions, partitions=1, lateness=0)
    for key, block in counters.blocks():
        if block.any():
            merged.block(key, 0, 1, block)
    reached = until if until is not None and last is not None else last
    merged.status(0, 1, [Progress(reached, idle=False)], totals)
    snapshot, _ = merged.snapshot(_NO_CLOCK)
    return Snapshot(
        calendar, snapshot.definitions, snapshot.dimensions, snapshot.watermark, last, snapshot.blocks, totals
    )


def analyze(
    path: str, *, definition: str, grain: str, kind: str, segment: str | None, calendar: Calendar,
    until_ms: int | None = None, currency: str = "USD", minor_units: int = 2, top: int = 20,
) -> dict[str, Any]:  # fmt: skip
    """The retention matrix of a file; the parameters and the answer are those of `domain.metrics.retention`.

    Raises:
        ConfigurationError: the file cannot be read, or none of its records can.
        QueryError: a name is unknown.
    """
    dimensions = () if segment is None else (segment,)
    empty = Snapshot(calendar, DEFINITIONS, dimensions, None, None, {})
    # A wrong parameter shows before a long file is read.
    retention(empty, definition=definition, grain=grain, kind=kind, dimension=segment, top=top)
    snapshot = read_events(
        path, calendar=calendar, dimensions=dimensions, until=until_ms, currency=currency, minor_units=minor_units
    )
    return retention(snapshot, definition=definition, grain=grain, kind=kind, dimension=segment, top=top)


def _open(path: str) -> IO[bytes]:
    if path == "-":
        return sys.stdin.buffer
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the file cannot be read ({error.strerror}); give the path of a file of events, or - for stdin"
        ) from error
