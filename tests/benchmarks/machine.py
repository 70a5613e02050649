"""The machine under the contenders: who runs on which core, and what a process and its children have used."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK = "BENCHMARK_CONTENDER"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """The core of the broker (and of whoever only watches), and the core of the contender."""

    broker: set[int]
    worker: set[int]

    @classmethod
    def here(cls) -> Cores:
        """Two different cores, or twice the same where there is only one."""
        cores = sorted(os.sched_getaffinity(0))
        return cls({cores[0]}, {cores[-1]})

    def of(self, number: int) -> set[int]:
        """The core of one of several workers: the second one shares the broker's."""
        return self.broker if number % 2 else self.worker

    @property
    def described(self) -> str:
        apart = self.broker != self.worker
        return (
            f"broker on core {min(self.broker)}, contender on core {min(self.worker)}" if apart else "one core for all"
        )


@contextmanager
def pinned(cores: set[int]) -> Iterator[None]:
    """Processes started inside run on these cores only, they and their children."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def marked(name: str) -> Iterator[None]:
    """Processes started inside can be told from others by `usage`, even those that leave their parent."""
    os.environ[_MARK] = name
    try:
        yield
    finally:
        del os.environ[_MARK]


def peak_memory(pid: str = "self") -> int:
    """Peak resident memory (bytes) of a process. `ru_maxrss` would begin with that of the process which started it."""
    status = Path("/proc", pid, "status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far, and peak resident memory (bytes), of all processes of a contender."""

    cpu: float
    peak: int


def usage(name: str) -> Usage:
    """What the processes marked with this name have used; those that ended are left out."""
    mark = f"{_MARK}={name}".encode()
    cpu, peak = 0.0, 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark in (folder / "environ").read_bytes().split(b"\0"):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                cpu += (int(fields[11]) + int(fields[12])) / _TICK
                peak += peak_memory(folder.name)
        except (OSError, IndexError):
            continue  # it ended while it was looked at, or is another user's
    return Usage(cpu, peak)
