"""`stream-app` as an operator runs it: a process of its own, in an environment without other settings."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\w+) ")


def environment(settings: Mapping[str, object] | None = None) -> dict[str, str]:
    """This process's environment with only these settings in it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("STREAM_APP_")}
    return clean | {f"STREAM_APP_{name.upper()}": str(value) for name, value in (settings or {}).items()}


def stream_app(
    *arguments: str | Path, settings: Mapping[str, object] | None = None, stdin: str = "", timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        [sys.executable, "-m", "stream_app", *map(str, arguments)],
        cwd=ROOT, env=environment(settings), input=stdin, capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip


def started(
    *arguments: str | Path, settings: Mapping[str, object] | None = None, stdout: int = subprocess.PIPE
) -> subprocess.Popen[str]:
    """Starts it, in a process group of its own, as a shell would."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "stream_app", *map(str, arguments)],
        cwd=ROOT, env=environment(settings), stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip


def interrupt(process: subprocess.Popen[str]) -> None:
    """Ctrl-C: SIGINT to the process and all its children."""
    os.killpg(process.pid, signal.SIGINT)


def the_message(done: subprocess.CompletedProcess[str]) -> str:
    """What an ended command said on stderr, if it was one message and nothing that looks like a crash."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.splitlines()
    told = [line for line in lines if not (found := LOG_LINE.match(line)) or found[1] not in ("DEBUG", "INFO")]
    heads = [line for line in told if not line.startswith("  ")]  # the points of a list are indented
    assert len(heads) == 1, done.stderr
    return "\n".join(told)
