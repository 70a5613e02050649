"""The tables of the service: alert states and outbox. One worker at a time owns them, and every write is a transaction.

assigned --> fenced off --> read in the background --> a tenure --fenced, or given away--> over

Faust's tables are written by an ordinary producer, so a worker that was frozen and comes back would overwrite what its
successor has stored. Here the broker refuses it, as it does for source partitions (`engine.ledger`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from stream_app.engine.ledger import Fenced

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

log = logging.getLogger(__name__)

#: Seconds after which an owner that was fenced, and to which the group still assigns the tables, takes them over again.
RETAKE_SECONDS = 10.0


@dataclass(frozen=True)
class Record:
    """A record to write to partition 0 of a topic."""

    topic: str
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Row:
    """What a table holds under a key, ready for JSON; None forgets the key."""

    table: str
    key: str
    value: Any


class TableLedger(Protocol):
    """Writes for one owner of the tables."""

    async def start(self) -> None:
        """Takes the tables over: from now on every write of an earlier owner is refused, and its open one undone."""

    async def write(self, records: Sequence[Record]) -> None:
        """Writes all records or none. Raises Fenced where another worker took over."""

    async def stop(self) -> None:
        """Ends the connection; an open transaction is undone."""


class Tenure:
    """What one owner knows and may write, from its taking over until another one's.

    Attributes:
        tables: table -> key -> value, as written last.
        over: nothing is written any more: fenced, given away, or a write failed.
    """

    def __init__(
        self,
        ledger: TableLedger,
        topics: Mapping[str, str],
        tables: dict[str, dict[str, Any]],
        fenced: Callable[[Tenure], None] = lambda _: None,
    ) -> None:
        self.tables = tables
        self.over = False
        self._ledger, self._topics, self._fenced = ledger, topics, fenced
        self._lock = asyncio.Lock()
        self._waiting: list[tuple[Sequence[Row], Sequence[Record], asyncio.Future[None]]] = []

    async def write(self, rows: Sequence[Row], records: Sequence[Record] = ()) -> None:
        """Writes rows, and records of other topics before them, in one transaction; the tables then hold the rows.

        What is to be written while another write is under way goes out together, when that has ended.

        Raises:
            Fenced: this tenure is over.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((rows, records, written))
        async with self._lock:
            if not written.done():
                await self._write_waiting()
        await written

    async def _write_waiting(self) -> None:
        batch, self._waiting = self._waiting, []
        rows = [row for some, _, _ in batch for row in some]
        records = [record for _, some, _ in batch for record in some]
        error: Exception | None = Fenced("alert states and outbox") if self.over else None
        try:
            if error is None:
                lines = [Record(self._topics[row.table], orjson.dumps(row.key), _value(row)) for row in rows]
                await self._ledger.write([*records, *lines])
                self._hold(rows)
        except Fenced as fenced:
            error = fenced
            self.over = True
            self._fenced(self)
        except Exception as failed:  # noqa: BLE001 - each of the writers raises it
            error = failed
            self.over = True  # whether it was written is not known: whoever comes next reads it
        except BaseException:
            self.over = True
            error = Fenced("alert states and outbox")
            raise
        finally:
            for _, _, written in batch:
                if written.done():
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)
                    written.exception()  # a writer that was cancelled does not ask for it

    def _hold(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if row.value is None:
                self.tables[row.table].pop(row.key, None)
            else:
                self.tables[row.table][row.key] = row.value

    async def end(self) -> None:
        """Ends the tenure, after the write that is under way."""
        self.over = True
        async with self._lock:
            await self._ledger.stop()


class Tables:
    """Takes the tables over when the group assigns them to this worker, and gives them away.

    Args:
        topics: table -> its compacted topic.
        ledger: makes a ledger.
        read: reads a topic from its beginning to its end, as keys and values.
        fail: ends the worker with this error.
    """

    def __init__(
        self,
        topics: Mapping[str, str],
        *,
        ledger: Callable[[], TableLedger],
        read: Callable[[str], AsyncGenerator[tuple[bytes, bytes | None]]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._topics, self._make_ledger, self._read, self._fail = topics, ledger, read, fail
        self._generation = -1
        self._stopped = False
        self._tenure: Tenure | None = None
        self._taking: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()

    @property
    def tenure(self) -> Tenure | None:
        """The tenure of this worker, None while it has none."""
        return None if self._tenure is None or self._tenure.over else self._tenure

    async def taken(self) -> Tenure:
        """The tenure of this worker, once it has one."""
        while True:
            if self.tenure is not None:
                return self.tenure
            self._ready.clear()
            await self._ready.wait()

    def on_assigned(self, mine: bool, generation: int) -> None:
        """Takes the tables over, or gives them away; returns at once, reading goes on in the background."""
        mine = mine and not self._stopped
        # In two generations that follow each other nobody else can have had them.
        kept = mine and self.tenure is not None and generation == self._generation + 1
        self._generation = generation
        if kept:
            return
        former, self._tenure = self._tenure, None
        taking, self._taking = self._taking, None
        ending = asyncio.create_task(self._end(former, taking))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        if mine:
            self._taking = asyncio.create_task(self._take(ending))

    def _retake(self, tenure: Tenure) -> None:
        """Fenced, perhaps by a worker that goes by an assignment out of date: that one will hear of it.

        Unless the group gives the tables to somebody else, before this or meanwhile, they are still ours.
        """
        if tenure is self._tenure:
            self._tenure = None
            waiting = asyncio.create_task(self._left(tenure))
            self._taking = asyncio.create_task(self._take(waiting))

    async def _left(self, tenure: Tenure) -> None:
        """Ends a tenure that was fenced, and waits for so long that who has fenced it hears of the assignment."""
        ending = asyncio.create_task(self._end(tenure, None))
        self._ending.add(ending)
        ending.add_done_callback(self._ended)
        await asyncio.sleep(RETAKE_SECONDS)  # and no longer, should the connection not end

    def _ended(self, ending: asyncio.Task[None]) -> None:
        self._ending.discard(ending)
        if not ending.cancelled() and ending.exception() is not None:
            log.warning("Ending a connection that was fenced failed, it is dropped: %r", ending.exception())

    async def _take(self, before: asyncio.Task[None]) -> None:
        try:
            await before  # without transactions nothing fences our own earlier writes off
            self._tenure = await self._begin()
            self._ready.set()
        except Fenced as fenced:
            say_fenced(fenced)
        except Exception as error:  # noqa: BLE001 - alerts that stand still must not go unnoticed
            self._fail(error)

    async def _begin(self) -> Tenure:
        ledger = self._make_ledger()
        try:
            await ledger.start()
            tables = {table: await self._load(topic) for table, topic in self._topics.items()}
        except BaseException:
            await ledger.stop()
            raise
        return Tenure(ledger, self._topics, tables, self._retake)

    async def _load(self, topic: str) -> dict[str, Any]:
        table: dict[str, Any] = {}
        async with contextlib.aclosing(self._read(topic)) as records:
            async for key, value in records:
                if value is None:
                    table.pop(orjson.loads(key), None)
                else:
                    table[orjson.loads(key)] = orjson.loads(value)
        return table

    async def _end(self, tenure: Tenure | None, taking: asyncio.Task[None] | None) -> None:
        if taking is not None and not taking.done():
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
        if tenure is not None:
            await tenure.end()

    async def stop(self) -> None:
        """Ends the tenure. There is none after it."""
        self._stopped = True
        self.on_assigned(False, self._generation)
        await asyncio.gather(*self._ending, return_exceptions=True)


def _value(row: Row) -> bytes | None:
    return None if row.value is None else orjson.dumps(row.value)


def say_fenced(fenced: Fenced) -> None:
    """Logs that another worker took over what this one was at."""
    log.warning("%s: another worker took over; what was not written here is left to it.", fenced)
