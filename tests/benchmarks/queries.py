"""How long a matrix takes over HTTP while its figures change: 50 segments, 400 daily cohorts, and a publisher at work.

    python -m tests.benchmarks.queries [--segments N] [--cohorts N] [--seconds S] [--every S] [--short]

Three processes over a Redis of their own: a publisher that writes a snapshot every quarter of a second, as a service
under load does (of every segment the blocks of the day, and of the last 30 days those that users leave when they
return), the web server of a worker over the Redis store, and this one, which asks over one connection and reads each
answer to its end. `first` are the requests that are the first to see a snapshot. It asserts that the last answer is
that of `domain.metrics`, and nothing about time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import orjson
from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table
from servers import eventually_sync, free_port
from support.figures import FIRST_DAY, wide

from stream_app.domain.counters import BlockKey
from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import parse
from stream_app.stores.embedded import EmbeddedRedis
from stream_app.stores.redis import RedisStore
from stream_app.web.health import HealthBoard
from stream_app.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stream_app.domain.metrics import Snapshot

ROOT = Path(__file__).parents[2]
APP = "queries"
#: Seconds between two looks of the web server at the store, as in a worker.
FOLLOW = 0.1
BEHIND = 30
QUERIES = {
    "all users": "grain=day",
    "20 segments and the rest": "grain=day&segment=plan",
    "50 segments": "grain=day&segment=plan&top=50",
    "50 segments, the last 30 cohorts": "grain=day&segment=plan&top=50&last=30",
    "50 segments, rolling": "grain=day&kind=rolling&segment=plan&top=50",
}


class Service:
    """Snapshots as a service under load publishes them: users of today's cohorts return, and one of them is new."""

    def __init__(self, segments: int, cohorts: int) -> None:
        self.snapshot: Snapshot = wide(segments=segments, cohorts=cohorts)
        self._today = FIRST_DAY + cohorts - 1
        self._cohorts = cohorts
        self._rng = np.random.default_rng(1)

    def next(self) -> set[BlockKey]:
        """Moves on, and says which blocks changed."""
        blocks = dict(self.snapshot.blocks)
        dirty: set[BlockKey] = set()
        for name, pages in blocks.items():
            measure = name[1]
            changed = dict(pages)
            back = min(self._cohorts - 1, BEHIND) if measure in ("day.last", "day.active") else 0
            for period in range(self._today - back, self._today + 1):
                block = changed[period].copy()
                block[self._rng.integers(0, len(block), max(len(block) // 8, 1))] += 1
                changed[period] = block
                dirty.add(BlockKey(*name, period))
            blocks[name] = changed
        totals = {"read": self.snapshot.totals["read"] + 60_000}
        self.snapshot = replace(self.snapshot, blocks=blocks, totals={**self.snapshot.totals, **totals})
        return dirty


async def publish(url: str, segments: int, cohorts: int, every: float, stop: Path) -> None:
    """The publisher. Writes its answers to the queries at its end, and what a publication took."""
    store = await RedisStore.open(url, app_id=APP)
    service = Service(segments, cohorts)
    await store.publish(service.snapshot)
    (stop.parent / "published").touch()
    took, cpu = [], time.process_time()
    made = 0.0
    while not stop.exists():
        started = time.process_time()
        dirty = service.next()
        made += time.process_time() - started
        begun = time.perf_counter()
        await store.publish(service.snapshot, dirty)
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(max(every - (time.perf_counter() - begun), 0))
    cpu = time.process_time() - cpu - made
    answers = {name: expected(service.snapshot, query) for name, query in QUERIES.items()}
    result = {"seconds": took, "cpu": cpu / len(took), "answers": {n: a.decode() for n, a in answers.items()}}
    (stop.parent / "publisher.json").write_bytes(orjson.dumps(result))
    await store.close()


def expected(snapshot: Snapshot, query: str) -> bytes:
    given = {"definition": "engagement", **dict(part.split("=") for part in query.split("&"))}
    asked = parse(
        given, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar
    )  # fmt: skip
    return orjson.dumps(counted.answer(counted.asked_at(snapshot, asked), snapshot))


async def serve(url: str, port: int) -> None:
    """The web server."""
    from prometheus_client import CollectorRegistry

    store = await RedisStore.open(url, app_id=APP)
    server = WebServer("127.0.0.1", port, store, HealthBoard(), CollectorRegistry(), follow=FOLLOW)
    await server.start()
    await asyncio.Event().wait()


BUFFER = bytearray(64 * 1024 * 1024)


def ask(connection: http.client.HTTPConnection, query: str) -> tuple[float, str, memoryview]:
    """Seconds until the whole answer is here, its ETag, and the answer, which the next one overwrites."""
    started = time.perf_counter()
    connection.request("GET", f"/api/v1/retention?definition=engagement&{query}")
    answer = connection.getresponse()
    length = int(answer.headers["Content-Length"])
    body, at = memoryview(BUFFER)[:length], 0
    while at < length:
        at += answer.readinto(body[at:])
    took = time.perf_counter() - started
    assert answer.status == 200, bytes(body)
    return took, answer.headers["ETag"], body


def measure(port: int, seconds: float) -> dict[str, tuple[list[float], list[float], int]]:
    """By query: the times of all requests and of the first ones, and the answer's length. Queries take turns."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found: dict[str, tuple[list[float], list[float], int]] = {}
    for name, query in QUERIES.items():
        _, last, body = ask(connection, query)  # from nothing: a worker that has just started
        every, firsts = [], []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            took, tag, body = ask(connection, query)
            every.append(took)
            if tag != last:
                firsts.append(took)
            last = tag
            time.sleep(0.01)
        found[name] = (every, firsts, len(body))
    return found


def quantile(times: Sequence[float], q: float) -> str:
    return f"{np.quantile(times, q) * 1e3:.1f}" if times else "-"


@contextlib.contextmanager
def processes(url: str, options: argparse.Namespace, folder: Path) -> Iterator[int]:
    """Publisher and web server; gives the server's port."""
    me = [sys.executable, "-m", "tests.benchmarks.queries", "--url", url, "--folder", str(folder)]
    port = free_port()
    sizes = ["--segments", str(options.segments), "--cohorts", str(options.cohorts), "--every", str(options.every)]
    publisher = subprocess.Popen([*me, "--part", "publish", *sizes], cwd=ROOT)
    server = subprocess.Popen([*me, "--part", "serve", "--port", str(port)], cwd=ROOT)
    try:
        eventually_sync((folder / "published").exists, 120, "the first snapshot")

        def answers() -> bool:
            return bool(ask(http.client.HTTPConnection("127.0.0.1", port, timeout=60), "grain=month")[2])

        eventually_sync(answers, 60, "the server's first answer")
        yield port
        (folder / "stop").touch()
        assert publisher.wait(120) == 0
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        wanted = orjson.loads((folder / "publisher.json").read_bytes())["answers"]
        for name, query in QUERIES.items():
            text = wanted[name].encode()
            eventually_sync(lambda query=query, text=text: ask(connection, query)[2] == text, 60, f"{name}: the answer")
    finally:
        for process in (publisher, server):
            process.kill()
            process.wait()


async def run(options: argparse.Namespace, folder: Path) -> None:
    redis = await EmbeddedRedis.start()
    try:
        url = f"unix://{redis.socket}"

        def work() -> dict[str, tuple[list[float], list[float], int]]:
            with processes(url, options, folder) as port:
                return measure(port, options.seconds)

        found = await asyncio.to_thread(work)
        async with Redis(unix_socket_path=redis.socket) as client:
            memory = (await client.info("memory"))["used_memory_peak"]
    finally:
        await redis.stop()
    table = Table(title=f"Daily matrix, {options.segments} segments, {options.cohorts} cohorts (ms)")
    table.add_column(no_wrap=True)
    for heading in ("MB", "requests", "p50", "p90", "p99", "most", "first", "first p50", "first p99"):
        table.add_column(heading, justify="right")
    for name, (every, firsts, length) in found.items():
        table.add_row(
            name, f"{length / 1e6:.2f}", str(len(every)), *(quantile(every, q) for q in (0.5, 0.9, 0.99, 1)),
            str(len(firsts)), *(quantile(firsts, q) for q in (0.5, 0.99)),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 130).print(table)
    published = orjson.loads((folder / "publisher.json").read_bytes())
    seconds = published["seconds"]
    print(
        f"{len(seconds)} snapshots; a publication took {quantile(seconds, 0.5)} ms (p99 {quantile(seconds, 0.99)}), "
        f"{published['cpu'] * 1e3:.1f} ms of CPU; Redis held at most {memory / 1e6:.0f} MB.\n"
        "The last answers were those of domain.metrics, byte for byte."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--segments", type=int, default=50)
    parser.add_argument("--cohorts", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=10.0, help="for each query (default 10)")
    parser.add_argument("--every", type=float, default=0.25, help="seconds between snapshots (default 0.25)")
    parser.add_argument("--short", action="store_true", help="small numbers: shows that it runs, no more")
    parser.add_argument("--part", choices=("publish", "serve"), help=argparse.SUPPRESS)
    for name in ("--url", "--folder", "--port"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.short:
        options.segments, options.cohorts, options.seconds = 5, 40, 0.5
    if options.part == "publish":
        stop = Path(options.folder) / "stop"
        asyncio.run(publish(options.url, options.segments, options.cohorts, options.every, stop))
    elif options.part == "serve":
        asyncio.run(serve(options.url, int(options.port)))
    else:
        import tempfile

        with tempfile.TemporaryDirectory(prefix="stream-app-benchmark-") as folder:
            asyncio.run(run(options, Path(folder)))


if __name__ == "__main__":
    main()
