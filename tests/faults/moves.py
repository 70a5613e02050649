"""Partitions that move, state that is compacted, workers that are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import servers
from support.workers import ROOT, read_all

from faults.crashes import AT_RANDOM, IN_RECOVERY, strike

if TYPE_CHECKING:
    from support.workers import Worker

    from faults.trial import Trial


async def resized(trial: Trial) -> None:
    for _ in range(max(trial.options.faults // 7, 1)):
        await trial.pause()
        trial.note("a worker added")
        trial.add()
        await trial.shared_out(60)
        await trial.pause()
        victim = trial.chance.choice(trial.running)
        code = await trial.terminate(victim, "a worker removed", back=False)
        if code != 0:
            trial.troubles.append(f"a worker that was removed ended with {code}:\n{victim.log[-1500:]}")
        await trial.shared_out(60)


async def upgraded(trial: Trial) -> None:
    """Every worker is replaced, one by one: by the present code that writes the former state, then by its default.

    Then one goes back to the former state, one is killed where both forms are in use, and all go forward again.
    """
    former, workers = trial.options.former, list(trial.running)
    if former is not None:
        for worker in workers:
            await _replaced(trial, worker, "former code to present code, state format 1", 1)
    for worker in workers:
        await _replaced(trial, worker, "state format 1 to 2", 2)
    await _replaced(trial, workers[0], "state format 2 back to 1", 1)
    await strike(trial, AT_RANDOM)
    await trial.shared_out(60)
    await _replaced(trial, workers[0], "state format 1 to 2", 2)


async def _replaced(trial: Trial, worker: Worker, what: str, state_format: int) -> None:
    await trial.pause()
    await servers.eventually(lambda: worker in trial.running, 30, "a worker to replace")
    trial.note(f"a worker replaced: {what}")
    await trial.replace(worker, ROOT, state_format=state_format)
    await trial.shared_out(90)


async def compacted(trial: Trial) -> None:
    for number in range(max(trial.options.faults // 3, 2)):
        some = min(number + 1, trial.options.partitions)
        await trial.until(lambda some=some: cleaned(trial) >= some, 60, "the cleaner to run")
        await strike(trial, (AT_RANDOM, IN_RECOVERY)[number % 2])
    topic = f"{trial.cluster.app}-users-changelog"
    kept = len(await read_all(trial.rig.broker.bootstrap, topic, trial.options.partitions))
    trial.done[f"changelog partitions that the cleaner has worked on (records left: {kept})"] = cleaned(trial)


def cleaned(trial: Trial) -> int:
    """How many partitions of the changelog the broker's cleaner has worked on, by its own checkpoint."""
    checkpoint = trial.rig.broker.data / "log" / "cleaner-offset-checkpoint"
    if not checkpoint.exists():
        return 0
    entries = [line.split() for line in checkpoint.read_text().splitlines()[2:]]
    topic = f"{trial.cluster.app}-users-changelog"
    return sum(entry[0] == topic and int(entry[2]) > 0 for entry in entries if len(entry) == 3)
