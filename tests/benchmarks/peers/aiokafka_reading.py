"""A limit: aiokafka's consumer, which the service reads with, doing nothing but reading."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaConsumer

from tests.benchmarks.peers.job import Job


async def main(job: Job) -> None:
    """Reads so many records, and reports."""
    async with AIOKafkaConsumer(
        job.visits, job.purchases, bootstrap_servers=job.bootstrap, auto_offset_reset="earliest"
    ) as consumer:
        job.begin()  # the consumer is connected, and has fetched nothing yet
        read = 0
        while read < job.events:
            read += sum(map(len, (await consumer.getmany(timeout_ms=1000)).values()))
    job.end()


if __name__ == "__main__":
    asyncio.run(main(Job.of_command_line()))
