"""What the readers of files have in common: what is to be read, what they give, and records that cannot be counted."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stream_app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stream_app.domain.events import EventBatch
    from stream_app.domain.filters import Where

log = logging.getLogger(__name__)

FORMATS = ("jsonl", "csv", "parquet")
#: A file has no wall clock: none of its events is in the future.
NO_CLOCK = 1 << 62
#: Bad records that are told of one by one.
_TOLD = 5


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is to be read.

    Attributes:
        format: one of `FORMATS`; None: found by its content.
        columns: by field of an event, the column (of JSON: the path, with points) that holds it.
        constants: by field, a value that every record has.
    """

    format: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, str] = field(default_factory=dict)

    @property
    def as_sent(self) -> bool:
        """Whether records are in the form in which the service takes them."""
        return not self.columns and not self.constants


@dataclass(slots=True)
class Bad:
    """Records that could not be counted, and the first of them in words."""

    count: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def silent(self) -> bool:
        """Whether enough were told of: others need no words."""
        return len(self.told) >= _TOLD

    def add(self, place: str, reason: str, message: str) -> None:
        """Counts a record at a place such as `line 7`."""
        self.count += 1
        if not self.silent:
            self.told.append(f"{place}: {reason}: {message}")

    def tell(self, path: str, read: int) -> None:
        """Logs what was bad.

        Raises:
            ConfigurationError: all of the records that were read are.
        """
        if read and self.count == read:
            raise ConfigurationError(f"{path}: none of its {read} records is an event; the first: {self.told[0]}")
        for told in self.told:
            log.warning("%s, %s", path, told)
        if self.count:
            log.warning("%s: %d of %d records could not be counted (above: the first).", path, self.count, read)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What readers are to make of records.

    Attributes:
        dimensions: the segment dimensions to read.
        conditions: what the bits of `EventBatch.matches` stand for.
        currency: the reporting currency.
        minor_units: its decimals.
        actor: the field whose value is counted as the user.
        orders: whether order ids are needed.
    """

    dimensions: Sequence[str]
    conditions: Sequence[Where]
    currency: str
    minor_units: int
    actor: str = "user_id"
    orders: bool = True


class Reader(Protocol):
    """Gives the events of a file in its order."""

    def batches(self) -> Iterator[tuple[int, EventBatch]]:
        """How many records were read, and the good ones of them as a batch.

        Raises:
            ConfigurationError: the file cannot be read.
        """
