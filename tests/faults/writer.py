"""The producer of a load, a process of its own: `python -m faults.writer JSON`, in the folder `tests`.

It writes at a pace, prints how many records are written, and never ends before it is told to on standard input: what is
left it then writes as fast as it can. So faults always meet a load that goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaProducer

from faults.load import Load

if TYPE_CHECKING:
    from faults.load import Broken, Event

TESTS = Path(__file__).parents[1]
#: The share written at full pace; the rest thins out until the end is asked for.
FULL_PACE = 0.7


class Writer:
    """The process, seen from the one that starts it."""

    def __init__(self, bootstrap: str, topics: tuple[str, str], load: Load, seconds: float, log: Path) -> None:
        self._log = log
        self._job = {"bootstrap": bootstrap, "topics": topics, "load": asdict(load), "seconds": seconds}
        self.load, self.written = load, 0
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "faults.writer", json.dumps(self._job), cwd=TESTS,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            self.written = int(line)

    @property
    def share(self) -> float:
        """How much of the load is written, 0 to 1."""
        return self.written / self.load.events

    async def finish(self) -> None:
        """Has the rest written; returns when all of it is acknowledged."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reading is not None
        self._process.stdin.write(b"finish\n")
        await self._process.stdin.drain()
        await self._reading
        code = await self._process.wait()
        assert code == 0, f"the producer ended with {code}: {self._log.read_text()[-2000:]}"
        assert self.written == self.load.events

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def write(job: dict[str, object], finish: asyncio.Event) -> None:
    load = Load(**job["load"])  # type: ignore[arg-type]
    pace = FULL_PACE * load.events / float(job["seconds"])  # type: ignore[arg-type]
    slice_size = max(20, min(5_000, int(pace / 10)))
    # Its own timeouts outlast every outage, and what it sends again is recognised: each record is written once.
    producer = AIOKafkaProducer(
        bootstrap_servers=job["bootstrap"], enable_idempotence=True, max_batch_size=128 * 1024,
        request_timeout_ms=300_000,
    )  # fmt: skip
    async with producer:
        arrivals, written = load.arrivals(), 0
        while records := list(islice(arrivals, slice_size)):
            started = time.monotonic()
            await _send(producer, job["topics"], load, records)  # type: ignore[arg-type]
            written += len(records)
            print(written, flush=True)
            left = load.events - written
            if not finish.is_set():
                seconds = len(records) / min(pace, pace * left / (load.events * (1 - FULL_PACE)) + 0.1)
                wait = min(1.0, max(0.0, seconds - (time.monotonic() - started)))
                if left <= slice_size:
                    wait = 3600.0  # the last ones wait for the end
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(finish.wait(), wait)


async def _send(producer: AIOKafkaProducer, topics: tuple[str, str], load: Load, records: list[Event | Broken]) -> None:
    batches, sent = {}, []
    for record in records:
        topic, partition = place = load.place(record)
        key, value = record.key, record.value
        if place not in batches:
            batches[place] = producer.create_batch()
        if batches[place].append(key=key, value=value, timestamp=None) is None:
            sent.append(await producer.send_batch(batches[place], topics[topic], partition=partition))
            batches[place] = producer.create_batch()
            batches[place].append(key=key, value=value, timestamp=None)
    for (topic, partition), batch in batches.items():
        sent.append(await producer.send_batch(batch, topics[topic], partition=partition))
    await asyncio.gather(*sent)


async def main() -> None:
    finish = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, lambda: (sys.stdin.readline(), finish.set(), loop.remove_reader(sys.stdin)))
    await write(json.loads(sys.argv[1]), finish)


if __name__ == "__main__":
    asyncio.run(main())
