"""Taking partitions over, keeping them, giving them away, and being fenced."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiokafka.errors import IllegalStateError
from faust.types import TP
from support.engine import BEGINNINGS, ENDS, START, Broker, FakeConsumer, Seen, chunk, config, sources_of, visit

from stream_app.domain.errors import ConfigurationError
from stream_app.engine import source as source_module
from stream_app.engine import sources as module
from stream_app.engine.ledger import Fenced
from stream_app.engine.source import SourcePartition


async def until(condition) -> None:
    """Lets tasks run until something holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def tps(*numbers: int) -> set[TP]:
    return {TP(topic, number) for topic in ("visits", "purchases") for number in numbers}


async def assign(sources, numbers: set[int], generation: int) -> None:
    """What a rebalance does, and recovery after it."""
    sources.on_assigned(numbers, generation)
    await sources.positions(tps(*numbers))
    await until(lambda: set(sources.owned) == numbers and sources.ready)


async def test_an_assigned_partition_is_recovered_in_the_background_and_then_resumed():
    consumer = FakeConsumer()
    sources = sources_of(Broker(), consumer=consumer)
    sources.on_assigned({0}, 1)
    assert not sources.ready
    assert await sources.positions(tps(0) | {TP("alerts", 0)}) == {}
    assert consumer.paused == tps(0)  # other topics are not ours
    await until(lambda: sources.ready and not consumer.paused)
    assert consumer.seeks == [dict.fromkeys(tps(0), 0)]
    await sources.stop()


async def test_a_partition_recovered_before_faust_seeks_starts_at_its_marker():
    broker = Broker()
    first = sources_of(broker)
    await assign(first, {0, 1}, 1)
    await first.take(chunk([visit("a", START)] * 3, 0, partition=1))
    await first.stop()
    consumer = FakeConsumer()
    second = sources_of(broker, consumer=consumer)
    second.on_assigned({1}, 5)
    await until(lambda: 1 in second.owned and second.owned[1].ready)
    assert not second.flowing
    assert consumer.seeks == []
    assert await second.positions(tps(1)) == {TP("visits", 1): 3, TP("purchases", 1): 0}
    assert consumer.paused == set()
    assert second.ready
    await second.stop()


async def test_what_is_assigned_to_a_worker_that_ends_is_not_taken_over():
    broker = Broker()
    sources = sources_of(broker)
    await assign(sources, {0}, 1)
    sources.on_assigned({0, 1}, 2)  # its recovery has not made a step yet
    await sources.stop()
    sources.on_assigned({0, 1, 2}, 3)
    assert await sources.positions(tps(0, 1, 2)) == {}
    for _ in range(20):
        await asyncio.sleep(0)
    assert sources.owned == {}
    assert 2 not in broker.holders


async def test_a_recovery_that_ends_while_a_rebalance_takes_its_partition_away_does_not_end_the_worker():
    class Rebalancing(FakeConsumer):
        async def seek_wait(self, starts):
            raise IllegalStateError("No current assignment for partition")

    failures: list[BaseException] = []
    consumer = Rebalancing()
    sources = sources_of(Broker(), consumer=consumer, failures=failures)
    sources.on_assigned({0}, 1)
    await sources.positions(tps(0))
    await until(lambda: sources.ready)
    for _ in range(20):
        await asyncio.sleep(0)
    assert failures == []
    assert consumer.paused == tps(0)  # nothing is read until the next assignment says from where
    await sources.stop()


async def test_a_recovery_that_hung_while_others_went_on_does_not_take_the_topic_for_one_made_anew():
    broker, failures = Broker(), []
    ends = {"visits": 2, "purchases": 0}
    real_read = broker.read

    async def read_late(number: int):
        other = sources_of(broker)  # takes the partition over, reads what has come meanwhile, and commits
        await assign(other, {0}, 9)
        ends["visits"] = 3
        await other.take(chunk([visit("a", START)] * 3, 0))
        await other.stop()
        async for part in real_read(number):
            yield part

    sources = sources_of(broker, failures=failures, ends=lambda: dict(ends))
    sources._changelog = read_late
    sources.on_assigned({0}, 1)
    await sources.positions(tps(0))
    # It recovers, and finds at its first commit that it was fenced.
    await until(lambda: failures or (0 in sources.owned and len(sources.owned[0].readings) == 2))
    assert failures == []
    assert sources.owned[0].readings["visits"].offset == 3
    await sources.stop()


async def test_partitions_in_consecutive_generations_are_kept():
    broker = Broker()
    sources = sources_of(broker)
    await assign(sources, {0, 1}, 3)
    await sources.take(chunk([visit("a", START)], 0))
    kept = sources.owned[0]
    await sources.on_revoked()
    await assign(sources, {0}, 4)
    assert sources.owned == {0: kept}
    assert broker.holders == {0: 1, 1: 1}  # its producer is still the one
    await until(lambda: broker.stopped == [1])
    await sources.take(chunk([visit("b", START)], 1))
    assert kept.totals["read"] == 2
    await sources.stop()
    assert sorted(broker.stopped) == [0, 1]


@pytest.mark.parametrize("generation", [3, 5, 1])
async def test_partitions_in_other_generations_are_recovered_anew(generation):
    """Somebody else may have had them in between."""
    broker = Broker()
    sources = sources_of(broker)
    await assign(sources, {0}, 3)
    await sources.take(chunk([visit("a", START)], 0))
    former = sources.owned[0]
    await sources.on_revoked()
    await assign(sources, {0}, generation)
    assert sources.owned[0] is not former
    assert not former.ready
    assert broker.holders == {0: 2}
    assert sources.owned[0].readings["visits"].offset == 1
    await sources.stop()


async def test_a_kept_partition_that_failed_to_commit_is_recovered_anew():
    broker, failures = Broker(), []
    sources = sources_of(broker, failures=failures)
    await assign(sources, {0, 1}, 1)
    await sources.take(chunk([visit("a", START)], 0))
    broker.fail = Fenced("x")
    await sources.on_revoked()
    assert failures == []  # being fenced is no error
    await assign(sources, {0, 1}, 2)
    assert broker.holders == {0: 2, 1: 1}
    assert sources.owned[0].readings["visits"].offset == 0
    await sources.stop()


async def test_revoking_commits_everything_that_was_counted():
    broker = Broker()
    sources = sources_of(broker)
    await assign(sources, {0, 1}, 1)
    for number in (0, 1):
        await sources.take(chunk([visit(f"u{number}", START)], 0, partition=number))
    await sources.on_revoked()
    assert not sources.flowing
    assert [sources.durable_offset("visits", number) for number in (0, 1)] == [1, 1]
    assert {key for number in (0, 1) for key in broker.rows(number)} == {b"u0", b"u1"}
    await sources.stop()


async def test_a_worker_that_is_fenced_drops_the_partition_and_goes_on_with_the_others(caplog):
    broker, failures = Broker(), []
    sources = sources_of(broker, failures=failures, interval=0.0)
    await assign(sources, {0, 1}, 1)
    broker.holders[0] += 1  # somebody else took partition 0 over
    await sources.take(chunk([visit("a", START)], 0))
    await sources.take(chunk([visit("b", START)], 0, partition=1))
    await until(lambda: not sources.owned[0].ready and b"b" in broker.rows(1))
    assert b"a" not in broker.rows(0)
    assert "taken over by another worker" in caplog.text
    await sources.take(chunk([visit("c", START)], 1))  # is left to the new owner
    assert sources.owned[0].totals["read"] == 1
    assert not sources.ready
    assert failures == []
    await sources.stop()


async def test_any_other_failure_of_a_commit_ends_the_worker():
    broker, failures = Broker(), []
    sources = sources_of(broker, failures=failures, interval=0.0)
    await assign(sources, {0}, 1)
    broker.fail = error = OSError("the broker is on fire")
    await sources.take(chunk([visit("a", START)], 0))
    await until(lambda: failures)
    assert failures == [error]
    assert not sources.owned[0].ready
    await sources.stop()


async def test_a_recovery_that_fails_ends_the_worker():
    broker, failures = Broker(changelog={0: [(b"a", b"nonsense")]}), []
    sources = sources_of(broker, failures=failures)
    sources.on_assigned({0}, 1)
    await until(lambda: failures)
    assert "cannot be read" in str(failures[0])
    await sources.stop()


async def test_a_second_worker_is_refused_where_nothing_would_fence_the_first():
    broker, failures = Broker(), []
    sources = sources_of(broker, partitions=2, shared=False, failures=failures)
    sources.on_assigned({1}, 1)
    (error,) = failures
    assert isinstance(error, ConfigurationError)
    assert "another worker" in str(error)
    assert "partitions [0]" in str(error)
    assert sources.owned == {}
    await sources.stop()


async def test_without_fencing_a_partition_is_not_recovered_before_its_last_writes_ended():
    broker = Broker()
    sources = sources_of(broker, partitions=1, shared=False)
    await assign(sources, {0}, 1)
    stopping, release = asyncio.Event(), asyncio.Event()

    async def stop() -> None:
        stopping.set()
        await release.wait()

    sources.owned[0].ledger.stop = stop
    sources.on_assigned({0}, 7)
    await stopping.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert broker.holders == {0: 1}
    release.set()
    await sources.positions(tps(0))
    await until(lambda: sources.ready)
    assert broker.holders == {0: 2}
    await sources.stop()


async def test_a_broken_chain_has_the_topic_read_again_from_where_it_broke(caplog):
    consumer = FakeConsumer()
    sources = sources_of(Broker(), consumer=consumer)
    await assign(sources, {0}, 1)
    await sources.take(chunk([visit("a", START)], 0))
    consumer.seeks.clear()
    await sources.take(chunk([visit("c", START)], 2))
    assert consumer.seeks == [{TP("visits", 0): 1}]
    assert "expected was 1" in caplog.text
    await sources.take(chunk([visit("b", START), visit("c", START)], 1))
    assert sources.owned[0].totals["read"] == 3
    await sources.stop()


async def test_chunks_from_before_a_rebalance_are_left_alone():
    consumer = FakeConsumer()
    sources = sources_of(Broker(), consumer=consumer)
    await assign(sources, {0}, 1)
    await sources.take(chunk([visit("a", START)], 0, partition=1))
    await sources.on_revoked()
    consumer.seeks.clear()
    await sources.take(chunk([visit("c", START)], 5))  # a gap, but nothing may be sought now
    assert consumer.seeks == []
    assert 1 not in sources.owned
    await sources.stop()


async def test_the_totals_of_all_partitions_add_up_to_what_was_read():
    broker = Broker()
    sources = sources_of(broker)
    await assign(sources, {0, 1}, 1)
    for number in (0, 1):
        values = [visit("a", START), b"?", None, b"[]", visit("", START)]
        await sources.take(chunk(values, 0, partition=number))
    await sources.stop()
    for number in (0, 1):
        totals = broker.marker(number).totals
        assert totals["read"] == totals["counted"] + totals["dead_lettered"] + totals["dropped"] == 5
    assert len(broker.dead_letters) == 8


async def test_a_write_that_swallows_its_cancellation_does_not_go_on_for_good():
    """What aiokafka's producer does now and then: the partition's task would commit on, and its end be waited for."""
    broker = Broker()
    sources = sources_of(broker, interval=0.01)
    await assign(sources, {0}, 1)
    entered, source = asyncio.Event(), sources.owned[0]

    async def write(_: object) -> None:
        entered.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    source.ledger.write = write
    await sources.take(chunk([visit("a", START)], 0))
    await entered.wait()
    sources.on_assigned(set(), 9)
    await until(lambda: broker.stopped == [0])
    assert not source.ready


async def test_a_quiet_partition_hears_that_it_was_fenced_and_is_taken_over_again(monkeypatch):
    """A worker of yesterday fenced it in passing, and nothing is read that would be written."""
    monkeypatch.setattr(module, "RETAKE_SECONDS", 0.01)
    monkeypatch.setattr(source_module, "STILL_HERE_SECONDS", 0.02)
    broker = Broker()
    sources = sources_of(broker, interval=0.01)
    await assign(sources, {0}, 1)
    first = sources.owned[0]
    await broker.ledger(0).start()
    await until(lambda: (now := sources.owned.get(0)) is not None and now is not first and now.ready)
    assert not first.ready
    await sources.stop()


async def test_a_partition_given_up_while_it_recovers_never_becomes_ready():
    broker = Broker()
    source = SourcePartition(0, config(), broker.ledger(0), Seen(), lambda *_: None)
    source.given_up = True
    await source.recover(broker.read(0), BEGINNINGS, ENDS)
    assert not source.ready
