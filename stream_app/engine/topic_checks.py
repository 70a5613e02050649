"""What topics must be like for figures to be exact, and what is doubtful about them; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from stream_app.engine.topics import Topics

#: The least that a topic of state must take in a record batch: what is written at once, and what a batch adds.
LEAST_BATCH = 600_000
#: What a topic of the alerts' tables should take: the row of a rule with a thousand firing alerts, twice over.
LEAST_TABLE_ROW = 4_000_000
#: Source topics that keep events for less (ms) leave little time to mend an outage.
SHORT_RETENTION = 24 * 3_600_000


@dataclass(frozen=True)
class Found:
    """A topic as the broker tells of it.

    Attributes:
        partitions: how many.
        replicas: of the partition that has the fewest.
        config: its settings; those the broker does not tell are missing.
    """

    partitions: int
    replicas: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


def wrong_sources(sources: Iterable[str], found: Mapping[str, Found]) -> str | None:
    """Why the source topics do not fit each other; None where they do."""
    counts = {topic: found[topic].partitions for topic in sources if topic in found}
    if len(set(counts.values())) <= 1:
        return None
    return (
        f"topics {' and '.join(f'{t} ({n} partitions)' for t, n in counts.items())}: their partition counts differ, so "
        "one user's visits and purchases would not meet. Give both the same number of partitions."
    )


def wrong(wanted: Mapping[str, int], compacted: Iterable[str], found: Mapping[str, Found]) -> str | None:
    """Why state could be lost or counted wrongly with these topics; None where it could not.

    Args:
        wanted: by topic, how many partitions it must have.
        compacted: the topics that hold the latest value of each key, for good.
        found: the topics there are.
    """
    for topic, count in wanted.items():
        if topic in found and found[topic].partitions != count:
            return (
                f"topic {topic}: it has {found[topic].partitions} partitions and needs {count}. The number of source "
                "partitions may not change while state is kept: restore it, or count anew under another app_id."
            )
    for topic in compacted:
        config = found[topic].config if topic in found else {}
        policy = config.get("cleanup.policy", "compact")
        if {one.strip() for one in policy.split(",")} != {"compact"}:
            return (
                f"topic {topic}: its cleanup.policy is {policy!r} and must be 'compact', or state would be deleted "
                "with age. Alter the topic's configuration."
            )
        largest = int(config.get("max.message.bytes", LEAST_BATCH))
        if largest < LEAST_BATCH:
            return (
                f"topic {topic}: its max.message.bytes is {largest} and must be {LEAST_BATCH} or more, or commits "
                "would be refused. Alter the topic's configuration."
            )
    return None


def doubtful(topics: Topics, compacted: Iterable[str], found: Mapping[str, Found], brokers: int) -> list[str]:
    """What may lose events or state one day, a sentence each.

    Args:
        topics: their names.
        compacted: the topics that hold state.
        found: the topics there are.
        brokers: how many brokers the cluster has.
    """
    told: list[str] = []
    for topic in topics.sources:
        told += _source(topic, found.get(topic, Found(0)).config)
    for topic in (topics.alerts, topics.dead_letters):
        policy = found.get(topic, Found(0)).config.get("cleanup.policy", "")
        if "compact" in policy:
            told.append(f"topic {topic}: its cleanup.policy is {policy!r}: only the latest record of a key is kept")
    for topic in topics.alert_tables:
        largest = int(found.get(topic, Found(0)).config.get("max.message.bytes", LEAST_TABLE_ROW))
        if largest < LEAST_TABLE_ROW:
            told.append(
                f"topic {topic}: its max.message.bytes is {largest}: a rule with more than some hundred firing alerts "
                f"could not be told of; set it to {LEAST_TABLE_ROW} or more"
            )
    for topic in (*topics.sources, *compacted):
        if topic in found:
            told += _replication(topic, found[topic], brokers)
    return told


def _source(topic: str, config: Mapping[str, str]) -> Iterator[str]:
    policy = config.get("cleanup.policy", "")
    if "compact" in policy:
        yield f"topic {topic}: its cleanup.policy is {policy!r}: earlier events of a user vanish, unread ones too"
    retention = int(config.get("retention.ms", -1))
    if "delete" in policy and 0 <= retention < SHORT_RETENTION:
        yield f"topic {topic}: its retention.ms is {retention}: events that wait longer, in an outage say, are lost"


def _replication(topic: str, found: Found, brokers: int) -> Iterator[str]:
    least = int(found.config.get("min.insync.replicas", 1))
    if least > found.replicas:
        yield (
            f"topic {topic}: its min.insync.replicas is {least} and it has {found.replicas} replicas: "
            "every write is refused"
        )
    elif found.replicas > 1 and least == 1:
        yield (
            f"topic {topic}: its min.insync.replicas is 1: what one broker alone has taken is lost with it; set it to 2"
        )
    elif found.replicas == 1 and brokers > 1:
        yield f"topic {topic}: it has one replica: what its broker loses is lost"
    if found.config.get("unclean.leader.election.enable") == "true":
        yield f"topic {topic}: its unclean.leader.election.enable is true: an outage can take back what was committed"
