"""A worker's process ends when it is told to, whatever hangs in it."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PROGRAM = """
import asyncio, contextlib, logging, sys, threading
from types import SimpleNamespace

from stream_app.bootstrap import live
from stream_app.ending import Ending

async def sleeps_for_good():
    await asyncio.Event().wait()

async def swallows_its_cancellation():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

def blocks():
    threading.Event().wait()

class Service:
    web = SimpleNamespace(url="nowhere")

    async def start(self):
        {start}

    async def wait(self):
        print("running", flush=True)
        await asyncio.Event().wait()

    async def stop(self):
        print("stopping", flush=True)
        {stop}

async def worker():
    return await live(Service(), Ending({patience}))

logging.basicConfig()
sys.exit(asyncio.run(worker()))
"""


@contextmanager
def worker(*, start: str = "pass", stop: str = "pass", patience: float = 0.3) -> Iterator[subprocess.Popen[str]]:
    """A process with a service that starts and stops like this."""
    code = textwrap.dedent(PROGRAM).format(start=start, stop=stop, patience=patience)
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str], line: str) -> bool:
    """Waits for its next line."""
    assert process.stdout is not None
    return process.stdout.readline().strip() == line


@pytest.mark.parametrize(
    ("stop", "where"),
    [
        ("await sleeps_for_good()", "in Event.wait ("),
        ("blocks()", "thread MainThread in Condition.wait ("),
        ("self.left = asyncio.create_task(swallows_its_cancellation(), name='left')\n        await asyncio.sleep(0)",
         "task left of MainThread in Event.wait ("),
        ("threading.Thread(target=blocks, name='left').start()", "thread left in Condition.wait ("),
    ],
    ids=["a stop that waits", "a stop that blocks the event loop", "a task that cannot be cancelled", "a thread"],
)  # fmt: skip
def test_a_worker_that_does_not_end_says_what_it_waits_for_and_ends_all_the_same(stop, where):
    with worker(stop=stop) as process:
        assert said(process, "running")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "ERROR:stream_app.ending:The worker has not ended in 0.3 s" in log
    assert where in log


def test_so_does_one_that_was_still_starting():
    with worker(start='print("running", flush=True); await swallows_its_cancellation()') as process:
        assert said(process, "running")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "The worker has not ended in 0.3 s" in log


def test_one_whose_start_goes_through_although_it_was_cancelled_is_stopped():
    start = """print("running", flush=True)
        with contextlib.suppress(asyncio.CancelledError):
            await sleeps_for_good()"""
    with worker(start=start, patience=600) as process:
        assert said(process, "running")
        process.send_signal(signal.SIGTERM)
        assert said(process, "stopping")
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert log == ""


@pytest.mark.parametrize("stop", ["await sleeps_for_good()", "blocks()"])
def test_told_to_stop_once_more_it_ends_at_once(stop):
    with worker(stop=stop, patience=600) as process:
        assert said(process, "running")
        process.send_signal(signal.SIGTERM)
        assert said(process, "stopping")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "The worker was told to stop once more" in log


def test_one_that_ends_in_good_order_is_not_waited_for():
    with worker(patience=600) as process:
        assert said(process, "running")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert log == ""
