"""A broker in memory that honours Kafka's rules as far as the engine relies on them.

Transactions (one open per transactional id), control records that take an offset, producer epochs and fencing,
`read_committed` up to the last stable offset, compaction that keeps offsets. Every operation is atomic; what lies
between two operations is the scheduler's.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stream_app.engine.ledger import Fenced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TP = tuple[str, int]
OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


@dataclass(slots=True, eq=False)
class Transaction:
    state: str = OPEN
    logs: dict[TP, int] = field(default_factory=dict)  # topic-partition -> offset of its first record there


@dataclass(slots=True)
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    transaction: Transaction | None = None

    @property
    def committed(self) -> bool:
        return self.transaction is None or self.transaction.state is COMMITTED


class Log:
    """One topic-partition."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.offsets: list[int] = []
        self.end = 0
        self.open: dict[Transaction, int] = {}  # open transaction -> offset of its first record

    @property
    def stable(self) -> int:
        """The last stable offset: that of the first record of an open transaction, or the end."""
        return min(self.open.values(), default=self.end)

    def append(self, key: bytes | None, value: bytes | None, transaction: Transaction | None) -> None:
        if transaction is not None:
            self.open.setdefault(transaction, self.end)
        self.records.append(Record(self.end, key, value, transaction))
        self.offsets.append(self.end)
        self.end += 1

    def committed(self, start: int = 0) -> list[Record]:
        """What a `read_committed` consumer gets from an offset on."""
        first, stop = bisect_left(self.offsets, start), bisect_left(self.offsets, self.stable)
        return [record for record in self.records[first:stop] if record.committed]

    def compact(self) -> None:
        """Drops what a later committed record of the same key supersedes, below the last stable offset."""
        stop = bisect_left(self.offsets, self.stable)
        head = [record for record in self.records[:stop] if record.committed]
        latest = {record.key: record.offset for record in head}
        self.records = [r for r in head if latest[r.key] == r.offset] + self.records[stop:]
        self.offsets = [record.offset for record in self.records]


@dataclass
class Producer:
    """A transactional id: its epoch and its open transaction."""

    epoch: int = -1
    transaction: Transaction | None = None


class SimKafka:
    """Logs by topic-partition, and transactional ids.

    Args:
        unfenced: True breaks the broker for a transactional id: a write of an old epoch is taken.
        told: called when readers of a topic-partition may find something new.
        seen: told what happened, by name.
    """

    def __init__(
        self, unfenced: Callable[[str], bool], told: Callable[[TP], None], seen: Callable[[str], None]
    ) -> None:
        self._unfenced, self._told, self._seen = unfenced, told, seen
        self.logs: dict[TP, Log] = defaultdict(Log)
        self.producers: dict[str, Producer] = defaultdict(Producer)

    def append(self, tp: TP, key: bytes | None, value: bytes | None) -> None:
        self.logs[tp].append(key, value, None)
        self._told(tp)

    def init_producer(self, name: str) -> int:
        """A new epoch: fences the holder of the id and undoes its open transaction."""
        producer = self.producers[name]
        if producer.transaction is not None:
            self._seen("transactions undone")
            self._end(producer, producer.transaction, ABORTED)
        producer.epoch += 1
        return producer.epoch

    def begin(self, name: str, epoch: int) -> Transaction:
        producer = self._checked(name, epoch)
        producer.transaction = Transaction()
        return producer.transaction

    def send(
        self, name: str, epoch: int, transaction: Transaction, tp: TP, records: Iterable[tuple[bytes, bytes | None]]
    ) -> None:
        self._checked(name, epoch)
        log = self.logs[tp]
        for key, value in records:
            log.append(key, value, transaction)
            transaction.logs.setdefault(tp, log.end)

    def commit(self, name: str, epoch: int, transaction: Transaction) -> None:
        self._end(self._checked(name, epoch), transaction, COMMITTED)

    def _end(self, producer: Producer, transaction: Transaction, state: str) -> None:
        if producer.transaction is transaction:
            producer.transaction = None
        transaction.state = state
        for tp in transaction.logs:
            log = self.logs[tp]
            log.open.pop(transaction, None)
            log.end += 1  # the control record
            self._told(tp)

    def _checked(self, name: str, epoch: int) -> Producer:
        producer = self.producers[name]
        if epoch != producer.epoch and not self._unfenced(name):
            self._seen("writes refused")
            raise Fenced(name)
        return producer
