"""A broker in memory that honours Kafka's rules as far as the engine relies on them.

Transactions (one open per transactional id), producer epochs and fencing, `read_committed` up to the last stable
offset, compaction that keeps offsets. Every operation is atomic; what lies between two operations is the scheduler's.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from stream_app.engine.ledger import Fenced

TP = tuple[str, int]
OPEN, COMMITTED, ABORTED = "open", "committed", "aborted"


@dataclass
class Record:
    offset: int
    key: bytes | None
    value: bytes | None
    transaction: Transaction | None = None

    @property
    def state(self) -> str:
        return COMMITTED if self.transaction is None else self.transaction.state


@dataclass(eq=False)
class Transaction:
    state: str = OPEN


@dataclass
class Producer:
    """A transactional id: its epoch and its open transaction."""

    epoch: int = -1
    transaction: Transaction | None = None


@dataclass
class SimKafka:
    """Logs by topic-partition.

    Attributes:
        fencing: False breaks the broker: a write of an old epoch is taken.
    """

    fencing: bool = True
    logs: dict[TP, list[Record]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[TP, int] = field(default_factory=lambda: defaultdict(int))
    producers: dict[str, Producer] = field(default_factory=lambda: defaultdict(Producer))

    def append(self, tp: TP, key: bytes | None, value: bytes | None, transaction: Transaction | None = None) -> None:
        self.logs[tp].append(Record(self.ends[tp], key, value, transaction))
        self.ends[tp] += 1

    # -- transactions

    def init_producer(self, name: str) -> int:
        """A new epoch: fences the holder of the id and undoes its open transaction."""
        producer = self.producers[name]
        if producer.transaction is not None:
            self._end(producer, ABORTED)
        producer.epoch += 1
        return producer.epoch

    def begin(self, name: str, epoch: int) -> Transaction:
        producer = self._checked(name, epoch)
        producer.transaction = Transaction()
        return producer.transaction

    def send(
        self, name: str, epoch: int, transaction: Transaction, tp: TP, records: list[tuple[bytes | None, bytes]]
    ) -> None:
        self._checked(name, epoch)
        for key, value in records:
            self.append(tp, key, value, transaction)

    def commit(self, name: str, epoch: int, transaction: Transaction) -> None:
        producer = self._checked(name, epoch)
        transaction.state = COMMITTED
        if producer.transaction is transaction:
            self._end(producer, COMMITTED)

    def _end(self, producer: Producer, state: str) -> None:
        if producer.transaction is not None:
            producer.transaction.state = state
            producer.transaction = None
            # A control record takes an offset in Kafka; where it lies makes no difference here.

    def _checked(self, name: str, epoch: int) -> Producer:
        producer = self.producers[name]
        if self.fencing and epoch != producer.epoch:
            raise Fenced(name)
        return producer

    # -- reading

    def stable(self, tp: TP) -> int:
        """The last stable offset: that of the first record of an open transaction, or the end."""
        return next((r.offset for r in self.logs[tp] if r.state == OPEN), self.ends[tp])

    def committed(self, tp: TP, start: int = 0) -> list[Record]:
        """What a `read_committed` consumer gets from an offset on."""
        stable = self.stable(tp)
        return [r for r in self.logs[tp] if start <= r.offset < stable and r.state == COMMITTED]

    def compact(self, tp: TP) -> None:
        """Drops what a later committed record of the same key supersedes, below the last stable offset."""
        stable = self.stable(tp)
        latest = {r.key: r.offset for r in self.logs[tp] if r.offset < stable and r.state == COMMITTED}
        self.logs[tp] = [
            r for r in self.logs[tp] if r.offset >= stable or (r.state == COMMITTED and latest[r.key] == r.offset)
        ]
