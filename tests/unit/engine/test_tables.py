"""The tables of the alerts: one owner, all of a write or nothing, and what a former owner may still do: nothing."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

import pytest

from stream_app.engine import tables as module
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Record, Row, Tables

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence


class Broker:
    """Topics of partition 0, and who may write to them."""

    def __init__(self) -> None:
        self.topics: dict[str, list[tuple[bytes, bytes | None]]] = {}
        self.holder = 0
        self.stopped: list[int] = []
        self.fail: BaseException | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[BaseException] = []

    def ledger(self) -> Ledger:
        return Ledger(self)

    async def read(self, topic: str) -> AsyncGenerator[tuple[bytes, bytes | None]]:
        for record in self.topics.get(topic, []):
            await asyncio.sleep(0)
            yield record

    def tables(self) -> Tables:
        return Tables(
            {"states": "states-log", "outbox": "outbox-log"},
            ledger=self.ledger, read=self.read, fail=self.failures.append,
        )  # fmt: skip


class Ledger:
    def __init__(self, broker: Broker) -> None:
        self.broker, self.epoch = broker, 0

    async def start(self) -> None:
        self.broker.holder += 1
        self.epoch = self.broker.holder

    async def write(self, records: Sequence[Record]) -> None:
        await self.broker.gate.wait()
        if self.broker.fail is not None:
            raise self.broker.fail
        if self.epoch != self.broker.holder:
            raise Fenced("tables")
        for record in records:
            self.broker.topics.setdefault(record.topic, []).append((record.key, record.value))

    async def stop(self) -> None:
        self.broker.stopped.append(self.epoch)


@pytest.fixture
def broker() -> Broker:
    return Broker()


async def test_a_new_owner_knows_what_the_former_one_wrote(broker):
    first, second = broker.tables(), broker.tables()
    first.on_assigned(True, 1)
    tenure = await first.taken()
    await tenure.write([Row("states", "a", {"n": 1}), Row("states", "b", 2), Row("outbox", "c", [3])])
    await tenure.write([Row("states", "b", None), Row("states", "a", {"n": 2})])
    assert tenure.tables == {"states": {"a": {"n": 2}}, "outbox": {"c": [3]}}
    second.on_assigned(True, 2)
    assert (await second.taken()).tables == tenure.tables


async def test_a_former_owner_that_was_frozen_overwrites_nothing(broker, monkeypatch):
    monkeypatch.setattr(module, "RETAKE_SECONDS", 3600.0)
    frozen, successor = broker.tables(), broker.tables()
    frozen.on_assigned(True, 1)
    before = await frozen.taken()
    successor.on_assigned(True, 2)
    after = await successor.taken()
    await after.write([Row("states", "a", "new")])
    with pytest.raises(Fenced):
        await before.write([Row("states", "a", "old")])
    assert before.tables["states"] == {}
    assert frozen.tenure is None
    assert broker.topics == {"states-log": [(b'"a"', b'"new"')]}
    with pytest.raises(Fenced):
        await before.write([Row("states", "a", "old")])


async def test_records_of_other_topics_are_written_with_the_rows_and_before_them(broker):
    tables = broker.tables()
    tables.on_assigned(True, 1)
    await (await tables.taken()).write([Row("states", "a", 1)], [Record("alerts", b"k", b"v")])
    assert list(broker.topics) == ["alerts", "states-log"]


async def test_a_write_that_fails_ends_the_tenure_and_changes_nothing_here(broker):
    tables = broker.tables()
    tables.on_assigned(True, 1)
    tenure = await tables.taken()
    broker.fail = OSError("no broker")
    with pytest.raises(OSError, match="no broker"):
        await tenure.write([Row("states", "a", 1)])
    assert (tenure.tables["states"], tables.tenure) == ({}, None)


async def test_the_tables_are_kept_over_a_rebalance_in_which_nobody_else_can_have_had_them(broker):
    tables = broker.tables()
    tables.on_assigned(True, 4)
    tenure = await tables.taken()
    tables.on_assigned(True, 5)
    assert tables.tenure is tenure
    tables.on_assigned(True, 7)
    assert tables.tenure is None
    assert await tables.taken() is not tenure
    assert tenure.over


async def test_a_write_under_way_ends_before_the_tables_are_given_away(broker):
    tables = broker.tables()
    tables.on_assigned(True, 1)
    tenure = await tables.taken()
    broker.gate.clear()
    writing = asyncio.create_task(tenure.write([Row("states", "a", 1)]))
    await asyncio.sleep(0)
    stopping = asyncio.create_task(tables.stop())
    await asyncio.sleep(0)
    assert broker.stopped == []
    broker.gate.set()
    await asyncio.gather(writing, stopping)
    assert broker.topics["states-log"] == [(b'"a"', b"1")]
    assert broker.stopped == [1]
    with pytest.raises(Fenced):
        await tenure.write([Row("states", "a", 2)])


async def test_given_away_while_they_are_read_they_are_not_taken(broker):
    broker.topics["states-log"] = [(b'"a"', b"1")] * 10
    tables = broker.tables()
    tables.on_assigned(True, 1)
    await asyncio.sleep(0)
    tables.on_assigned(False, 2)
    await asyncio.sleep(0.01)
    assert tables.tenure is None
    tables.on_assigned(True, 3)
    assert (await tables.taken()).tables["states"] == {"a": 1}
    assert broker.failures == []


async def test_fenced_by_a_worker_whose_assignment_is_out_of_date_the_owner_takes_them_over_again(broker, monkeypatch):
    monkeypatch.setattr(module, "RETAKE_SECONDS", 0.0)
    owner, late = broker.tables(), broker.tables()
    owner.on_assigned(True, 2)
    tenure = await owner.taken()
    late.on_assigned(True, 1)  # frozen before it heard of generation 2, it goes on only now
    await late.taken()
    with pytest.raises(Fenced):
        await tenure.write([Row("states", "a", 1)])
    await (await owner.taken()).write([Row("states", "a", 2)])
    assert broker.topics["states-log"] == [(b'"a"', b"2")]


@pytest.mark.parametrize("hangs", [False, True])
async def test_the_connection_of_a_tenure_that_was_fenced_is_closed_and_not_waited_for(broker, monkeypatch, hangs):
    monkeypatch.setattr(module, "RETAKE_SECONDS", 0.0)

    class Hanging(Ledger):
        async def stop(self) -> None:
            await super().stop()
            if hangs:
                await asyncio.Event().wait()

    owner, late = broker.tables(), broker.tables()
    owner._make_ledger = lambda: Hanging(broker)
    owner.on_assigned(True, 2)
    tenure = await owner.taken()
    late.on_assigned(True, 1)
    await late.taken()
    with pytest.raises(Fenced):
        await tenure.write([Row("states", "a", 1)])
    async with asyncio.timeout(5):
        assert await owner.taken() is not tenure
    assert broker.stopped == [1]


async def test_fenced_after_they_were_given_away_they_are_left_to_their_new_owner(broker, monkeypatch):
    """Else two workers would take them from each other for good."""
    monkeypatch.setattr(module, "RETAKE_SECONDS", 0.0)
    frozen, owner = broker.tables(), broker.tables()
    frozen.on_assigned(True, 1)
    before = await frozen.taken()
    owner.on_assigned(True, 2)
    await owner.taken()
    broker.gate.clear()
    writing = asyncio.create_task(before.write([Row("states", "a", "old")]))
    await asyncio.sleep(0)
    frozen.on_assigned(False, 3)
    broker.gate.set()
    with pytest.raises(Fenced):
        await writing
    await asyncio.sleep(0.01)
    assert (broker.holder, frozen.tenure) == (2, None)
    assert owner.tenure is not None


async def test_stopped_while_it_takes_over_it_leaves_no_connection_behind(broker):
    class Starting(Ledger):
        async def start(self) -> None:
            await super().start()
            await asyncio.Event().wait()

    broker.ledger = lambda: Starting(broker)
    tables = broker.tables()
    tables.on_assigned(True, 1)
    await asyncio.sleep(0.01)
    await tables.stop()
    assert broker.stopped == [1]


async def test_a_writer_that_is_cancelled_leaves_no_error_behind():
    async def cancelled() -> None:
        broker = Broker()
        tables = broker.tables()
        tables.on_assigned(True, 1)
        tenure = await tables.taken()
        broker.gate.clear()
        writing = asyncio.create_task(tenure.write([Row("states", "a", 1)]))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait({writing})

    heard: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context))
    await cancelled()
    gc.collect()
    assert heard == []


async def test_assigned_to_a_worker_that_ends_they_are_not_taken_over(broker):
    tables = broker.tables()
    await tables.stop()
    tables.on_assigned(True, 1)
    await asyncio.sleep(0.01)
    assert (broker.holder, tables.tenure) == (0, None)


async def test_tables_that_cannot_be_read_end_the_worker(broker):
    broker.topics["states-log"] = [(b"no JSON", b"1")]
    tables = broker.tables()
    tables.on_assigned(True, 1)
    while not broker.failures:
        await asyncio.sleep(0)
    assert tables.tenure is None


async def test_what_is_written_beside_a_write_under_way_goes_out_together_after_it(broker):
    tables = broker.tables()
    tables.on_assigned(True, 1)
    tenure = await tables.taken()
    written: list[list[bytes]] = []
    write = tenure._ledger.write

    async def counting(records):
        await write(records)
        written.append([record.key for record in records])

    tenure._ledger.write = counting
    broker.gate.clear()
    writing = [asyncio.create_task(tenure.write([Row("states", key, 1)])) for key in "abc"]
    await asyncio.sleep(0)
    broker.gate.set()
    await asyncio.gather(*writing)
    assert written == [[b'"a"', b'"b"', b'"c"']] or written == [[b'"a"'], [b'"b"', b'"c"']]
    assert tenure.tables["states"] == {"a": 1, "b": 1, "c": 1}


async def test_a_write_that_fails_fails_for_all_that_were_written_with_it(broker):
    tables = broker.tables()
    tables.on_assigned(True, 1)
    tenure = await tables.taken()
    broker.fail = OSError("no broker")
    found = await asyncio.gather(*(tenure.write([Row("states", key, 1)]) for key in "abc"), return_exceptions=True)
    assert isinstance(found[0], OSError)
    assert all(isinstance(error, (OSError, Fenced)) for error in found)
    assert tenure.tables["states"] == {}
