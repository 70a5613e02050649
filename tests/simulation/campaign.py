"""Many schedules at once, on every core."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulation.schedules import play

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulation.protocol import Protocol

_AT_ONCE = 50


@dataclass
class Report:
    """What became of some schedules.

    Attributes:
        schedules: how many.
        seconds: that they took.
        failures: seed -> what came out wrong.
        seen: how often what happened in them.
    """

    schedules: int = 0
    seconds: float = 0.0
    failures: dict[int, str] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        each = 1000 * self.seconds / max(self.schedules, 1)
        happened = ", ".join(f"{count} {what}" for what, count in sorted(self.seen.items()))
        lines = [
            f"{self.schedules} schedules in {self.seconds:.0f} s ({each:.1f} ms each): {len(self.failures)} went wrong",
            f"in them: {happened}",
            *(f"  seed {seed}: {why}" for seed, why in sorted(self.failures.items())),
        ]
        if self.failures:
            lines.append("what happened in one: cd tests && python -m simulation --seed SEED")
        return "\n".join(lines)


def campaign(seeds: range, protocol: Protocol | None = None, *, processes: int | None = None) -> Report:
    """Plays the schedules of these seeds."""
    report, started = Report(schedules=len(seeds)), time.perf_counter()
    parts = [seeds[i : i + _AT_ONCE] for i in range(0, len(seeds), _AT_ONCE)]
    with ProcessPoolExecutor(processes or os.cpu_count()) as pool:
        for failures, seen in pool.map(_part, parts, [protocol] * len(parts)):
            report.failures |= failures
            report.seen += seen
    report.seconds = time.perf_counter() - started
    return report


def first_failure(seeds: range, protocol: Protocol) -> tuple[int, str] | None:
    """The first seed that finds a protocol broken, and how."""
    return next(((seed, wrong) for seed in seeds if (wrong := play(seed, protocol).wrong)), None)


def _part(seeds: Sequence[int], protocol: Protocol | None) -> tuple[dict[int, str], Counter[str]]:
    outcomes = [play(seed, protocol) for seed in seeds]
    seen: Counter[str] = Counter()
    for outcome in outcomes:
        seen += outcome.seen
    return {outcome.seed: outcome.wrong for outcome in outcomes if outcome.wrong}, seen
