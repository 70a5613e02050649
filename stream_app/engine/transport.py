"""Faust's Kafka transport with chunks, our assignor, `read_committed`, and offsets that follow the markers.

What Faust acknowledges says nothing about what is durable (faust #606), so for source topics acknowledgements are
ignored: reading starts at the markers, and the offsets committed to the group, which nobody reads back, are theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage

from stream_app.engine.chunks import Chunk, ChunkedRecords

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faust.types import TP


#: Bytes a fetch brings of one partition, and in all. What a chunk costs whatever is in it, some 250 calls of NumPy, is
#: shared by 20,000 events of 200 bytes instead of 5,000 at Kafka's default of 1 MiB: 0.8 us an event less. The whole
#: bounds the memory that fetches take.
PARTITION_BYTES, FETCH_BYTES = 4 * 1024 * 1024, 16 * 1024 * 1024
#: Seconds that the group's offsets may take to be committed when a worker stops, and its consumer to leave the group.
LAST_COMMIT_SECONDS, LEAVE_SECONDS = 2.0, 5.0


class ChunkConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread over a consumer that reads in chunks."""

    async def on_start(self) -> None:
        """Starts the consumer, then has its fetcher unpack in pieces."""
        await super().on_start()
        self._consumer._fetcher._records = ChunkedRecords(self.app.chunk_topics)

    async def stop(self) -> None:
        """Stops the thread; of one that was never started the event loop is closed, as the thread would have."""
        await super().stop()
        if self._thread is None:
            self.thread_loop.close()

    async def on_thread_stop(self) -> None:
        """Stops the consumer. Without a broker one of its own tasks, cancelled by it, ends its stop as cancelled.

        It lets a join of the group that is under way go through, which may never happen: nothing else ends that wait.
        """
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                await super().on_thread_stop()

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        conf = self.app.conf
        self._assignor = self.app.assignor
        return aiokafka.AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
            fetch_max_wait_ms=250,
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
            check_crcs=conf.broker_check_crcs,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
            isolation_level="read_committed",
            metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )


class ChunkConsumer(driver.Consumer):
    """Faust's consumer over chunks. The app says where reading starts and what is durable."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fetched = asyncio.Event()  # no fetch is under way
        self._fetched.set()
        self._fetching: asyncio.Task[Any] | None = None

    def _new_consumer_thread(self) -> ChunkConsumerThread:
        return ChunkConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        if not isinstance(record, Chunk):
            return super()._to_message(tp, record)
        return ConsumerMessage(
            record.topic, record.partition, record.stop - 1, 0.0, 0, None, None, record, None, -1, -1, tp,
            generation_id=self.app.consumer_generation_id,
        )  # fmt: skip

    def _new_offset(self, tp: TP) -> int | None:
        if tp.topic not in self.app.chunk_topics:
            return super()._new_offset(tp)  # type: ignore[no-any-return]
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        return self.app.durable_offset(tp)  # type: ignore[no-any-return]

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if tp.topic not in self.app.chunk_topics:
            await super()._add_gap(tp, offset_from, offset_to)

    @property
    def connected(self) -> bool:
        """Whether the group's coordinator answers, which is asked at every heartbeat."""
        consumer = getattr(self._thread, "_consumer", None)
        coordinator = getattr(consumer, "_coordinator", None)
        return coordinator is not None and coordinator.coordinator_id is not None

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        self._fetched.clear()
        self._fetching = asyncio.current_task()
        try:
            return await super()._getmany(active_partitions, timeout)
        finally:
            self._fetched.set()

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        """Seeks, but not under a fetch that a rebalance has overtaken.

        Its records are thrown away when it returns, and it returns those of paused partitions too: reading would go on
        behind them, and the recovery of a table would wait for records that never come. Faust's own
        `wait_for_stopped_flow` waits for nothing.
        """
        if not self.flow_active:
            await self._fetched.wait()
        await super().seek_wait(partitions)

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Faust seeks here before it lets records flow: chunk topics go where the app says instead."""
        if not self.flow_active and asyncio.current_task() is self._fetching:
            return {}  # called for a fetch that a rebalance has overtaken: nothing may flow yet
        offsets = dict(await super().seek_to_committed())
        positions: dict[TP, int] = await self.app.positions(set(self.assignment()))
        return offsets | positions

    async def commit_and_end_transactions(self) -> None:
        """Commits at the end, but waits for no broker that does not answer: Faust would, and cannot be cancelled there.

        Nothing depends on these offsets.
        """
        committing = asyncio.create_task(super().commit_and_end_transactions())
        await asyncio.wait({committing}, timeout=LAST_COMMIT_SECONDS)
        committing.cancel()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Commits what the sources have before the partitions are given away."""
        await self.app.sources.on_revoked()
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Has the sources take over their partitions, in the background: no heartbeat is sent before this returns."""
        self.app.on_assigned_partitions(assigned, generation_id)
        await super().on_partitions_assigned(assigned, generation_id)


class Transport(driver.Transport):
    """Faust's aiokafka transport with `ChunkConsumer`."""

    Consumer = ChunkConsumer
