"""What a simulation says: false alarms a year, and how soon a drop is found."""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from promises.detectors import NEVER, firings
from promises.worlds import YEAR, World

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
        found: of a drop, the share of segments that fired while it lasted.
        delays: of a drop, cohorts until it was found, in order; infinite where it was not.
        recoveries: of a drop that ends, cohorts from then on until the alert was over, in order; infinite where it was
            not. Of the segments that fired when it ended.
        slips: of such a drop, how often an alert was over while it lasted, in a year of one segment.
    """

    world: World
    detector: str
    streams: int
    alarms: tuple[int, ...]
    found: float | None = None
    delays: tuple[float, ...] = ()
    recoveries: tuple[float, ...] = ()
    slips: float = 0.0

    def delay(self, share: float = 0.5) -> float:
        """Cohorts after which this share of the segments had fired; infinite if fewer did."""
        return _reached(self.delays, share)

    def recovery(self, share: float = 0.5) -> float:
        """Cohorts after which this share of the segments had recovered; infinite if fewer did."""
        return _reached(self.recoveries, share)


def _reached(delays: Sequence[float], share: float) -> float:
    return delays[min(int(share * len(delays)), len(delays) - 1)] if delays else math.inf


def measure(world: World, detector: str, *, streams: int, seeds: Sequence[int]) -> Measured:
    """Simulates a world once a seed."""
    alarms: list[int] = []
    delays: list[float] = []
    recoveries: list[float] = []
    begin, end, slips = world.history, world.history + world.lasts, 0
    for seed in seeds:
        fired = firings(world, detector, streams=streams, seed=seed)
        if world.drop is None:
            alarms.append(sum(begins >= begin for alerts in fired for begins, _ in alerts))
            continue
        alarms.append(sum(begins < begin for alerts in fired for begins, _ in alerts))
        for alerts in fired:
            on = [max(begins, begin) - begin + 1.0 for begins, ends in alerts if ends > begin and begins < end]
            delays.append(on[0] if on else math.inf)
            slips += sum(begin <= begins and ends < end for begins, ends in alerts)
            over = [ends for begins, ends in alerts if begins < end <= ends] if world.again is not None else []
            recoveries += [math.inf if ends == NEVER else ends - end + 1.0 for ends in over]
    found = float(np.isfinite(delays).mean()) if delays else None
    years = streams * len(seeds) * world.lasts / YEAR
    return Measured(
        world, detector, streams, tuple(alarms), found, tuple(sorted(delays)), tuple(sorted(recoveries)), slips / years
    )


def measure_all(
    wanted: Sequence[tuple[World, str]], *, streams: int, seeds: Sequence[int], workers: int
) -> Iterator[Measured]:
    """Simulates all of them, in as many processes."""
    with ProcessPoolExecutor(workers) as pool:
        for one in [pool.submit(measure, world, how, streams=streams, seeds=seeds) for world, how in wanted]:
            yield one.result()
