"""The daily matrix in Quix Streams: both topics as one stream, keyed state in RocksDB with a changelog, exactly-once.

Its clock stops when `run` returns, after the last checkpoint: changelog and offsets in one transaction. Checkpoints in
between are 5 s apart, as by default. State is of users; the matrix is added up in memory, which favours it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from quixstreams import Application, State

from tests.benchmarks.peers.job import Job, day_number, see

job = Job.of_command_line()
matrix: Counter[tuple[int, int]] = Counter()


def count(event: dict[str, Any], state: State) -> None:
    """Counts the user of one event once for its day."""
    job.begin()
    known = state.get("days")
    days, changes = see(known, day_number(event["occurred_at"][:10]))
    if changes:
        state.set("days", days)
    for cohort, index, more in changes:
        matrix[cohort, index] += more


app = Application(
    job.bootstrap,
    consumer_group=job.name,
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once",
    state_dir=job.result.parent / f"{job.name}-state",
    loglevel="WARNING",
)
visits, purchases = (app.dataframe(app.topic(name, key_deserializer="str")) for name in (job.visits, job.purchases))
visits.concat(purchases).update(count, stateful=True)

if __name__ == "__main__":
    app.run(count=job.events, collect=False)
    job.end(matrix, "exactly-once, RocksDB, a checkpoint every 5 s and at the end")
