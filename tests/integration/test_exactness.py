"""Figures over a real Kafka while workers die, freeze and come back: not one cell may change."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import signal

import servers
from support.broken import broken_records
from support.cluster import PARTITIONS, Cluster, assert_matrix, assert_orders, closing_visit, log_records
from support.workers import produce, read_all, visit

from stream_app.demo import cdnow

SEED = 20_261_122


async def test_two_workers_give_the_purchase_logs_matrix_cell_by_cell(cluster: Cluster) -> None:
    cluster.start(2)
    await cluster.shared_out()
    records = log_records()
    await produce(cluster.bootstrap, cluster.purchases, records)
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.through(len(records) + 1)
    assert_matrix(cluster)
    totals = cluster.totals
    assert (totals["counted"], totals["dead_lettered"], totals["dropped"]) == (len(records) + 1, 0, 0)
    assert totals["users"] == cdnow.CUSTOMERS + 1


async def test_workers_killed_at_random_points_change_no_cell(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    records = log_records()
    # Out of order by up to months, but within the horizon: an older event would be dropped, as is right.
    order = sorted(range(len(records)), key=lambda i: i + chance.uniform(0, 10_000))
    records = [records[i] for i in order]
    again = records[-15_000::3]
    cluster.start(2)
    await cluster.shared_out()
    producing = asyncio.create_task(_slowly(cluster, records + again))
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.3, 2.5))  # a random instant is what is tested
        victim = chance.choice(cluster.workers)
        victim.kill()
        victim.start()
    await producing
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.through(len(records) + len(again) + 1, 120)
    assert_matrix(cluster)
    await cluster.shared_out()
    assert_orders(cluster)


async def test_a_zombie_is_fenced_and_changes_no_cell(cluster: Cluster) -> None:
    records = log_records()
    half = len(records) // 2
    cluster.start(2)
    await cluster.shared_out()
    zombie, other = cluster.workers
    await produce(cluster.bootstrap, cluster.purchases, records[:half])
    await servers.eventually(lambda: cluster.totals.get("read", 0) > half // 4, 30, "reading to be under way")
    zombie.send(signal.SIGSTOP)
    await produce(cluster.bootstrap, cluster.purchases, records[half:])
    await servers.eventually(lambda: other.partitions == list(range(PARTITIONS)), 60, "the other to take over")
    await servers.eventually(lambda: other.ready, 30, "the other to recover")
    zombie.send(signal.SIGCONT)
    await produce(cluster.bootstrap, cluster.visits, [closing_visit()])
    await cluster.shared_out()
    await cluster.through(len(records) + 1)
    assert_matrix(cluster)
    assert_orders(cluster)
    assert "taken over by another worker" in zombie.log  # it tried to write, and was refused


async def test_read_is_counted_plus_dead_lettered_plus_dropped(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    broken = broken_records()
    good = [_good_visit(i) for i in range(4_750)]
    bad = [broken[i % len(broken)] for i in range(250)]
    mixed = good + bad
    chance.shuffle(mixed)
    ancient = [(b"methuselah", visit("methuselah", "2019-01-01T00:00:00Z", 9_000_000))]
    cluster.start(2)
    await cluster.shared_out()
    await produce(cluster.bootstrap, cluster.visits, mixed)
    await servers.eventually(lambda: cluster.totals.get("read") == len(mixed), 60, "the mixed records to be read")
    # Ancient is what lies far behind the watermark: there is one once the empty purchases topic counts as idle.
    await servers.eventually(
        lambda: cluster.get("/api/v1/retention?definition=engagement&grain=day").get("as_of"), 30, "a watermark"
    )
    await produce(cluster.bootstrap, cluster.visits, ancient)
    await servers.eventually(lambda: cluster.totals.get("read") == len(mixed) + 1, 60, "the ancient one to be read")
    totals = cluster.totals
    assert totals["read"] == totals["counted"] + totals["dead_lettered"] + totals["dropped"]
    assert (totals["counted"], totals["dead_lettered"], totals["dropped"]) == (len(good), len(bad), 1)
    letters = [json.loads(r.value) for r in await read_all(cluster.bootstrap, cluster.settings["dead_letters_topic"])]
    assert len(letters) == len(bad)
    assert len({letter["reason"] for letter in letters}) >= 10
    assert {base64.b64decode(letter["value"]) for letter in letters if letter["value"]} == {v for _, v in bad if v}
    assert all(letter["topic"] == cluster.visits and letter["offset"] >= 0 for letter in letters)


def _good_visit(number: int) -> tuple[bytes, bytes]:
    user = f"user-{number % 997}"
    return user.encode(), visit(user, 1_700_000_000_000 + number * 1_000, number)


async def _slowly(cluster: Cluster, records: list[tuple[bytes, bytes]]) -> None:
    """Over about ten seconds, so that kills come while records arrive."""
    for start in range(0, len(records), 5_000):
        await produce(cluster.bootstrap, cluster.purchases, records[start : start + 5_000])
        await asyncio.sleep(0.3)  # the pace is the point
