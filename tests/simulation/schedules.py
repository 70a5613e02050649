"""Schedules by seed: what happened in each, and whether every cell and every alert came out right."""

from __future__ import annotations

import gc
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from support.snapshots import retention

from simulation import streams
from simulation.told import alerts
from simulation.world import World
from stream_app.codecs import orders as order_records
from stream_app.codecs.rows import MARKER_KEY, RowDecoder
from stream_app.domain.counters import Segments
from stream_app.domain.events import Filter
from stream_app.domain.index import hash_keys
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.orders import OrderTable
from stream_app.domain.periods import Grain
from stream_app.domain.users import UserTable

if TYPE_CHECKING:
    from collections import Counter

    from simulation.protocol import Protocol
    from stream_app.domain.metrics import Snapshot


@dataclass(frozen=True)
class Outcome:
    """Of one schedule: what came out wrong, None for nothing, and how often what happened in it."""

    seed: int
    wrong: str | None
    seen: Counter[str]


#: A schedule leaves much garbage in cycles; the collector looks at it all once in so many schedules.
_COLLECT_EVERY = 60
#: Blocks that came out right once, by stream: equal blocks give equal figures, so they are not computed again.
_right: dict[int, Any] = {}
_stored_right: dict[int, Any] = {}


def play(seed: int, protocol: Protocol | None = None, **options: Any) -> Outcome:
    """Plays one schedule.

    Args:
        seed: of the schedule.
        protocol: what is broken on purpose; None for nothing.
        options: of `World`.
    """
    gc.disable()
    if seed % _COLLECT_EVERY == 0:
        gc.collect()
        gc.freeze()  # what is left is used for good
    number = seed % streams.STREAMS
    world = World(seed, streams.stream(number), protocol, **options)
    logger = logging.getLogger("stream_app")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)  # faults are the point
    try:
        wrong = world.play(lambda played: _judge(played, number))
    except TimeoutError:
        wrong = "it never came through"
    finally:
        logger.setLevel(level)
        gc.enable()
    return Outcome(seed, wrong, world.seen)


def _judge(world: World, number: int) -> str | None:
    if world.errors:
        return f"a worker ended with {world.errors[0]!r}"
    return _figures(world, number) or _stored(world, number) or alerts(world, number)


def _figures(world: World, number: int) -> str | None:
    made = streams.stream(number)
    snapshot = world.owner.outlets.snapshot
    assert snapshot is not None
    letters = len(world.kafka.logs["dead-letters", 0].committed())
    if letters != made.broken:
        return f"{letters} dead letters instead of {made.broken}"
    totals = {name: snapshot.totals[name] for name in ("read", "counted", "dead_lettered", "dropped")}
    if totals["read"] != totals["counted"] + totals["dead_lettered"] + totals["dropped"] or totals["dropped"]:
        return f"totals {totals}"
    if made.closed_right and snapshot.watermark != streams.watermark(number):
        return f"the watermark is {snapshot.watermark} instead of {streams.watermark(number)}"
    blocks = {
        (*key, period): cells
        for key, pages in snapshot.blocks.items() for period, block in pages.items()
        if (cells := block.tobytes().rstrip(b"\0"))
    }  # fmt: skip
    if _right.get(number) == blocks:
        return None
    if _answers(snapshot, number) != streams.expected(number):
        return "cells differ from the oracle's"
    _right.setdefault(number, blocks)
    return None


def _stored(world: World, number: int) -> str | None:
    """What the changelogs hold in the end is what a plain reading of the stream gives."""
    logs = [world.kafka.logs["changelog", partition].committed() for partition in range(streams.PARTITIONS)]
    latest = {record.key: record.value for log in logs for record in log if record.key != MARKER_KEY}
    if _stored_right.get(number) == latest:
        return None
    made = streams.stream(number)
    table = UserTable(made.definitions, streams.CALENDAR, Segments(made.dimensions), hour_days=streams.HOUR_DAYS)
    orders = OrderTable()
    users, sold = order_records.split(list(latest), list(latest.values()))
    RowDecoder(table).restore(*users)
    order_records.restore(table, orders, sold)
    rows = table.index.find(hash_keys(users.keys)).tolist()
    names = {row: key.decode() for key, row in zip(users.keys, rows, strict=True)}
    found: dict[str, Any] = {name: ([], []) for name in names.values()}
    for part in LivePopulation(table, orders.arranged()).slices():
        for user, hour in zip(*(column.tolist() for column in part.active(Filter("any"), Grain.HOUR)), strict=True):
            found[names[user]][0].append(hour)
        for user, *order in zip(*(column.tolist() for column in part.orders()), strict=True):
            found[names[user]][1].append(tuple(order))
    if {user: (hours, sorted(sales)) for user, (hours, sales) in found.items()} != streams.stored(number):
        return "the hours and orders that are stored differ from a plain reading"
    _stored_right.setdefault(number, latest)
    return None


def _answers(snapshot: Snapshot, number: int) -> str:
    """The figures that the oracle tells of; all events are in, wherever the watermark of the moment stands."""
    at_end = replace(snapshot, watermark=streams.watermark(number))
    return streams.text(
        retention(at_end, definition=d.name, grain=grain, kind=kind, dimension=dimension)
        for d in at_end.definitions for grain in streams.GRAINS for kind in streams.KINDS
        for dimension in (None, *at_end.dimensions)
    )  # fmt: skip
