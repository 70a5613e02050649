"""The daily matrix as one would write it in Faust: an agent, a record type, two tables; everything at its default.

    python -m tests.benchmarks.idiomatic BOOTSTRAP TOPIC EVENTS RESULT

Ends when it has counted so many events and writes to the file RESULT what it took and what it counted.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path
from typing import Any

import faust

from tests.benchmarks.machine import peak_memory

bootstrap, topic_name, expected, result = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
PARTITIONS = 4


class Visit(faust.Record, serializer="json"):  # type: ignore[call-arg, misc]
    """A visit."""

    type: str
    event_id: str
    user_id: str
    occurred_at: str
    segment: dict[str, str]


app = faust.App(
    result.stem, broker=f"kafka://{bootstrap}", topic_partitions=PARTITIONS, store="memory://",
    web_enabled=False, datadir=result.parent / "faust",
)  # fmt: skip
visits = app.topic(topic_name, value_type=Visit)
# Of each user the first day, and the latest: without it a second visit of one day would count again.
users = app.Table("users", partitions=PARTITIONS)
matrix = app.Table("matrix", default=int, partitions=PARTITIONS)
counted, started, cpu_before = 0, 0.0, 0.0


@app.agent(visits)
async def count(stream: Any) -> None:
    """Counts each user once for each day."""
    global counted, started, cpu_before
    async for visit in stream:
        if not counted:
            started, cpu_before = time.monotonic(), time.process_time()
        day = dt.datetime.fromisoformat(visit.occurred_at).date().toordinal()
        first, latest = users.get(visit.user_id) or (day, None)
        if day != latest:
            users[visit.user_id] = [first, day]
            matrix[f"{first} {day - first}"] += 1
        counted += 1
        if counted == expected:
            report(time.monotonic() - started, time.process_time() - cpu_before)


def report(seconds: float, cpu: float) -> None:
    """Writes the result, whole."""
    epoch = dt.date(1970, 1, 1).toordinal()
    cells = [[*map(int, key.split()), value] for key, value in matrix.items()]
    found = {
        "events": counted, "seconds": seconds, "cpu": cpu,
        "peak": peak_memory(),
        "matrix": [[cohort - epoch, index, value] for cohort, index, value in cells],
    }  # fmt: skip
    part = result.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.rename(result)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "--loglevel=warn"]
    app.main()
