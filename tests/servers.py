"""Real servers for tests (Kafka, Redis, Prometheus, Chromium) and the waiting that replaces sleeping.

A part this machine does not have skips the test with its reason; in CI (`CI=true`) the same reason fails it,
because there `.ci/run` installs every part.
"""

import asyncio
import inspect
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

ROOT = Path(__file__).resolve().parent.parent
KAFKA_SCRIPT = ROOT / "deploy" / "kafka" / "kafka"
KAFKA_PART_MISSING = 3  # the script's exit code when Java, Maven or the jars are not to be had
POLL_SECONDS = 0.02


def missing(reason: str) -> NoReturn:
    """Skip the test for a part this machine lacks; in CI fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason} (CI must have it: see .ci/run)", pytrace=False)
    pytest.skip(reason)


def need(program: str, package: str) -> str:
    """Path of a program, or skip with the Debian package that brings it."""
    return shutil.which(program) or missing(f"{program} is missing (Debian: apt-get install {package})")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unique(prefix: str) -> str:
    """A name no other test uses: brokers and Redis live as long as the test run."""
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


class _Waiting:
    """Remembers why a condition did not hold, so that a timeout can say it."""

    def __init__(self, timeout: float, message: str) -> None:
        self.deadline = time.monotonic() + timeout
        self.timeout, self.message = timeout, message
        self.last: object = None

    def failed(self, why: object) -> None:
        self.last = why
        if time.monotonic() > self.deadline:
            cause = why if isinstance(why, BaseException) else None
            raise AssertionError(
                f"{self.message or 'condition'} did not hold within {self.timeout} s; last: {why!r}"
            ) from cause


def eventually_sync[T](condition: Callable[[], T], timeout: float = 10.0, message: str = "") -> T:
    """Return the condition's first true value; an AssertionError or OSError inside it counts as not yet."""
    waiting = _Waiting(timeout, message)
    while True:
        try:
            if value := condition():
                return value
            waiting.failed(value)
        except (AssertionError, OSError) as error:
            waiting.failed(error)
        time.sleep(POLL_SECONDS)
