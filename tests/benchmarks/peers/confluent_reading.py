"""The limit: confluent-kafka's consumer (librdkafka, in C), doing nothing but reading."""

from __future__ import annotations

from confluent_kafka import Consumer, TopicPartition

from tests.benchmarks.peers.job import Job
from tests.benchmarks.workload import PARTITIONS


def main(job: Job) -> None:
    """Reads so many records, and reports."""
    consumer = Consumer({
        "bootstrap.servers": job.bootstrap, "group.id": job.name, "enable.auto.commit": False,
        # By default librdkafka waits a second before it fetches on, once its queue has been full.
        "fetch.queue.backoff.ms": 5, "queued.min.messages": 1_000_000,
    })  # fmt: skip
    topics = (job.visits, job.purchases)
    consumer.list_topics(timeout=10)  # connects, so that the clock measures reading
    consumer.assign([TopicPartition(topic, part, 0) for topic in topics for part in range(PARTITIONS)])
    job.begin()
    read = 0
    while read < job.events:
        messages = consumer.consume(min(job.events - read, 10_000), timeout=1)
        read += len(messages)
        failed = next((message.error() for message in messages if message.error()), None)
        if failed is not None:
            raise RuntimeError(f"reading failed: {failed}")
    job.end()
    consumer.close()


if __name__ == "__main__":
    main(Job.of_command_line())
