"""Broken records at every position of a chunk."""

from __future__ import annotations

import asyncio
from itertools import islice
from typing import TYPE_CHECKING

import servers
from aiokafka import AIOKafkaProducer
from support.broken import broken_records

from faults.crashes import AT_RANDOM, IN_RECOVERY, strike
from faults.load import Event

if TYPE_CHECKING:
    from faults.trial import Trial

SIZE = 8


async def poison(trial: Trial) -> None:
    """First one chunk at a time, so that its ends are known; then among the load, workers dying."""
    broken = broken_records("plan")
    good = list(islice((r for r in trial.load.arrivals() if isinstance(r, Event)), 4 * SIZE * len(broken)))
    kinds = [r for r in broken if len(r[1] or b"") < 10_000]
    async with AIOKafkaProducer(
        bootstrap_servers=trial.rig.broker.bootstrap,
        enable_idempotence=True,
        max_batch_size=1_000_000,
        max_request_size=2 << 20,
    ) as producer:
        turns = SIZE if trial.options.faults > SIZE else 1  # every kind at every position, or each at one
        for turn in range(turns):
            for number, record in enumerate(kinds):
                trial.done["a chunk of 8 with a broken record, every position in turn"] += 1
                await _chunk(trial, producer, good, {(number + turn) % SIZE: record})
        trial.note("a broken record at the end of a chunk and at the start of the next")
        await _chunk(trial, producer, good, {SIZE - 1: kinds[2]})
        await _chunk(trial, producer, good, {0: kinds[5]})
        trial.note("a chunk of broken records only")
        await _chunk(trial, producer, good, dict(enumerate(kinds[:SIZE])))
        trial.note("a broken record of 900 kB between others")
        await _chunk(trial, producer, good, {3: broken[-1]})
        for number in range(max(trial.options.faults // 3, 2)):
            trial.note("chunks of broken records in a row, a worker dying")
            for _ in range(3):
                await _chunk(trial, producer, good, {p: kinds[p] for p in range(0, SIZE, 2)}, wait=False)
            await strike(trial, (AT_RANDOM, IN_RECOVERY)[number % 2])


async def _chunk(
    trial: Trial,
    producer: AIOKafkaProducer,
    good: list[Event],
    broken: dict[int, tuple[bytes | None, bytes | None]],
    *,
    wait: bool = True,
) -> None:
    """One record batch, which a fetch brings whole: events of the load once more, and broken records at some positions.

    They go to a partition of one topic; the events are chosen to belong there.
    """
    partition = trial.chance.randrange(trial.options.partitions)
    fitting = [e for e in good if trial.load.place(e) == (0, partition)]
    batch = producer.create_batch()
    for position in range(SIZE):
        if position in broken:
            key, value = broken[position]
            trial.broken.append((trial.topics[0], key, value))
        else:
            event = trial.chance.choice(fitting)
            key, value = event.key, event.value
            trial.again += 1
        assert batch.append(key=key, value=value, timestamp=None) is not None, "it does not fit into one batch"
    await asyncio.wait_for(await producer.send_batch(batch, trial.topics[0], partition=partition), 60)
    if wait:
        goal = trial.again + len(trial.broken)
        await servers.eventually(
            lambda: sum(w.metric("stream_app_records_read_total") for w in trial.running) >= goal, 30, "a chunk's end"
        )
