"""The record that says which generation of the state counts, and the workers that follow it."""

from __future__ import annotations

import pytest

from stream_app.engine.control import Control, GuardedLedger, Superseded
from stream_app.engine.tables import Record


class Ledger:
    def __init__(self) -> None:
        self.done: list[object] = []

    async def start(self) -> None:
        self.done.append("start")

    async def write(self, records: list[Record]) -> None:
        self.done.append(records)

    async def stop(self) -> None:
        self.done.append("stop")


class Lookout:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def check(self) -> None:
        if self.error is not None:
            raise self.error


async def test_tables_are_taken_over_while_the_generation_is_the_one_to_count_in():
    inner = Ledger()
    ledger = GuardedLedger(inner, Lookout())
    record = Record("t", b"k", b"v")
    await ledger.start()
    await ledger.write([record])
    await ledger.stop()
    assert inner.done == ["start", [record], "stop"]


async def test_a_worker_of_a_former_generation_takes_no_tables_from_its_successors():
    inner = Ledger()
    with pytest.raises(Superseded):
        await GuardedLedger(inner, Lookout(Superseded("generation 2"))).start()
    assert inner.done == []


def test_a_service_begins_in_its_first_generation():
    assert Control() == Control(1, None, None)
