"""The topics of the service: their names, their creation, and the checks that exactness depends on."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from stream_app.domain.errors import ConfigurationError, ConnectionFailedError

log = logging.getLogger(__name__)

#: The largest record that is written.
MOST_BYTES = 16 * 1024 * 1024
#: What a topic takes where the broker does not say; Kafka's default less what a batch adds to its record.
_USUAL_BYTES = 1_000_000

CONNECT_SECONDS = 15.0


@dataclass(frozen=True)
class Topics:
    """Names of all topics.

    Attributes:
        visits, purchases: the sources; they may be one.
        changelog: users' rows and markers, a partition a source partition; compacted.
        partials: counters of the source partitions; one partition, compacted.
        closings: says that periods closed, so that rules are judged; one partition.
        alerts: changes of alerts; one partition.
        dead_letters: records that could not be counted.
    """

    visits: str
    purchases: str
    changelog: str
    partials: str
    closings: str
    alerts: str
    dead_letters: str

    @property
    def sources(self) -> tuple[str, ...]:
        """The source topics, each once."""
        return tuple(dict.fromkeys((self.visits, self.purchases)))

    @property
    def chunked(self) -> frozenset[str]:
        """The topics read in chunks."""
        return frozenset((*self.sources, self.partials))


_COMPACT = {"cleanup.policy": "compact", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.2"}


#: A dead letter holds the whole record in base64, so it may be larger than any record of a source topic.
_LETTERS = {"retention.ms": "1209600000", "max.message.bytes": str(MOST_BYTES)}


class TopicAdmin:
    """Looks topics up and creates those that are missing.

    Args:
        settings: connection arguments of aiokafka's clients.
        replication: replication factor of new topics.
    """

    def __init__(self, settings: dict[str, object], replication: int) -> None:
        self._settings = settings
        self._replication = replication

    async def prepare(self, topics: Topics, partitions: int, *, create: bool = True) -> int:
        """Creates the missing topics and checks the others. Returns the number of source partitions.

        Args:
            topics: their names.
            partitions: of source topics that are created here.
            create: False to check only.

        Raises:
            ConnectionFailedError: the broker does not answer.
            ConfigurationError: a topic has a partition count or a cleanup policy that would break exactness.
        """
        admin = await self._connect()
        try:
            counts = await _partition_counts(admin)
            known = {topic: counts[topic] for topic in topics.sources if topic in counts}
            if len(set(known.values())) > 1:
                raise ConfigurationError(
                    f"topics {' and '.join(f'{t} ({n} partitions)' for t, n in known.items())}: their partition counts "
                    "differ, so one user's visits and purchases would not meet. Give both the same "
                    "number of partitions."
                )
            number = next(iter(known.values()), partitions)
            wanted = {
                **{topic: (number, {}) for topic in topics.sources},
                topics.changelog: (number, _COMPACT),
                topics.partials: (1, _COMPACT),
                topics.closings: (1, {"retention.ms": "604800000"}),
                topics.alerts: (1, {"retention.ms": "-1"}),
                topics.dead_letters: (counts.get(topics.dead_letters, 1), _LETTERS),
            }
            for topic, (count, _) in wanted.items():
                if topic in counts and counts[topic] != count:
                    raise ConfigurationError(
                        f"topic {topic}: it has {counts[topic]} partitions and needs {count}. The number of source "
                        "partitions may not change while state is kept: restore it, or count anew under another app_id."
                    )
            missing = {t: w for t, w in wanted.items() if t not in counts}
            if create and missing:
                await self._create(admin, missing)
            await self._check_compaction(admin, [t for t in (topics.changelog, topics.partials) if t in counts])
            return number
        finally:
            await admin.close()

    async def letter_limit(self, topic: str) -> int:
        """The most bytes of a record that a topic takes, with room for what a batch adds."""
        admin = await self._connect()
        try:
            told = await _setting(admin, topic, "max.message.bytes")
        finally:
            await admin.close()
        return _USUAL_BYTES if told is None else min(int(told), MOST_BYTES) - 10_000

    async def _connect(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**self._settings)
        try:
            await asyncio.wait_for(admin.start(), CONNECT_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            await admin.close()
            raise ConnectionFailedError(
                f"broker: {self._settings['bootstrap_servers']} does not answer{_reason(error)}. "
                "Start it, or correct the broker setting (--broker HOST:PORT)."
            ) from error
        return admin

    async def _create(self, admin: AIOKafkaAdminClient, missing: dict[str, tuple[int, dict[str, str]]]) -> None:
        new = [
            NewTopic(name=t, num_partitions=n, replication_factor=self._replication, topic_configs=config)
            for t, (n, config) in missing.items()
        ]
        try:
            response = await admin.create_topics(new)
        except TopicAlreadyExistsError:
            response = None  # another worker was faster
        for entry in getattr(response, "topic_errors", None) or []:
            topic, code, message = entry[0], entry[1], entry[2] if len(entry) > 2 else ""
            if code not in (0, TopicAlreadyExistsError.errno):
                raise ConfigurationError(
                    f"topic {topic}: it cannot be created (code {code}: {message}). Create it by hand."
                )
        log.info("Created the topics %s.", ", ".join(missing))
        for _ in range(100):
            if set(missing) <= set(await _partition_counts(admin)):
                return
            await asyncio.sleep(0.1)
        raise ConnectionFailedError(f"topics {', '.join(missing)}: they were created but do not appear on the broker")

    async def _check_compaction(self, admin: AIOKafkaAdminClient, topics: list[str]) -> None:
        for topic in topics:
            policy = await _setting(admin, topic, "cleanup.policy")
            if policy is not None and "compact" not in policy:
                raise ConfigurationError(
                    f"topic {topic}: its cleanup.policy is {policy!r} and must be 'compact', or state would be deleted "
                    "with age. Alter the topic's configuration."
                )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f" within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, KafkaConnectionError):
        return ""  # its text is the address once more
    return f" ({error})"


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    names = await admin.list_topics()
    found = await admin.describe_topics(list(names)) if names else []
    return {entry["topic"]: len(entry["partitions"]) for entry in found}


async def _setting(admin: AIOKafkaAdminClient, topic: str, name: str) -> str | None:
    """A setting of a topic, None where the broker does not tell."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    try:
        responses = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    except (KafkaError, ValueError, NotImplementedError):
        return None
    for response in responses:
        for resource in response.resources:
            for entry in resource[4]:
                if entry[0] == name:
                    return str(entry[1])
    return None
