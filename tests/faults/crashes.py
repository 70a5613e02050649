"""Workers that die, stop and freeze."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import servers
from aiokafka.admin import AIOKafkaAdminClient

from faults.trial import SESSION_TIMEOUT, frozen

if TYPE_CHECKING:
    from support.workers import Worker

    from faults.trial import Trial

AT_RANDOM, IN_RECOVERY, IN_REBALANCE = "SIGKILL at a random instant", "SIGKILL in recovery", "SIGKILL in a rebalance"
#: How long a moment to strike is waited for.
CHANCE_SECONDS = 30.0


async def sigkill(trial: Trial) -> None:
    aims = [AT_RANDOM, IN_RECOVERY, IN_REBALANCE]
    for number in range(trial.options.faults):
        if aims[number % len(aims)] == AT_RANDOM:  # while records are counted; the other two may come before any is
            await progress(trial)
        await strike(trial, aims[number % len(aims)])


async def strike(trial: Trial, aim: str) -> None:
    """Kills one worker: at once, or when one recovers a partition, or when the group rebalances."""
    await trial.pause()
    if aim == IN_RECOVERY:
        victim = await recovering(trial)
    elif aim == IN_REBALANCE and await rebalancing(trial):
        victim = trial.chance.choice(trial.running) if trial.running else None
    else:
        victim = None
    if victim is None:
        await servers.eventually(lambda: trial.running, 30, "a worker to kill")
        victim, aim = trial.chance.choice(trial.running), AT_RANDOM
    trial.kill(victim, aim)


async def progress(trial: Trial) -> None:
    """Waits until the service has read a little more of the load."""
    goal = (await trial.totals()).get("read", 0) + trial.chance.random() * 0.03 * trial.load.events

    async def read() -> bool:
        return (await trial.totals()).get("read", 0) > goal

    with contextlib.suppress(AssertionError):
        await servers.eventually(read, CHANCE_SECONDS)


async def recovering(trial: Trial) -> Worker | None:
    """The first worker that owns a partition of which it has not told that it is recovered."""
    told: dict[Worker, dict[int, int]] = {}
    owned: dict[Worker, set[int]] = {}
    end = time.monotonic() + CHANCE_SECONDS
    while time.monotonic() < end:
        for worker in trial.running:
            partitions = set((await trial.ask(worker, "/api/v1/status")).get("worker", {}).get("partitions", []))
            log = worker.log
            counts = {p: log.count(f"Partition {p} is recovered") for p in range(trial.options.partitions)}
            before = told.get(worker, counts)
            fresh = partitions - owned.get(worker, partitions)
            if worker.running and any(counts[p] == before[p] for p in fresh):
                return worker
            told[worker], owned[worker] = counts, partitions
        for gone in [worker for worker in owned if worker not in trial.running]:
            told.pop(gone)
            owned[gone] = set()  # when it is back, all that it owns is fresh
            told[gone] = {p: gone.log.count(f"Partition {p} is recovered") for p in range(trial.options.partitions)}
    return None


async def rebalancing(trial: Trial) -> bool:
    """Waits until the group is in a rebalance."""
    admin = AIOKafkaAdminClient(bootstrap_servers=trial.rig.broker.bootstrap)
    await admin.start()
    try:
        end = time.monotonic() + CHANCE_SECONDS
        while time.monotonic() < end:
            (answer,) = await admin.describe_consumer_groups([trial.cluster.app])
            if answer.groups[0][2] in ("PreparingRebalance", "CompletingRebalance"):
                return True
        return False
    finally:
        await admin.close()


async def sigterm(trial: Trial) -> None:
    for _ in range(trial.options.faults):
        await trial.pause()
        await servers.eventually(lambda: trial.running, 30, "a worker to stop")
        victim = trial.chance.choice(trial.running)
        code = await trial.terminate(victim, "SIGTERM")
        if code != 0:
            trial.troubles.append(f"a worker that was told to stop ended with {code}:\n{victim.log[-1500:]}")
    if trial.log_lines([" ERROR ", "Traceback"]):
        trial.troubles.append("workers that were told to stop logged an error")


async def freeze(trial: Trial) -> None:
    for _ in range(max(trial.options.faults // 4, 1)):
        await trial.pause()
        victim = trial.chance.choice(trial.running)
        trial.note("SIGSTOP past the session timeout")
        async with frozen(victim):
            others = [worker for worker in trial.running if worker is not victim]

            async def taken_over(others: list[Worker] = others) -> bool:
                told = [await trial.ask(worker, "/api/v1/status") for worker in others]
                owned = [p for one in told for p in one.get("worker", {}).get("partitions", [])]
                return sorted(owned) == list(range(trial.options.partitions))

            await trial.until(taken_over, 60, "the others to take over from a frozen worker")
            await trial.pause()
        await trial.pause()
        trial.note("SIGSTOP for less than that")
        async with frozen(trial.chance.choice(trial.running)):
            await trial.pause(0.1, SESSION_TIMEOUT - 1)
    if not trial.log_lines(["taken over by another worker"]):
        trial.note("(no frozen worker had anything left to write when it was back)")


async def disk_wiped(trial: Trial) -> None:
    for _ in range(max(trial.options.faults // 7, 1)):
        await trial.pause()
        victim = trial.chance.choice(trial.running)
        trial.kill(victim, "SIGKILL, its folder deleted", wipe=True)
        await trial.until(lambda victim=victim: victim in trial.running and victim.peek("/readyz").get("ready"), 60,
                          "a worker to be ready on an empty disk")  # fmt: skip
