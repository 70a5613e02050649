"""The topics of the service: their names, their creation, and the checks that exactness depends on."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from stream_app.domain.errors import ConfigurationError, ConnectionFailedError
from stream_app.engine.topic_checks import Found, doubtful, wrong, wrong_sources

if TYPE_CHECKING:
    from collections.abc import Collection

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
        alert_states, outbox, alert_history: the tables of the alerts; one partition, compacted.
        control: which generation of the state is the one to count in; one partition, compacted.
        commands: silences and acknowledgements as they are asked for; one partition.
    """

    visits: str
    purchases: str
    changelog: str
    partials: str
    closings: str
    alerts: str
    dead_letters: str
    alert_states: str = "alert-states-changelog"
    outbox: str = "outbox-changelog"
    control: str = "control"
    alert_history: str = "alert-history-changelog"
    commands: str = "commands"

    @property
    def sources(self) -> tuple[str, ...]:
        """The source topics, each once."""
        return tuple(dict.fromkeys((self.visits, self.purchases)))

    @property
    def alert_tables(self) -> tuple[str, ...]:
        """The tables of the alerts. A row of a rule with a thousand firing alerts is larger than usual records."""
        return (self.alert_states, self.outbox, self.alert_history)

    @property
    def compacted(self) -> tuple[str, ...]:
        """The topics that hold the latest value of each key for good: state; the changelog first."""
        return (self.changelog, self.partials, self.alert_states, self.outbox, self.control, self.alert_history)

    @property
    def chunked(self) -> frozenset[str]:
        """The topics read in chunks."""
        return frozenset((*self.sources, self.partials))


_COMPACT = {"cleanup.policy": "compact", "segment.ms": "3600000", "min.cleanable.dirty.ratio": "0.2"}
_TABLE = _COMPACT | {"max.message.bytes": str(MOST_BYTES)}


#: A dead letter holds the whole record in base64, so it may be larger than any record of a source topic.
_LETTERS = {"retention.ms": "1209600000", "max.message.bytes": str(MOST_BYTES)}


#: Commands that were not applied in so long (nobody judged) are not applied any more.
_COMMANDS = {"retention.ms": "2592000000"}


class TopicAdmin:
    """Looks topics up and creates those that are missing.

    Args:
        settings: connection arguments of aiokafka's clients.
        replication: replication factor of new topics.

    Attributes:
        doubts: what `prepare` found that may lose events or state one day, a sentence each.
    """

    def __init__(self, settings: dict[str, object], replication: int) -> None:
        self._settings = settings
        self._replication = replication
        self.doubts: list[str] = []

    async def prepare(self, topics: Topics, partitions: int, *, create: bool = True) -> int:
        """Creates the missing topics and checks the others. Returns the number of source partitions.

        Args:
            topics: their names.
            partitions: of source topics that are created here.
            create: False to check only.

        Raises:
            ConnectionFailedError: the broker does not answer.
            ConfigurationError: a topic is not as exactness asks for.
        """
        admin = await self._connect()
        try:
            found = await _found(admin)
            if (problem := wrong_sources(topics.sources, found)) is not None:
                raise ConfigurationError(problem)
            number = next((found[topic].partitions for topic in topics.sources if topic in found), partitions)
            letters = found[topics.dead_letters].partitions if topics.dead_letters in found else 1
            wanted = {
                **{topic: (number, {}) for topic in topics.sources},
                topics.changelog: (number, _COMPACT),
                **dict.fromkeys(topics.compacted[1:], (1, _COMPACT)),
                **dict.fromkeys(topics.alert_tables, (1, _TABLE)),
                topics.closings: (1, {"retention.ms": "604800000"}),
                topics.alerts: (1, {"retention.ms": "-1"}),
                topics.commands: (1, _COMMANDS),
                topics.dead_letters: (letters, _LETTERS),
            }
            known = await _configured(admin, {topic: found[topic] for topic in wanted if topic in found})
            problem = wrong({topic: count for topic, (count, _) in wanted.items()}, topics.compacted, known)
            if problem is not None:
                raise ConfigurationError(problem)
            missing = {topic: new for topic, new in wanted.items() if topic not in found}
            if create and missing:
                await self._create(admin, missing)
            brokers = len((await admin.describe_cluster()).get("brokers", ()))
            self.doubts = doubtful(topics, topics.compacted, known, brokers)
            return number
        finally:
            await admin.close()

    async def exists(self, topic: str) -> bool:
        """Whether there is a topic of this name."""
        admin = await self._connect()
        try:
            return topic in await admin.list_topics()
        finally:
            await admin.close()

    async def compacted(self, topics: Collection[str]) -> list[str]:
        """Which of these topics lose events by compaction, in words."""
        admin = await self._connect()
        try:
            found = await _configured(admin, {topic: Found(0) for topic in topics})
        finally:
            await admin.close()
        policies = {topic: one.config.get("cleanup.policy", "") for topic, one in found.items()}
        return [f"topic {topic}: its cleanup.policy is {p!r}" for topic, p in policies.items() if "compact" in p]

    async def delete(self, prefixes: Collection[str], ends: Collection[str]) -> list[str]:
        """Deletes the topics whose names are one of the prefixes with one of the ends. Returns their names."""
        admin = await self._connect()
        try:
            wanted = {f"{prefix}{end}" for prefix in prefixes for end in ends}
            found = sorted(wanted & set(await admin.list_topics()))
            if found:
                await admin.delete_topics(found)
            return found
        finally:
            await admin.close()

    async def members(self, group: str) -> list[str]:
        """The hosts of the group's members; none where the broker does not tell."""
        admin = await self._connect()
        try:
            responses = await admin.describe_consumer_groups([group])
            return [str(member[-3]) for r in responses for entry in r.groups for member in entry[5]]
        except (KafkaError, ValueError, NotImplementedError):
            return []
        finally:
            await admin.close()

    async def letter_limit(self, topic: str) -> int:
        """The most bytes of a record that a topic takes, with room for what a batch adds."""
        admin = await self._connect()
        try:
            found = await _configured(admin, {topic: Found(0)})
        finally:
            await admin.close()
        told = found[topic].config.get("max.message.bytes")
        return _USUAL_BYTES if told is None else min(int(told), MOST_BYTES) - 10_000

    async def _connect(self) -> AIOKafkaAdminClient:
        admin = AIOKafkaAdminClient(**self._settings)
        try:
            await asyncio.wait_for(admin.start(), CONNECT_SECONDS)
        except (KafkaError, OSError, TimeoutError) as error:
            await admin.close()
            servers = str(self._settings["bootstrap_servers"])
            unknown = await _unresolved(servers)
            what = [f"the name of {server} cannot be resolved ({why})" for server, why in unknown.items()]
            advice = "Correct the broker setting (--broker HOST:PORT)."
            if len(unknown) < len(servers.split(",")):
                what.insert(0, f"{servers} does not answer{_reason(error)}")
                advice = "Start it, or correct the broker setting (--broker HOST:PORT)."
            raise ConnectionFailedError(f"broker: {', '.join(what)}. {advice}") from error
        return admin

    async def _create(self, admin: AIOKafkaAdminClient, missing: dict[str, tuple[int, dict[str, str]]]) -> None:
        safe = {"min.insync.replicas": "2"} if self._replication > 2 else {}
        new = [
            NewTopic(name=t, num_partitions=n, replication_factor=self._replication, topic_configs=config | safe)
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
            if set(missing) <= set(await admin.list_topics()):
                return
            await asyncio.sleep(0.1)
        raise ConnectionFailedError(f"topics {', '.join(missing)}: they were created but do not appear on the broker")


async def _unresolved(servers: str) -> dict[str, str]:
    """Those of some servers, `host:port,host:port`, whose host has no address, and what the resolver says."""
    found = {}
    for server in servers.split(","):
        host, _, port = server.rpartition(":")
        try:
            lookup = asyncio.get_running_loop().getaddrinfo(host.strip("[]"), int(port))
            await asyncio.wait_for(lookup, CONNECT_SECONDS)
        except socket.gaierror as error:
            found[server] = (error.strerror or str(error)).lower()
        except (OSError, ValueError, TimeoutError):
            continue  # it is not known that there is none
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f" within {CONNECT_SECONDS:.0f} s"
    if isinstance(error, KafkaConnectionError):
        return ""  # its text is the address once more
    return f" ({error})"


async def _found(admin: AIOKafkaAdminClient) -> dict[str, Found]:
    """Every topic there is, without its settings."""
    names = await admin.list_topics()
    described = await admin.describe_topics(list(names)) if names else []
    return {
        entry["topic"]: Found(
            len(entry["partitions"]), min((len(p.get("replicas", ())) for p in entry["partitions"]), default=0)
        )
        for entry in described
    }


async def _configured(admin: AIOKafkaAdminClient, topics: dict[str, Found]) -> dict[str, Found]:
    """The topics with their settings, as far as the broker tells."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    configs: dict[str, dict[str, str]] = {}
    try:
        for response in await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, t) for t in topics]):
            for resource in response.resources:
                configs[resource[3]] = {entry[0]: str(entry[1]) for entry in resource[4]}
    except (KafkaError, ValueError, NotImplementedError):
        pass
    return {topic: replace(found, config=configs.get(topic, {})) for topic, found in topics.items()}
