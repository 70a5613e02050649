"""The scenarios by name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from faults import crashes, moves, outages, poison

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from faults.trial import Trial


@dataclass(frozen=True)
class Scenario:
    """What is done under load.

    Attributes:
        run: does it; returns when the faults are over.
        tells: in one line.
        proxied: the workers reach the broker by paths that can be cut.
        compacted: the changelog is made for the cleaner to work within seconds.
        workers: at the start, instead of the number that is asked for.
        settings: of the workers at the start.
    """

    run: Callable[[Trial], Awaitable[None]]
    tells: str
    proxied: bool = False
    compacted: bool = False
    workers: int | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


SCENARIOS = {
    "sigkill": Scenario(crashes.sigkill, "workers killed at random instants, in recovery and in rebalances"),
    "sigterm": Scenario(crashes.sigterm, "workers told to stop and started again"),
    "frozen": Scenario(crashes.freeze, "workers stopped (SIGSTOP) past the session timeout, and back"),
    "disk-wiped": Scenario(crashes.disk_wiped, "a killed worker's folder deleted"),
    "broker-killed": Scenario(outages.broker_killed, "the broker killed and restarted"),
    "broker-unreachable": Scenario(outages.broker_unreachable, "no worker reaches the broker", proxied=True),
    "worker-cut-off": Scenario(outages.worker_cut_off, "one worker does not reach the broker", proxied=True),
    "redis-lost": Scenario(outages.redis_lost, "Redis killed, restarted empty"),
    "resized": Scenario(moves.resized, "workers added and removed"),
    "compacted": Scenario(moves.compacted, "the changelog compacted in between, workers killed", compacted=True),
    "upgraded": Scenario(
        moves.upgraded,
        "a rolling upgrade from state format 1 to 2, back and forth",
        settings={"state_format": 1, "orders": False, "hour_days": 0},  # all that form 1 can hold
    ),
    "poison": Scenario(poison.poison, "a broken record at every position of a chunk, workers killed", workers=1),
}
