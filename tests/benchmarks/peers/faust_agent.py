"""The daily matrix as one would write it in Faust: an agent, a record type, two tables; everything at its default.

Its clock stops at the last event counted: tables are written to their changelogs as they change, without transactions.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import Any

import faust

from tests.benchmarks.peers.job import Job, see
from tests.benchmarks.workload import PARTITIONS

job = Job.of_command_line()
EPOCH = dt.date(1970, 1, 1)


class Event(faust.Record, serializer="json"):  # type: ignore[call-arg, misc]
    """A visit or a purchase; other fields are ignored."""

    type: str
    event_id: str
    user_id: str
    occurred_at: str


app = faust.App(
    job.name, broker=f"kafka://{job.bootstrap}", topic_partitions=PARTITIONS, store="memory://",
    web_enabled=False, datadir=job.result.parent / "faust",
)  # fmt: skip
events = app.topic(job.visits, job.purchases, value_type=Event)
users = app.Table("users", partitions=PARTITIONS)
matrix = app.Table("matrix", default=int, partitions=PARTITIONS)
counted = 0


@app.agent(events)
async def count(stream: Any) -> None:
    """Counts each user once for each day."""
    global counted
    async for event in stream:
        job.begin()
        day = (dt.datetime.fromisoformat(event.occurred_at).date() - EPOCH).days
        state, changes = see(users.get(event.user_id), day)
        if changes:
            users[event.user_id] = state
        for cohort, index, more in changes:
            matrix[f"{cohort} {index}"] += more
        counted += 1
        if counted == job.events:
            job.end({tuple(map(int, cell.split())): number for cell, number in matrix.items()})
            os._exit(0)  # a worker's orderly end takes seconds


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel=warn"]
    app.main()
