"""Topics are created as they must be, and refused where they would break exactness."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAlreadyExistsError

from stream_app.domain.errors import ConfigurationError, ConnectionFailedError
from stream_app.engine import topics as module
from stream_app.engine.topics import TopicAdmin, Topics

NAMES = Topics("visits", "purchases", "app-users-changelog", "app-partials", "app-closings", "alerts", "dead-letters")


class Admin:
    """An admin client over a dict of topics: name -> (partitions, config)."""

    def __init__(self, topics: dict[str, tuple[int, dict[str, str]]], error: Exception | None = None) -> None:
        self.topics, self.error = topics, error
        self.refused: dict[str, int] = {}
        self.created: dict[str, object] = {}
        self.closed = False

    async def start(self) -> None:
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        self.closed = True

    async def list_topics(self):
        return list(self.topics)

    async def describe_topics(self, names):
        return [{"topic": name, "partitions": [{"replicas": [1]}] * self.topics[name][0]} for name in names]

    async def describe_cluster(self):
        return {"brokers": [{}]}

    async def create_topics(self, new):
        for topic in new:
            self.created[topic.name] = topic
            if topic.name not in self.refused:
                self.topics[topic.name] = (topic.num_partitions, dict(topic.topic_configs))
        return SimpleNamespace(topic_errors=[(t.name, self.refused.get(t.name, 0), "no") for t in new])

    async def describe_configs(self, resources):
        found = [(0, None, 2, r.name, list(({"cleanup.policy": "delete"} | self.topics[r.name][1]).items()))
                 for r in resources]  # fmt: skip
        return [SimpleNamespace(resources=found)]


@pytest.fixture
def admin(monkeypatch):
    def use(**topics: int | tuple[int, str]) -> Admin:
        known = {}
        for name, given in topics.items():
            count, policy = given if isinstance(given, tuple) else (given, "delete")
            known[name.replace("_", "-")] = (count, {"cleanup.policy": policy})
        made = Admin(known)
        monkeypatch.setattr(module, "AIOKafkaAdminClient", lambda **_: made)
        return made

    return use


def prepare(partitions: int = 4, **options):
    return TopicAdmin({"bootstrap_servers": "127.0.0.1:1"}, 2).prepare(NAMES, partitions, **options)


async def test_missing_topics_are_created(admin):
    fake = admin()
    assert await prepare(4) == 4
    assert {name: count for name, (count, _) in fake.topics.items()} == {
        "visits": 4, "purchases": 4, "app-users-changelog": 4, "app-partials": 1, "app-closings": 1, "alerts": 1,
        "dead-letters": 1, "alert-states-changelog": 1, "outbox-changelog": 1, "control": 1,
        "alert-history-changelog": 1, "commands": 1,
    }  # fmt: skip
    compacted = {name for name, (_, config) in fake.topics.items() if config.get("cleanup.policy") == "compact"}
    assert compacted == set(NAMES.compacted)
    assert {topic.replication_factor for topic in fake.created.values()} == {2}
    assert fake.closed


async def test_the_partition_count_is_that_of_the_sources_there_are(admin):
    fake = admin(purchases=7)
    assert await prepare(4) == 7
    assert fake.topics["visits"][0] == fake.topics["app-users-changelog"][0] == 7


async def test_sources_with_differing_partition_counts_are_refused(admin):
    fake = admin(visits=4, purchases=3)
    with pytest.raises(
        ConfigurationError, match=r"visits \(4 partitions\) and purchases \(3 partitions\).*same number"
    ):
        await prepare()
    assert fake.created == {}
    assert fake.closed


@pytest.mark.parametrize(
    ("topic", "count"), [("app-users-changelog", 3), ("app-partials", 2), ("app-closings", 2), ("alerts", 2)]
)
async def test_a_topic_with_another_partition_count_is_refused_by_name(admin, topic, count):
    fake = admin(visits=4, purchases=4, **{topic.replace("-", "_"): (count, "compact")})
    with pytest.raises(ConfigurationError, match=f"topic {topic}: it has {count} partitions"):
        await prepare()
    assert fake.created == {}


@pytest.mark.parametrize("topic", NAMES.compacted)
@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
async def test_state_that_would_be_deleted_with_age_is_refused(admin, topic, policy):
    fake = admin(**{topic.replace("-", "_"): (4 if "users" in topic else 1, policy)})
    with pytest.raises(ConfigurationError, match=rf"topic {topic}: its cleanup\.policy is '{policy}'"):
        await prepare()
    assert fake.created == {}


async def test_three_replicas_are_acknowledged_by_two(admin):
    fake = admin()
    await TopicAdmin({"bootstrap_servers": "127.0.0.1:1"}, 3).prepare(NAMES, 4)
    assert {topic.topic_configs["min.insync.replicas"] for topic in fake.created.values()} == {"2"}


async def test_checking_creates_nothing(admin):
    fake = admin(visits=2)
    assert await prepare(create=False) == 2
    assert fake.created == {}


async def test_a_topic_that_cannot_be_created_is_named(admin):
    fake = admin()
    fake.refused = {"alerts": 29}
    with pytest.raises(ConfigurationError, match="topic alerts: it cannot be created"):
        await prepare()


async def test_another_worker_may_be_faster(admin):
    fake = admin()
    fake.refused = {}
    create = fake.create_topics

    async def slower(new):
        await create(new)
        return SimpleNamespace(topic_errors=[(t.name, TopicAlreadyExistsError.errno, "") for t in new])

    fake.create_topics = slower
    assert await prepare() == 4


async def test_a_broker_that_does_not_answer_is_named(admin):
    fake = admin()
    fake.error = KafkaConnectionError("refused")
    with pytest.raises(ConnectionFailedError, match=r"broker: 127\.0\.0\.1:1 does not answer"):
        await prepare()
    assert fake.closed


WHY = "(name or service not known)"


@pytest.fixture
def resolver(monkeypatch):
    """Knows the hosts that begin with `known`."""

    async def look(_loop, host, _port, **_):
        if not host.startswith("known"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return []

    monkeypatch.setattr("asyncio.BaseEventLoop.getaddrinfo", look)


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ("typo:9092", f"broker: the name of typo:9092 cannot be resolved {WHY}. Correct the broker setting"),
        (
            "typo:1,tipo:2",
            f"broker: the name of typo:1 cannot be resolved {WHY}, the name of tipo:2 cannot be resolved {WHY}. C",
        ),
        (
            "known:1,typo:2",
            f"broker: known:1,typo:2 does not answer, the name of typo:2 cannot be resolved {WHY}. Start it, or c",
        ),
        ("known:1", "broker: known:1 does not answer. Start it"),
    ],
)
@pytest.mark.usefixtures("resolver")
async def test_a_name_that_cannot_be_resolved_is_told_from_a_broker_that_is_down(admin, servers, said):
    fake = admin()
    fake.error = KafkaConnectionError("Unable to bootstrap")
    with pytest.raises(ConnectionFailedError) as caught:
        await TopicAdmin({"bootstrap_servers": servers}, 1).prepare(NAMES, 1)
    assert str(caught.value).startswith(said)


def test_one_topic_may_hold_visits_and_purchases():
    names = Topics("events", "events", "c", "p", "x", "a", "d")
    assert names.sources == ("events",)
    assert names.chunked == {"events", "p"}
