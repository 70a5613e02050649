"""One run of a contender."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.benchmarks.workload import Matrix


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        events: how many were timed.
        seconds: from the first one to the last.
        cpu: CPU seconds in them.
        peak: resident memory (bytes).
        matrix: what was found, None for a contender that only reads.
        until: the first day (since 1970) that the matrix says nothing of, None where it goes to the end.
        note: a few words beside the figures.
    """

    events: int
    seconds: float
    cpu: float
    peak: int
    matrix: Matrix | None = None
    until: int | None = None
    note: str = ""

    @property
    def rate(self) -> float:
        return self.events / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu / self.events * 1e6
