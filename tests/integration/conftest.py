"""Fixtures of the running service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.cluster import PARTITIONS, Cluster

from stream_app.stores.embedded import EmbeddedRedis

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import servers


@pytest.fixture
async def cluster(
    kafka_broker: servers.KafkaBroker, redis_url: str, tmp_path: Path, topic: Callable[..., Awaitable[str]]
) -> AsyncIterator[Cluster]:
    """An application of its own on the real Kafka and Redis, its topics made, no worker started yet."""
    made = Cluster(kafka_broker.bootstrap, redis_url, tmp_path)
    await topic(made.purchases, PARTITIONS)
    await topic(made.visits, PARTITIONS)
    yield made
    made.kill()


@pytest.fixture(params=["embedded", pytest.param("server", marks=pytest.mark.redis_server)])
async def url(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A Redis of either kind."""
    if request.param == "server":
        yield request.getfixturevalue("redis_url")
    else:
        server = await EmbeddedRedis.start()
        yield f"unix://{server.socket}"
        await server.stop()
