"""What the contenders read: topics of visits and purchases, written before any clock runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import servers
from aiokafka import AIOKafkaProducer

from tests.benchmarks.workload import PARTITIONS, PURCHASES, VISITS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.producer.message_accumulator import BatchBuilder

    from tests.benchmarks.workload import Workload


@dataclass(frozen=True)
class Batching:
    """How the producers batch: what ends a batch, and its compression (None or a codec that aiokafka knows)."""

    size: int = 16_384  # Kafka's default
    records: int | None = None
    compression: str | None = None

    @property
    def described(self) -> str:
        size = f"{self.size:,} bytes" if self.records is None else f"{self.records:,} records"
        return f"batches of {size}, {self.compression or 'no'} compression"


@dataclass(frozen=True)
class Log:
    """Filled topics: their broker, their names, and how many records each partition of each holds."""

    bootstrap: str
    visits: str
    purchases: str
    ends: Mapping[str, Mapping[int, int]]

    @property
    def events(self) -> int:
        return sum(sum(ends.values()) for ends in self.ends.values())


async def fill(bootstrap: str, suffix: str, work: Workload, batching: Batching) -> Log:
    """Creates two topics and writes a workload to them, in batches as producers send them."""
    names = {topic: topic + suffix for topic in (VISITS, PURCHASES)}
    for name in names.values():
        await servers.topic(bootstrap, name, PARTITIONS)
    ends = {name: dict.fromkeys(range(PARTITIONS), 0) for name in names.values()}
    builders: dict[tuple[str, int], BatchBuilder] = {}
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, max_batch_size=batching.size, compression_type=batching.compression
    ) as producer:
        for topic, partition, key, value in work.records():
            name = names[topic]
            builder = builders.get((name, partition))
            full = builder is not None and builder.record_count() == batching.records
            if builder is None or full or builder.append(key=key, value=value, timestamp=None) is None:
                if builder is not None:
                    await producer.send_batch(builder, name, partition=partition)
                builder = builders[name, partition] = producer.create_batch()
                builder.append(key=key, value=value, timestamp=None)
            ends[name][partition] += 1
        for (name, partition), builder in builders.items():
            await producer.send_batch(builder, name, partition=partition)
        await producer.flush()
    return Log(bootstrap, names[VISITS], names[PURCHASES], ends)
