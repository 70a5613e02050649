"""The Faust app of a worker: our transport, assignor and scheduler; none of Faust's web, no store on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import faust
from faust.serializers.schemas import Schema
from faust.types import TP

from stream_app.engine.assignor import CoPartitionAssignor
from stream_app.engine.chunks import ChunkScheduler
from stream_app.engine.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.engine.sources import Sources
    from stream_app.engine.tables import Tables
    from stream_app.engine.topics import Topics

#: Faust events (chunks, that is, of up to 4 MB) that a stream may hold before its partition is paused.
BUFFERED_CHUNKS = 1


class ChunkSchema(Schema):
    """Hands the chunk to the agent as it is."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Any]:
        """Returns the function that makes an event of a message."""
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create_event(None, message.value, None, message)

        return decode


class ServiceApp(faust.App):
    """A Faust app whose source topics are read in chunks, from where `sources` says.

    Attributes:
        topics_: names of all topics.
        sources, service_tables: set by `bootstrap` before the app starts.
        rewind: called when partials have to be read from their beginning.
    """

    sources: Sources
    service_tables: Tables
    rewind: Callable[[], None]

    def __init__(self, app_id: str, names: Topics, **options: Any) -> None:
        self.names = names
        self.chunk_topics = names.chunked
        super().__init__(
            app_id,
            store="memory://",
            web_enabled=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            stream_buffer_maxsize=BUFFERED_CHUNKS,
            stream_recovery_delay=0.0,
            stream_publish_on_commit=False,
            broker_commit_interval=1.0,
            producer_acks=-1,
            ConsumerScheduler=ChunkScheduler,
            PartitionAssignor=CoPartitionAssignor,
            **options,
        )

    def chunk_topic(self, name: str) -> Any:
        """A channel whose events are chunks of a topic."""
        return self.topic(name, schema=ChunkSchema())

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Does nothing: no state is kept on disk, and Faust would leave empty folders where the worker was started."""

    # -- what the consumer asks

    def durable_offset(self, tp: TP) -> int | None:
        """The offset to commit to the group for a chunk topic."""
        return self.sources.durable_offset(tp.topic, tp.partition) if self.sources.is_source(tp.topic) else None

    def on_assigned_partitions(self, assigned: set[TP], generation: int) -> None:
        """Called at every assignment, before Faust's own handling."""
        self.sources.attach(self.consumer)
        self.sources.on_assigned({tp.partition for tp in assigned if self.sources.is_source(tp.topic)}, generation)
        self.service_tables.on_assigned(TP(self.names.partials, 0) in assigned, generation)

    async def positions(self, assigned: set[TP]) -> dict[TP, int]:
        """Where reading of the chunk topics starts; the partials are read anew, they hold the merged counters."""
        partials = {TP(tp.topic, tp.partition): 0 for tp in assigned if tp.topic == self.names.partials}
        if partials:
            self.rewind()
            await self.consumer.seek_wait(partials)
        return partials | await self.sources.positions(assigned)
