"""What a simulation says: false alarms a year, and how soon a drop is found."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promises.detectors import firings
from promises.worlds import BEFORE, World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Measured:
    """A world, a detector, and what it did.

    Attributes:
        world: what was simulated.
        detector: by whom.
        streams: segments.
        alarms: by seed, over all segments: alarms of a year (of a drop: those before it).
        found: of a drop, the share of segments that fired within `worlds.TIME` cohorts.
        delays: of a drop, cohorts until it was found, in order; infinite where it was not.
    """

    world: World
    detector: str
    streams: int
    alarms: tuple[int, ...]
    found: float | None = None
    delays: tuple[float, ...] = ()

    def delay(self, share: float = 0.5) -> float:
        """Cohorts after which this share of the segments had fired; infinite if fewer did."""
        return self.delays[min(int(share * len(self.delays)), len(self.delays) - 1)]


def measure(world: World, detector: str, *, streams: int, seeds: Sequence[int]) -> Measured:
    """Simulates a world once a seed."""
    alarms, delays = [], []
    for seed in seeds:
        fired = firings(world, detector, streams=streams, seed=seed)
        if world.drop is None:
            alarms.append(sum(begins >= BEFORE for alerts in fired for begins, _ in alerts))
            continue
        alarms.append(sum(begins < BEFORE for alerts in fired for begins, _ in alerts))
        for alerts in fired:
            on = [max(begins, BEFORE) - BEFORE + 1.0 for begins, ends in alerts if ends > BEFORE]
            delays.append(on[0] if on else math.inf)
    found = float(np.isfinite(delays).mean()) if delays else None
    return Measured(world, detector, streams, tuple(alarms), found, tuple(sorted(delays)))


def measure_all(
    wanted: Sequence[tuple[World, str]], *, streams: int, seeds: Sequence[int], workers: int
) -> Iterator[Measured]:
    """Simulates all of them, in as many processes."""
    with ProcessPoolExecutor(workers) as pool:
        for one in [pool.submit(measure, world, how, streams=streams, seeds=seeds) for world, how in wanted]:
            yield one.result()
