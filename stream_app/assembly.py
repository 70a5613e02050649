"""What `run` and `rebuild` are both made of: names, what source partitions are made from, positions in the sources."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.codecs.events import EventDecoder
from stream_app.domain.errors import StateMismatchError
from stream_app.domain.events import rfc3339
from stream_app.domain.migration import Migrate, plan
from stream_app.engine.changelog import newest_markers
from stream_app.engine.control import state_id
from stream_app.engine.source_config import SourceConfig
from stream_app.engine.stored import accept, digest
from stream_app.engine.topics import Topics

if TYPE_CHECKING:
    from stream_app.codecs.rows import Marker
    from stream_app.engine.topics import TopicAdmin
    from stream_app.settings import Settings

log = logging.getLogger(__name__)


def clock() -> int:
    """The wall clock (ms)."""
    return time.time_ns() // 1_000_000


def topics_of(settings: Settings, generation: int = 1) -> Topics:
    """The names of all topics, those of the state in one generation of it."""
    state = state_id(settings.app_id, generation)
    return Topics(
        visits=settings.visits_topic,
        purchases=settings.purchases_topic,
        changelog=f"{state}-users-changelog",
        partials=f"{state}-partials",
        closings=f"{state}-closings",
        alerts=settings.alerts_topic,
        dead_letters=settings.dead_letters_topic,
        # Faust's names for the changelogs of its tables, which these were once. They outlive a count: what was judged
        # and told stays judged and told.
        alert_states=f"{settings.app_id}-alert-states-changelog",
        outbox=f"{settings.app_id}-outbox-changelog",
        control=f"{settings.app_id}-control",
        alert_history=f"{settings.app_id}-alert-history-changelog",
        commands=f"{settings.app_id}-commands",
    )


def source_config(
    settings: Settings, names: Topics, *, partitions: int, letter_limit: int, atomic: bool
) -> SourceConfig:
    """What source partitions are made from."""
    s = settings
    return SourceConfig(
        definitions=s.definitions,
        calendar=s.calendar,
        dimensions=s.dimensions,
        max_values=s.max_values,
        fingerprint=s.fingerprint,
        topics=names.sources,
        lateness=int(s.allowed_lateness * 1000),
        idle_after=int(s.idle_after * 1000),
        partials_interval=s.partials_interval,
        clock=clock,
        decoder=lambda: EventDecoder(
            dimensions=s.dimensions,
            currency=s.currency,
            future_tolerance_ms=int(s.future_tolerance * 1000),
            minor_units=s.minor_units,
            actor=s.actor,
            conditions=s.conditions,
            seconds=False,
        ),
        letter_limit=letter_limit,
        partitions=partitions,
        orders=s.orders,
        hour_days=s.hour_days,
        atomic=atomic,
    )


async def as_found(
    config: SourceConfig, kafka: dict[str, object], names: Topics, admin: TopicAdmin, *, group: str, tolerance: float
) -> SourceConfig:
    """The configuration with how often each partition's state has been migrated so far.

    Looks at the newest marker of every partition, so that state that cannot be gone on with is refused before a row of
    it is read. Going back to a configuration that was migrated away from is right only where no worker of the later one
    runs: else the two would take turns.

    Args:
        config: of this worker.
        kafka: connection arguments of aiokafka's clients.
        names: of the topics.
        admin: looks the group up.
        group: of the workers.
        tolerance: how far past the wall clock (s) an event time may be.

    Raises:
        StateMismatchError: the state cannot be gone on with.
    """
    markers = await newest_markers(kafka, names.changelog, range(config.partitions))
    ours = digest(config.fingerprint)
    migrated: dict[int, int] = {}
    for number, marker in sorted(markers.items()):
        accept(number, marker, config)
        if marker is None:
            continue
        _compare_clocks(marker, config.clock(), tolerance)
        migrated[number] = len(marker.former)
        found = plan(marker.fingerprint, config.fingerprint)
        if isinstance(found, Migrate) and ours in marker.former and await admin.members(group):
            if found.figures:
                raise StateMismatchError(
                    f"partition {number}: the stored state was migrated from this worker's configuration to another, "
                    f"and workers are running ({found.words}). Give this worker their settings; to go back, stop all "
                    "workers first."
                )
            migrated[number] -= 1  # as if it had been migrated since: the form of its rows is taken over
    return replace(config, migrated=migrated)


async def fits(config: SourceConfig, kafka: dict[str, object], names: Topics, generation: int) -> str:
    """How the stored state fits the configuration, in words.

    Raises:
        StateMismatchError: it does not.
    """
    markers = await newest_markers(kafka, names.changelog, range(config.partitions))
    words = {accept(number, marker, config).words for number, marker in sorted(markers.items())} - {None}
    return f"generation {generation}, " + (f"to be migrated: {'; '.join(map(str, words))}" if words else "fits")


def _compare_clocks(marker: Marker, now: int, tolerance: float) -> None:
    """Says so where another worker took an event for past that lies in this machine's future."""
    newest = max((s.last_event for s in marker.sources.values() if s.last_event is not None), default=None)
    if newest is not None and newest > now + tolerance * 1000:
        log.warning(
            "Events up to %s have been counted, which is %.0f s ahead of this machine's clock: it is slow, or another "
            "worker's is fast. Until it is right, events are dead-lettered as future ones.",
            rfc3339(newest), (newest - now) / 1000,
        )  # fmt: skip


async def source_offsets(
    kafka: dict[str, object], topics: tuple[str, ...], numbers: range | list[int]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    """First and next committed offsets of these partitions of the source topics."""
    consumer = AIOKafkaConsumer(isolation_level="read_committed", **kafka)
    try:
        await consumer.start()
        tps = [TopicPartition(topic, number) for topic in topics for number in numbers]
        return await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
    finally:
        await consumer.stop()
