"""A fetch that a rebalance overtakes: what Faust does with it, and why `ChunkConsumer` seeks only after it."""

from __future__ import annotations

import asyncio
from typing import Any

from faust.types import TP

from stream_app.engine.app import ServiceApp
from stream_app.engine.topics import Topics
from stream_app.engine.transport import ChunkConsumer

NAMES = Topics("visits", "purchases", "changelog", "partials", "closings", "alerts", "dead-letters")
CHANGELOG = TP("contract-partials", 0)


class SlowThread:
    """A consumer thread whose fetch answers when it is let go, with a record of the changelog."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.done: list[str] = []

    async def getmany(self, _active: Any, _timeout: float) -> dict[TP, list[Any]]:
        await self.let_go.wait()
        self.done.append("fetched")
        return {CHANGELOG: [object()]}

    async def seek_wait(self, _partitions: Any) -> None:
        self.done.append("sought")

    async def seek_to_committed(self) -> dict[TP, int]:
        self.done.append("went to what is committed")
        return {}


async def unused(*_: Any) -> None:
    raise AssertionError


def consumer() -> tuple[ChunkConsumer, SlowThread]:
    app = ServiceApp("contract", NAMES, broker="kafka://127.0.0.1:1", reply_create_topic=False)
    made = ChunkConsumer(app.transport, callback=unused, on_partitions_revoked=unused, on_partitions_assigned=unused)
    made._thread = thread = SlowThread()
    made.resume_flow()
    made.resume_partitions({CHANGELOG})
    return made, thread


async def taken(made: ChunkConsumer) -> list[Any]:
    return [message async for message in made.getmany(1.0)]


async def test_recovery_seeks_after_a_fetch_that_the_rebalance_has_overtaken():
    made, thread = consumer()
    fetching = asyncio.create_task(taken(made))
    await asyncio.sleep(0)  # the fetch is under way
    made.stop_flow()
    seeking = asyncio.create_task(made.seek_wait({CHANGELOG: 0}))
    await asyncio.sleep(0)
    assert thread.done == []
    thread.let_go.set()
    await seeking
    assert thread.done == ["fetched", "sought"]
    assert await fetching == [], "Faust throws its records away"


async def test_an_overtaken_fetch_moves_no_position_and_lets_nothing_flow():
    made, thread = consumer()
    made.app.positions = None  # would fail if it was asked
    fetching = asyncio.create_task(taken(made))
    await asyncio.sleep(0)
    made.stop_flow()
    thread.let_go.set()
    assert await fetching == []
    assert thread.done == ["fetched"]


async def test_a_seek_while_records_flow_waits_for_nothing():
    made, thread = consumer()
    fetching = asyncio.create_task(taken(made))
    await asyncio.sleep(0)
    await made.seek_wait({CHANGELOG: 0})
    assert thread.done == ["sought"]
    fetching.cancel()


async def test_fausts_own_wait_for_a_stopped_flow_still_waits_for_nothing():
    """When this fails, Faust has repaired `Consumer.wait_for_stopped_flow`, and ours may go."""
    made, _ = consumer()
    fetching = asyncio.create_task(taken(made))
    await asyncio.sleep(0)
    made.stop_flow()
    await asyncio.wait_for(made.wait_for_stopped_flow(), 1)
    fetching.cancel()
