"""Events of a file of JSON lines."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from stream_app.codecs.events import EventDecoder
from stream_app.codecs.jsonlines import read_blocks
from stream_app.offline.mapped import Mapped
from stream_app.offline.records import NO_CLOCK
from stream_app.offline.unnamed import Unnamed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_app.domain.events import EventBatch
    from stream_app.offline.records import Bad, Reading, Wanted


class JsonLines:
    """Reads events, one JSON object a line.

    Args:
        file: open for reading bytes, unpacked.
        name: how messages call it.
        reading: paths and constants; without any, objects have to be as they are sent to the service.
        wanted: what to make of records.
        bad: takes those that cannot be counted.
    """

    def __init__(self, file: IO[bytes], name: str, reading: Reading, wanted: Wanted, bad: Bad) -> None:
        self._file, self._name, self._bad = file, name, bad
        self._decoder = decoder(wanted)
        self._mapped = None if reading.as_sent else Mapped(reading, wanted)
        self._unnamed = Unnamed(name, reading, wanted)

    def batches(self) -> Iterator[tuple[int, EventBatch]]:
        """How many records were read, and the good ones of them as a batch.

        Raises:
            ConfigurationError: the file cannot be read, or no record has a dimension that is wanted.
        """
        for block in read_blocks(self._file, name=self._name):
            values = block.values if self._mapped is None else self._mapped.records(block.values, block.lines)
            batch, letters = self._decoder.decode(None, values, NO_CLOCK)
            for letter in letters:
                self._bad.add(f"line {block.line(letter.position)}", letter.reason.value, letter.message)
            self._unnamed.look(block.values, batch)
            yield len(block.values), batch
        self._unnamed.tell()
        if self._mapped is not None:
            self._mapped.tell(self._name)


def decoder(wanted: Wanted) -> EventDecoder:
    """The service's decoder for what is wanted."""
    return EventDecoder(
        dimensions=wanted.dimensions,
        currency=wanted.currency,
        future_tolerance_ms=0,
        minor_units=wanted.minor_units,
        actor=wanted.actor,
        conditions=wanted.conditions,
    )
