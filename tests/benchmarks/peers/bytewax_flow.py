"""The daily matrix in Bytewax: its Kafka source, keyed state, and recovery, at its default of a snapshot every 10 s.

Its clock stops when the flow has ended, after the last snapshot of changed keys and offsets went to the recovery store
(SQLite). State is of users; the matrix is added up in memory by the sink, which favours it.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

import bytewax.operators as op
import msgspec
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.run import cli_main

from tests.benchmarks.peers.job import Change, Job, day_number, see

if TYPE_CHECKING:
    from bytewax.connectors.kafka import KafkaSourceMessage

job = Job.of_command_line()
matrix: Counter[tuple[int, int]] = Counter()


class Event(msgspec.Struct):
    """What is needed of a visit or a purchase."""

    user_id: str
    occurred_at: str


decode = msgspec.json.Decoder(Event).decode


def parse(messages: list[KafkaSourceMessage]) -> list[tuple[str, int]]:
    """User and day of each record, of many records at once."""
    if messages:
        job.begin()
    events = [decode(message.value) for message in messages]
    return [(event.user_id, day_number(event.occurred_at[:10])) for event in events]


class Sum(StatelessSinkPartition[tuple[str, Change]]):
    """Adds the changes up."""

    def write_batch(self, items: list[tuple[str, Change]]) -> None:
        for _, (cohort, index, more) in items:
            matrix[cohort, index] += more


class Sums(DynamicSink[tuple[str, Change]]):
    """One sum for each worker: there is one."""

    def build(self, _step: str, _worker: int, _workers: int) -> Sum:
        return Sum()


flow = Dataflow("daily")
source = KafkaSource([job.bootstrap], [job.visits, job.purchases], tail=False)
days = op.flat_map_batch("parse", op.input("events", flow, source), parse)
op.output("sum", op.stateful_flat_map("see", days, see), Sums())

if __name__ == "__main__":
    store = job.result.parent / f"{job.name}-recovery"
    store.mkdir()
    init_db_dir(store, 1)
    cli_main(flow, epoch_interval=dt.timedelta(seconds=10), recovery_config=RecoveryConfig(str(store)))
    job.end(matrix, "recovery store (SQLite), a snapshot every 10 s and at the end")
