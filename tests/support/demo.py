"""A demo that stays up: the really running service, with the purchase log and the simulated product counted."""

from __future__ import annotations

import os
import re
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from support.command import started

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


def said(process: subprocess.Popen[str], word: str) -> str:
    """Reads what it says up to a line with this word in it."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if word in line:
            return text
    raise AssertionError(f"it ended without {word!r}:\n{text}")


@contextmanager
def demo_process() -> Iterator[subprocess.Popen[str]]:
    """A demo without --once, on a free port; killed with all its helpers if it still runs at the end."""
    process = started("demo", settings={"web_port": 0})
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def running_demo() -> Iterator[str]:
    """The address of the page of a demo in which everything is through."""
    with demo_process() as process:
        text = said(process, "The page stays up")
        address = re.search(r"http://127\.0\.0\.1:\d+/", text)
        assert address, text
        yield address[0]
