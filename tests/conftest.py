"""Fixtures of real servers: started when the first test asks, shared by all, stopped at the end (see servers.py)."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
import servers
from selenium import webdriver

S = TypeVar("S", bound=servers.Daemon)

# Which fixture a test uses says which part of a machine it needs: `-m "not kafka"` works without marking tests by hand.
MARKERS = {
    "kafka_broker": "kafka",
    "redis_server": "redis_server",
    "prometheus_server": "prometheus",
    "alertmanager_server": "alertmanager",
    "chromium": "chromium",
}


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in MARKERS:
                item.add_marker(MARKERS[fixture])


@pytest.fixture(scope="session")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.KafkaBroker]:
    """A real Kafka of one node (`.bootstrap`, `.url`, `.start()`, `.stop()`, `.kill()`)."""
    with servers.running_broker(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def topic(kafka_broker: servers.KafkaBroker) -> Callable[..., Awaitable[str]]:
    """`await topic(name, partitions=1, config=None)` creates a topic and returns its name."""

    def create(name: str, partitions: int = 1, config: Mapping[str, str] | None = None) -> Awaitable[str]:
        return servers.topic(kafka_broker.bootstrap, name, partitions, config)

    return create


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.RedisServer]:
    """A real redis-server (`.url`, `.start()`, `.stop()`, `.kill()`, `.flush()`)."""
    server = servers.RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def redis_url(redis_server: servers.RedisServer) -> str:
    """The URL of a real redis-server that is empty."""
    redis_server.flush()
    return redis_server.url


@pytest.fixture(autouse=True)
def _servers_are_left_running(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test may kill a shared server and fail before it starts it again: the next test finds it running."""
    yield
    for fixture in ("kafka_broker", "redis_server"):
        if fixture in request.fixturenames:
            server = request.getfixturevalue(fixture)
            if not server.running:
                server.start()


def _started(
    make: Callable[[Path, Mapping[str, Any]], S], tmp_path_factory: pytest.TempPathFactory, name: str
) -> Iterator[Callable[[Mapping[str, Any]], S]]:
    """Starts servers of one kind, each with a configuration, and ends them."""
    with ExitStack() as stack:

        def start(config: Mapping[str, Any]) -> S:
            server = make(tmp_path_factory.mktemp(name), config)
            server.start()
            stack.callback(server.kill)
            return server

        yield start


@pytest.fixture(scope="session")
def prometheus_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Mapping[str, Any]], servers.PrometheusServer]]:
    """`prometheus_server(config)` starts Debian's Prometheus with that configuration (`.url`, `.query(...)`)."""
    yield from _started(servers.PrometheusServer, tmp_path_factory, "prometheus")


@pytest.fixture
def alertmanager_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[Mapping[str, Any]], servers.AlertmanagerServer]]:
    """`alertmanager_server(config)` starts Debian's Alertmanager with that configuration (`.url`, `.alerts()`)."""
    yield from _started(servers.AlertmanagerServer, tmp_path_factory, "alertmanager")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., webdriver.Chrome]]:
    """`chromium(width=1280, height=900)` opens a headless Chromium and returns its Selenium driver."""
    browser = servers.need("chromium", "chromium")
    driver = servers.need("chromedriver", "chromium-driver")
    with ExitStack() as stack:

        def open_browser(width: int = 1280, height: int = 900) -> webdriver.Chrome:
            options = webdriver.ChromeOptions()
            options.binary_location = browser
            profile = tmp_path_factory.mktemp("chromium")
            for argument in (
                "--headless=new",
                "--no-sandbox",  # CI runs as root, which Chromium's sandbox refuses
                "--disable-dev-shm-usage",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                f"--window-size={width},{height}",
                f"--user-data-dir={profile}",
            ):
                options.add_argument(argument)
            options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
            # The driver's path is given: Selenium never looks for one to download.
            window = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
            stack.callback(window.quit)
            return window

        yield open_browser
