"""Servers that die and networks that break."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from faults.trial import SESSION_TIMEOUT

if TYPE_CHECKING:
    from faults.trial import Trial

#: A worker may give up on a broker that takes no write for a minute (1), and cannot start without one (2).
GAVE_UP, COULD_NOT_START = 1, 2


async def broker_killed(trial: Trial) -> None:
    trial.tolerated = {GAVE_UP, COULD_NOT_START}
    for _ in range(max(trial.options.faults // 7, 1)):
        await trial.pause()
        trial.note("the broker: SIGKILL")
        await asyncio.to_thread(trial.rig.broker.kill)
        await trial.pause(0.5, trial.options.outage / 4)
        await asyncio.to_thread(trial.rig.broker.start)
        await trial.shared_out(120)


async def broker_unreachable(trial: Trial) -> None:
    trial.tolerated = {GAVE_UP, COULD_NOT_START}
    await trial.pause()
    trial.note(f"no way to the broker for {trial.options.outage:.0f} s")
    trial.rig.paths.cut()
    try:
        await asyncio.sleep(trial.options.outage)
    finally:
        trial.rig.paths.mend()


async def worker_cut_off(trial: Trial) -> None:
    """It is taken over, and what it sent before arrives afterwards."""
    trial.tolerated = {GAVE_UP, COULD_NOT_START}
    for _ in range(max(trial.options.faults // 7, 1)):
        await trial.pause()
        number = trial.cluster.workers.index(trial.chance.choice(trial.running))
        trial.note("one worker's way to the broker cut past the session timeout")
        trial.rig.paths.cut(number)
        try:
            await asyncio.sleep(SESSION_TIMEOUT + trial.options.outage / 2)
        finally:
            trial.rig.paths.mend(number)
        await trial.shared_out(120)


async def redis_lost(trial: Trial) -> None:
    for _ in range(max(trial.options.faults // 7, 1)):
        await trial.pause()
        trial.note("Redis: SIGKILL, started again empty")
        await asyncio.to_thread(trial.rig.redis.kill)
        await trial.pause(0.5, trial.options.outage / 4)
        await asyncio.to_thread(trial.rig.redis.start)
        await asyncio.to_thread(trial.rig.redis.flush)
