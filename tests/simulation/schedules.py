"""Schedules by seed: which events, which faults, and whether every cell came out right."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson
from oracle import Oracle

from simulation.loop import VirtualLoop
from simulation.world import DEFINITIONS, NOW_MS, Protocol, World, partition_of
from stream_app.domain.metrics import retention

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot

#: Streams of events that schedules are drawn over; the oracle's answer to each is computed once.
STREAMS = 16
RECORDS = 24
#: Days that the events span: short, so that a schedule has few cells and many faults.
SPAN = 4
DAY = 86_400_000
START = 1_700_000_000_000 - 1_700_000_000_000 % DAY
GRAINS, KINDS = ("day", "week", "month"), ("classic", "rolling")


@dataclass(frozen=True)
class Stream:
    """Records in the order of their arrival, and the events among them."""

    records: list[tuple[str, int, bytes | None, bytes | None]]
    events: list[dict[str, Any]]
    broken: int


@cache
def stream(number: int) -> Stream:
    """Visits and purchases of a few users, out of order, some twice, some broken."""
    chance = random.Random(number)
    records: list[tuple[str, int, bytes | None, bytes | None]] = []
    events, broken = [], 0
    for i in range(RECORDS):
        user = f"user-{chance.randrange(6)}"
        time = START + chance.randrange(SPAN) * DAY + chance.randrange(DAY)
        plan = chance.choice(["pro", "free"])
        event = {"type": "visit", "event_id": f"e{i}", "user_id": user, "occurred_at": time, "segment": {"plan": plan}}
        topic = "visits"
        if chance.random() < 0.4:
            event |= {"type": "purchase", "order_id": f"o{i}", "amount": "1.00", "currency": "USD"}
            topic = "purchases"
        if chance.random() < 0.08:
            broken += 1
            records.append((topic, partition_of(user), user.encode(), b"broken"))
            continue
        kind = str(event["type"])
        events.append({"user": user, "time": time, "kind": kind, "event_id": f"e{i}", "segment": {"plan": plan}})
        record = (topic, partition_of(user), user.encode(), orjson.dumps(event))
        records += [record] * (2 if chance.random() < 0.1 else 1)
    return Stream(records, events, broken)


@cache
def expected(number: int) -> str:
    """What the oracle says of a stream, as of a watermark past all of it."""
    oracle = Oracle(stream(number).events)
    watermark = max(event["time"] for event in stream(number).events)
    return _text(
        oracle.retention(definition=d.name, grain=grain, kind=kind, dimension=dimension, watermark=watermark)
        for d in DEFINITIONS for grain in GRAINS for kind in KINDS for dimension in (None, "plan")
    )  # fmt: skip


def figures(snapshot: Snapshot) -> str:
    """The same figures of a snapshot."""
    return _text(
        retention(snapshot, definition=d.name, grain=grain, kind=kind, dimension=dimension)
        for d in DEFINITIONS for grain in GRAINS for kind in KINDS for dimension in (None, "plan")
    )  # fmt: skip


def _text(answers: Any) -> str:
    return orjson.dumps([answer["segments"] for answer in answers], option=orjson.OPT_SORT_KEYS).decode()


#: Blocks that came out right once, by stream: equal blocks give equal figures, so they are not computed again.
_right: dict[int, Any] = {}


def wrong(seed: int, protocol: Protocol | None = None, **options: Any) -> str | None:
    """Plays one schedule. Returns what came out wrong, None where every cell equals the oracle's.

    Args:
        seed: of the schedule.
        protocol: what is broken on purpose; None for nothing.
        options: of `World`.
    """
    number = seed % STREAMS
    world = World(seed, list(stream(number).records), protocol or Protocol(), **options)
    logger = logging.getLogger("stream_app")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # faults are the point
    loop = VirtualLoop()
    loop.set_exception_handler(lambda *_: None)  # tasks of killed workers end as they like
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(world.run())
    except TimeoutError:
        return "it never came through"
    finally:
        loop.close()
        logger.setLevel(level)
    if world.errors:
        return f"a worker ended with {world.errors[0]!r}"
    return _judge(world, number)


def _judge(world: World, number: int) -> str | None:
    snapshot, _ = world.merged().snapshot(NOW_MS)
    letters = len(world.kafka.committed(("dead-letters", 0)))
    if letters != stream(number).broken:
        return f"{letters} dead letters instead of {stream(number).broken}"
    totals = {name: snapshot.totals[name] for name in ("read", "counted", "dead_lettered", "dropped")}
    if totals["read"] != totals["counted"] + totals["dead_lettered"] + totals["dropped"] or totals["dropped"]:
        return f"totals {totals}"
    blocks = {
        (*key, period): block.tobytes().rstrip(b"\0")
        for key, pages in snapshot.blocks.items() for period, block in pages.items() if block.any()
    }  # fmt: skip
    found = blocks, tuple(totals.items())
    if _right.get(number) == found:
        return None
    # All events are in, wherever the watermark of the moment stands.
    at_end = replace(snapshot, watermark=max(event["time"] for event in stream(number).events))
    if figures(at_end) != expected(number):
        return "cells differ from the oracle's"
    _right.setdefault(number, found)
    return None
