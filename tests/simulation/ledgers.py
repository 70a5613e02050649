"""The engine's two transactional ledgers over the simulated broker, with a point between any two requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from simulation.desk import COMMANDS, GROUP
from stream_app.codecs.rows import MARKER_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.kafka import TP
    from simulation.worker import SimWorker
    from stream_app.engine.ledger import Commit
    from stream_app.engine.tables import Record

    Parts = Sequence[tuple[TP, Sequence[tuple[bytes, bytes | None]]]]


class _Producer:
    """A transactional producer: one that was fenced stays so."""

    risk = 1.0

    def __init__(self, worker: SimWorker, name: str) -> None:
        self.worker, self.name = worker, name
        self.kafka, self.epoch = worker.world.kafka, -1

    async def start(self) -> None:
        await self.worker.point()
        self.epoch = self.kafka.init_producer(self.name)
        self.worker.world.say(self.worker.name, "takeovers", f"of {self.name}, epoch {self.epoch}")
        await self.worker.point()

    async def transact(self, parts: Parts) -> None:
        kafka, point = self.kafka, self.worker.point
        await point()
        transaction = kafka.begin(self.name, self.epoch)
        for tp, records in parts:
            if records:
                kafka.send(self.name, self.epoch, transaction, tp, records)
                await point(self.risk)
        kafka.commit(self.name, self.epoch, transaction)
        self.committed(parts)
        await point(self.risk)

    def committed(self, parts: Parts) -> None:
        """The broker has it, whatever becomes of who has written it."""

    async def stop(self) -> None:
        await self.worker.point()


class SimLedger(_Producer):
    """Of one source partition."""

    def __init__(self, worker: SimWorker, number: int) -> None:
        super().__init__(worker, f"partition {number}")
        self.number = number

    async def write(self, commit: Commit) -> None:
        changelog = ("changelog", self.number)
        marker = [(MARKER_KEY, commit.marker)]
        if not self.worker.world.protocol.one_transaction:
            await self.transact([(changelog, marker)])
        rows = list(zip(*commit.rows, strict=True))
        await self.transact(
            [
                (changelog, marker + rows[: len(rows) // 2]),
                (changelog, rows[len(rows) // 2 :]),
                (("partials", 0), commit.partials),
                (("dead-letters", 0), commit.dead_letters),  # type: ignore[list-item]
            ]
        )
        self.worker.world.say(self.worker.name, "commits", f"of {self.name}")


class SimTableLedger(_Producer):
    """Of the alert states and the outbox."""

    risk = 4.0

    def __init__(self, worker: SimWorker) -> None:
        super().__init__(worker, "tables")

    async def write(self, records: Sequence[Record]) -> None:
        protocol = self.worker.world.protocol
        wanted = [record for record in records if protocol.intent_stored or not _is_intent(record)]
        early = [
            record for record in wanted
            if (not protocol.one_command and _is_row(record, COMMANDS))
            or (not protocol.one_message and _is_row(record, GROUP))
        ]  # fmt: skip
        for some in filter(None, (early, [record for record in wanted if record not in early])):
            parts: dict[TP, list[tuple[bytes, bytes | None]]] = {}
            for record in some:
                parts.setdefault((record.topic, 0), []).append((record.key, record.value))
            if protocol.one_judgement:
                await self.transact(list(parts.items()))
            else:
                for part in parts.items():
                    await self.transact([part])

    def committed(self, parts: Parts) -> None:
        self.worker.world.desk.committed(self.worker.clock(), parts)


def _is_row(record: Record, prefix: str) -> bool:
    return record.topic == "alert-states" and bool(orjson.loads(record.key).startswith(prefix))


def _is_intent(record: Record) -> bool:
    return record.topic == "outbox" and record.value is not None and orjson.loads(record.value)["status"] == "posting"
