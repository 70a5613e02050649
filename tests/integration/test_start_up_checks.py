"""What would break exactness in silence is refused at the start, by what real brokers say of topics, state, workers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import servers
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from support.workers import Worker, produce

from stream_app.assembly import as_found, source_config, topics_of
from stream_app.codecs.rows import Marker, Source, encode_marker
from stream_app.demo.broker import EmbeddedBroker
from stream_app.domain.errors import ConfigurationError, StateMismatchError
from stream_app.engine.changelog import ChangelogPart, newest_markers, read_changelog
from stream_app.engine.control import Control, Lookout, Superseded, read_control, write_control
from stream_app.engine.ledger import Commit, LedgerTopics, SoloLedger, TransactionalLedger
from stream_app.engine.stored import digest
from stream_app.engine.topics import TopicAdmin
from stream_app.rebuild import Options, Rebuild
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from support.cluster import Cluster

    Make = Callable[..., Awaitable[str]]

PARTITIONS = 3


class Case:
    """A service that is not running yet: its settings, topics, and what start-up finds out about them."""

    def __init__(self, bootstrap: str, **changes: Any) -> None:
        app = servers.unique("check")
        names = ("visits_topic", "purchases_topic", "alerts_topic", "dead_letters_topic")
        own = {name: f"{app}-{name}" for name in names}
        self.settings = Settings(
            broker=bootstrap, app_id=app, dimensions="plan", partitions=PARTITIONS,
            orders=False, hour_days=0, **own, **changes,  # as the form of state before can hold it
        )  # fmt: skip
        self.names = topics_of(self.settings)
        self.kafka: dict[str, object] = {"bootstrap_servers": bootstrap}
        self.admin = TopicAdmin(self.kafka, 1)

    async def prepare(self, **options: Any) -> int:
        return await self.admin.prepare(self.names, self.settings.partitions, **options)

    async def found(self, **changes: Any) -> Any:
        settings = replace(self.settings, **changes)
        config = source_config(settings, topics_of(settings), partitions=PARTITIONS, letter_limit=1, atomic=True)
        config = replace(config, topics=config.topics if not changes.get("topics") else changes["topics"])
        return await as_found(config, self.kafka, self.names, self.admin, group=settings.app_id, tolerance=300)

    async def commit(self, number: int = 0, rows: int = 3, ledger: Any = TransactionalLedger, **changes: Any) -> None:
        """As a worker of this service would, its marker changed."""
        sources = {topic: Source(5, None) for topic in self.names.sources}
        marker = replace(Marker(self.settings.fingerprint, 1, sources=sources, partitions=PARTITIONS), **changes)
        topics = LedgerTopics(self.names.changelog, self.names.partials, self.names.dead_letters)
        arguments = (self.settings.app_id,) if ledger is TransactionalLedger else ()
        writer = ledger(self.kafka, *arguments, number, topics, 1)
        await writer.start()
        keys = [b"user-%d" % row for row in range(rows)]
        await writer.write(Commit((keys, [b"x" * 50] * rows), encode_marker(marker)))
        await writer.stop()

        async def visible() -> bool:  # the broker ends a transaction soon after it has said so
            return (await newest_markers(self.kafka, self.names.changelog, [number]))[number] == marker

        await servers.eventually(visible, what="the marker")


@pytest.fixture
def case(kafka_broker: servers.KafkaBroker) -> Case:
    return Case(kafka_broker.bootstrap)


# -- topics


@pytest.mark.parametrize(
    ("name", "partitions", "config", "said"),
    [
        ("changelog", PARTITIONS, {"cleanup.policy": "compact,delete"}, "'compact,delete' and must be 'compact'"),
        ("partials", 1, {"cleanup.policy": "delete"}, "'delete' and must be 'compact'"),
        ("alert_states", 1, {"cleanup.policy": "delete"}, "'delete' and must be 'compact'"),
        ("outbox", 1, {}, "'delete' and must be 'compact'"),
        ("changelog", PARTITIONS + 1, {"cleanup.policy": "compact"}, "it has 4 partitions and needs 3"),
        ("partials", 1, {"cleanup.policy": "compact", "max.message.bytes": "1000"}, "max.message.bytes is 1000"),
        ("visits", PARTITIONS + 2, {}, "their partition counts differ"),
    ],
)
async def test_a_topic_that_would_lose_state_is_refused(
    case: Case, topic: Make, name: str, partitions: int, config: dict[str, str], said: str
) -> None:
    await topic(case.names.purchases, PARTITIONS)
    await topic(getattr(case.names, name), partitions, config)
    with pytest.raises(ConfigurationError, match=getattr(case.names, name)) as refused:
        await case.prepare()
    assert said in str(refused.value)


async def test_topics_that_the_service_made_are_beyond_doubt_and_others_are_told(case: Case, topic: Make) -> None:
    await topic(case.names.visits, PARTITIONS, {"retention.ms": "60000", "unclean.leader.election.enable": "true"})
    await topic(case.names.purchases, PARTITIONS, {"cleanup.policy": "compact"})
    await case.prepare()
    await case.prepare()
    told = "\n".join(case.admin.doubts)
    assert f"topic {case.names.visits}: its retention.ms is 60000" in told
    assert f"topic {case.names.visits}: its unclean.leader.election.enable is true" in told
    assert f"topic {case.names.purchases}: its cleanup.policy is 'compact'" in told
    assert len(case.admin.doubts) == 3


# -- stored state


async def test_state_of_another_configuration_is_refused_before_a_row_is_read(case: Case) -> None:
    await case.prepare()
    await case.commit(1)
    with pytest.raises(StateMismatchError, match=r"partition 1: .*timezone.*stream-app rebuild"):
        await case.found(timezone="Asia/Tokyo")
    with pytest.raises(StateMismatchError, match=r"partition 1: .*this worker reads topic"):
        await case.found(visits_topic="other")
    assert (await case.found(dimensions="")).migrated == {1: 0}


async def test_state_of_another_number_of_partitions_is_refused(case: Case) -> None:
    await case.prepare()
    await case.commit(2, partitions=12)
    with pytest.raises(StateMismatchError, match="counted from 12 source partitions, there are 3"):
        await case.found()


async def test_events_ahead_of_this_machines_clock_are_told_of(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    await case.prepare()
    await case.commit(sources={topic: Source(5, 4_102_444_800_000) for topic in case.names.sources})
    await case.found()
    assert "ahead of this machine's clock" in caplog.text


# -- the newest marker


@pytest.fixture(params=["kafka", "embedded"])
async def changelog(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Case, Any]]:
    if request.param == "embedded":
        async with EmbeddedBroker() as broker:
            yield Case(broker.address), SoloLedger
    else:
        yield Case(request.getfixturevalue("kafka_broker").bootstrap), TransactionalLedger


async def test_the_newest_marker_is_found_behind_any_number_of_rows(changelog: tuple[Case, Any]) -> None:
    case, ledger = changelog
    await case.prepare()
    assert await newest_markers(case.kafka, case.names.changelog, range(PARTITIONS)) == dict.fromkeys(range(PARTITIONS))
    for epoch, (number, rows) in enumerate([(0, 10), (1, 0), (0, 9_000), (1, 50_000)], start=1):
        await case.commit(number, rows, ledger, epoch=epoch)
    markers = await newest_markers(case.kafka, case.names.changelog, range(PARTITIONS))
    assert {number: marker and marker.epoch for number, marker in markers.items()} == {0: 3, 1: 4, 2: None}
    for number, rows in ((0, 9_010), (1, 50_000), (2, 0)):
        parts: list[ChangelogPart] = [part async for part in read_changelog(case.kafka, case.names.changelog, number)]
        assert (parts[0].marker, parts[0].users) == (markers[number], [])
        assert sum(len(part.rows) for part in parts) == rows


# -- a broker without transactions


async def test_a_second_worker_on_a_broker_without_transactions_is_refused(cluster: Cluster, tmp_path: Any) -> None:
    async with EmbeddedBroker() as broker:
        first, second = (Worker(tmp_path, **cluster.settings | {"broker": broker.address}) for _ in range(2))
        try:
            first.start()
            await servers.eventually(lambda: first.ready, 60, "the first to be ready")
            assert "The broker has no transactions" in first.log
            second.start()
            await servers.eventually(lambda: not (first.running and second.running), 60, "one of the two to end")
            logs = first.log + second.log
            assert "another worker of this application is running, and the broker has no transactions" in logs
        finally:
            first.kill()
            second.kill()


# -- the generation of the state


async def test_a_worker_of_a_former_generation_is_ended_by_the_control_record(case: Case) -> None:
    await case.prepare()
    control = case.names.control
    assert await read_control(case.kafka, control) == Control()
    await write_control(case.kafka, control, Control(1, building=2, fingerprint="x"))
    failures: list[BaseException] = []
    lookout = Lookout(case.kafka, control, 1, failures.append)
    await lookout.check()
    following = asyncio.create_task(lookout.run())
    try:
        await write_control(case.kafka, control, Control(2))
        await servers.eventually(lambda: failures, 20, "the worker to be told")
    finally:
        following.cancel()
    assert isinstance(failures[0], Superseded)
    with pytest.raises(Superseded, match="generation 2 of its state now, this worker in 1"):
        await lookout.check()
    assert await read_control(case.kafka, control) == Control(2)


async def test_a_rebuild_refuses_what_it_cannot_count_whole(case: Case, topic: Make) -> None:
    with pytest.raises(ConfigurationError, match=f"topic {case.names.visits}: it is not on the broker"):
        await Rebuild(case.settings, Options()).run()
    await topic(case.names.visits, PARTITIONS)
    await topic(case.names.purchases, PARTITIONS, {"cleanup.policy": "compact"})
    await produce(str(case.kafka["bootstrap_servers"]), case.names.visits, [(b"u", b"{}")] * 5)
    deleted = await delete_records(str(case.kafka["bootstrap_servers"]), case.names.visits)
    with pytest.raises(StateMismatchError, match=r"no longer hold every event: .*--from-retained") as refused:
        await Rebuild(case.settings, Options()).run()
    assert f"topic {case.names.visits}, partition {deleted}: offsets 0 to 4" in str(refused.value)
    assert f"topic {case.names.purchases}: its cleanup.policy is 'compact'" in str(refused.value)
    assert not await case.admin.exists(case.names.control)  # nothing was begun
    await Rebuild(case.settings, Options(from_retained=True)).run()
    assert await read_control(case.kafka, case.names.control) == Control(2)


async def delete_records(bootstrap: str, topic: str) -> int:
    """Deletes every record of the partition that has any, as retention does. Returns the partition."""
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(PARTITIONS)])
    (full,) = [tp for tp, end in ends.items() if end]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_records({full: RecordsToDelete(before_offset=ends[full])})
    finally:
        await admin.close()
    return int(full.partition)


async def test_a_configuration_that_was_migrated_away_from_comes_back_only_once_nobody_runs(case: Case) -> None:
    await case.prepare()
    other = replace(case.settings, inactivity_days=7)
    await case.commit(0, fingerprint=other.fingerprint, former=(digest(case.settings.fingerprint),))
    newer = replace(case.settings, state_format=1)
    await case.commit(1, fingerprint=case.settings.fingerprint, former=(digest(newer.fingerprint),))
    assert (await case.found()).migrated == {0: 1, 1: 1}
    group = {"group_id": case.settings.app_id, "session_timeout_ms": 6000}
    async with AIOKafkaConsumer(case.names.visits, **case.kafka, **group) as running:  # type: ignore[arg-type]
        await servers.eventually(running.assignment, 20, "a member of the group")
        with pytest.raises(StateMismatchError, match=r"partition 0: .*workers are running.*stop all workers first"):
            await case.found()
        await case.commit(0, fingerprint=case.settings.fingerprint)
        found = await case.found(state_format=1)
        assert found.migrated == {0: 0, 1: 0}  # partition 1 has taken another form since: it keeps it
    assert (await case.found(inactivity_days=7)).migrated == {0: 0, 1: 1}
