from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from support.figures import product
from support.web import FakeReader

from stream_app.exporters.prometheus import Metrics
from stream_app.web.health import HealthBoard
from stream_app.web.server import WebServer


@dataclass
class Site:
    """A running server, what it shows, and a client of it."""

    reader: FakeReader
    session: aiohttp.ClientSession
    health: HealthBoard = field(default_factory=lambda: HealthBoard([]))
    metrics: Metrics = field(default_factory=Metrics)
    server: WebServer | None = None

    async def get(self, path: str, **headers: str) -> tuple[int, Any, Any]:
        """(status, JSON or text, headers)"""
        async with self.session.get(self.server.url.rstrip("/") + path, headers=headers) as answer:
            if answer.content_type == "application/json":
                return answer.status, await answer.json(), answer.headers
            return answer.status, await answer.text(), answer.headers


@pytest.fixture
async def open_site():
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())

        async def open_one(reader: FakeReader | None = None, **options) -> Site:
            site = Site(reader or FakeReader(product(users=60, days=20)), session)
            server = WebServer("127.0.0.1", 0, site.reader, site.health, site.metrics.registry, **options)
            await server.start()
            stack.push_async_callback(server.stop)
            site.server = server
            return site

        yield open_one


@pytest.fixture
async def site(open_site):
    return await open_site()
