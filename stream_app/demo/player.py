"""Plays records into Kafka, in their order, as fast as the broker acknowledges them."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from stream_app.domain.errors import ConnectionFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: topic, key (the user id), value.
Record = tuple[str, bytes, bytes]

#: Records handed to the producer and not yet acknowledged, at most.
IN_FLIGHT = 5_000
LINGER_MS, BATCH_BYTES = 20, 256 * 1024
GIVE_UP_MS = 30_000
STOP_SECONDS = 5.0
_REDRAW = 500


@dataclass(frozen=True)
class Played:
    """What the broker acknowledged."""

    records: int
    seconds: float
    by_topic: dict[str, int]
    #: (topic, partition) -> the offset after the last record played into it.
    ends: dict[tuple[str, int], int]


@dataclass
class _Flight:
    """The records between the producer and its acknowledgements."""

    by_topic: Counter[str] = field(default_factory=Counter)
    ends: dict[tuple[str, int], int] = field(default_factory=dict)
    pending: int = 0
    error: BaseException | None = None
    _wanted: int = 0
    _reached: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, future: asyncio.Future[Any]) -> None:
        self.pending += 1
        future.add_done_callback(self._landed)

    async def until(self, pending: int) -> None:
        """Wait until at most so many records are on the way, or one of them failed."""
        self._wanted = pending
        while self.pending > pending and self.error is None:
            self._reached.clear()
            await self._reached.wait()

    def _landed(self, future: asyncio.Future[Any]) -> None:
        self.pending -= 1
        if not future.cancelled():
            self.error = self.error or future.exception()
            if future.exception() is None:
                self._count(future.result())
        if self.pending <= self._wanted or self.error is not None:
            self._reached.set()

    def _count(self, place: Any) -> None:
        self.by_topic[place.topic] += 1
        where = (place.topic, place.partition)
        self.ends[where] = max(self.ends.get(where, 0), place.offset + 1)


async def play(
    records: Iterable[Record],
    *,
    address: str,
    idempotent: bool,
    total: int | None = None,
    title: str = "",
    show: bool = False,
    in_flight: int = IN_FLIGHT,
    give_up_ms: int = GIVE_UP_MS,
) -> Played:
    """Send the records in their order and wait until all are acknowledged.

    The partition follows from the key as in Kafka's own clients (murmur2). A send that fails is tried again by the
    producer, in order within the partition; a record that arrives twice by that changes no figure, as events have ids.

    Args:
        records: what to play; consumed lazily.
        address: HOST:PORT of the broker.
        idempotent: have the broker drop repeated sends; the embedded broker cannot.
        total: number of records, for the progress bar.
        title: what the progress bar says.
        show: draw a progress bar on stderr.
        in_flight: records on the way at most.
        give_up_ms: how long a record is tried again before the playing fails.

    Raises:
        ConnectionFailedError: the broker cannot be reached, or did not take a record in time.
    """
    begun = time.perf_counter()
    flight = _Flight()
    producer = AIOKafkaProducer(
        bootstrap_servers=address,
        acks="all",
        enable_idempotence=idempotent,
        linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
        request_timeout_ms=give_up_ms,
    )
    try:
        await producer.start()
        with _progress(show) as bar:
            task = bar.add_task(title, total=total)
            await _send(records, producer, flight, in_flight, lambda done: bar.update(task, completed=done))
    except KafkaError as error:
        raise ConnectionFailedError(
            f"broker {address}: playing stopped after {flight.by_topic.total()} acknowledged records "
            f"({type(error).__name__}: {error}); check that it runs, that its topics exist, and play again"
        ) from error
    finally:
        # A broker that is gone would hold a stop for as long as the records are tried again.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(producer.stop(), STOP_SECONDS)
    return Played(flight.by_topic.total(), time.perf_counter() - begun, dict(flight.by_topic), flight.ends)


async def _send(
    records: Iterable[Record], producer: Any, flight: _Flight, in_flight: int, tell: Callable[[int], None]
) -> None:
    """Send, and tell now and then how many records are acknowledged.

    Raises:
        KafkaError: the first error of any record.
    """
    for number, (topic, key, value) in enumerate(records):
        if flight.pending >= in_flight:
            # Half empty before more goes in: one wake-up for many records, and batches that fill.
            await flight.until(in_flight // 2)
        if flight.error is not None:
            break
        flight.add(await producer.send(topic, value, key=key))
        if number % _REDRAW == 0:
            tell(flight.by_topic.total())
    await flight.until(0)
    tell(flight.by_topic.total())
    if flight.error is not None:
        raise flight.error


def progress_wanted(*, json: bool) -> bool:
    """Whether a progress bar helps: on a terminal, and not where the output is for a program."""
    return not json and sys.stderr.isatty()


def _progress(show: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), disable=not show)
