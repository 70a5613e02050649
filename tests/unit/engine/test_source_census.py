"""A source partition's orders and censuses: durable with the users, and counted while nothing changes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from support.counting import nonzero
from support.engine import CALENDAR, DAY, START, Broker, chunk, config, recovered, visit

from stream_app.codecs.events import EventDecoder
from stream_app.codecs.rows import MARKER_KEY
from stream_app.domain.counters import ALL, BlockKey
from stream_app.domain.errors import QueryError, StateMismatchError, UnansweredError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE, Definition, Filter
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.metrics import live
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.metrics.query import parse
from stream_app.domain.periods import Grain
from stream_app.domain.rows import LATER

if TYPE_CHECKING:
    from stream_app.engine.source import SourcePartition
    from stream_app.engine.source_config import SourceConfig

KEEPING = config(orders=True)


def purchase(user: str, time: int, order: str, amount: int = 10) -> bytes:
    return orjson.dumps({
        "type": "purchase", "event_id": f"{order} {time}", "user_id": user, "occurred_at": time, "order_id": order,
        "amount": amount, "currency": "USD",
    })  # fmt: skip


def question(figure: str = "lifecycle", **given: str) -> Asked:
    query = parse({"figure": figure} | given, definitions=(ENGAGEMENT, REPURCHASE), dimensions=("plan",),
                  calendar=CALENDAR)  # fmt: skip
    return Asked(query, CALENDAR, START + 10 * DAY, START + 10 * DAY)


def kept(source: SourcePartition) -> list[Any]:
    assert source.orders is not None
    orders = source.orders.arranged().part(0, len(source.table))
    return sorted(zip(*(column.tolist() for column in orders), strict=True))


async def test_orders_are_committed_with_their_users_and_recovered():
    broker = Broker()
    source = await recovered(broker, KEEPING)
    sales = [purchase("a", START, "1"), purchase("b", START, "1", -3), purchase("a", START + 1, "1", 30)]
    await source.take(chunk([*sales, visit("c", START)]))
    await source.commit()
    assert len(broker.commits[-1].rows[0]) == 3 + 2
    again = await recovered(broker, KEEPING)
    assert (kept(again), len(again.table)) == (kept(source), 3)
    assert sorted(amount for _, _, amount, _ in kept(again)) == [-300, 3000]
    await again.commit()
    assert broker.commits[-1].rows == ([], [])  # nothing of it is written again
    await again.take(chunk([*sales, visit("c", START)], 4))  # sent again
    await again.commit()
    assert broker.commits[-1].rows == ([], [])


async def test_without_orders_none_are_written():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([purchase("a", START, "1")]))
    await source.commit()
    assert broker.commits[-1].rows[0] == [b"a"]
    with pytest.raises(QueryError, match="keeps no orders"):
        await source.census(question("value"))


async def test_a_census_counts_what_was_taken():
    source = await recovered(Broker(), KEEPING)
    events = [visit("a", START), visit("a", START + DAY, "f"), visit("b", START + DAY, plan="pro")]
    await source.take(chunk([*events, purchase("b", START + 2 * DAY, "1")]))
    asked = question("lifecycle", last="10")
    (entry,) = answer(asked, await source.census(asked))["segments"]
    assert [(p["active"], p["new"], p["returning"]) for p in entry["periods"][:3]] == [(1, 1, 0), (2, 1, 1), (1, 0, 1)]
    asked = question("value")
    (entry,) = answer(asked, await source.census(asked))["segments"]
    assert (entry["totals"]["orders"], entry["totals"]["revenue"]) == (1, 1000)


async def test_chunks_wait_while_users_are_counted_and_commits_do_not(monkeypatch):
    monkeypatch.setattr(live, "SLICE", 1)
    broker = Broker()
    source = await recovered(broker, KEEPING)
    await source.take(chunk([visit(f"u{n}", START) for n in range(5)]))
    census = asyncio.create_task(source.census(question()))
    await asyncio.sleep(0)
    taking = asyncio.create_task(source.take(chunk([visit(f"v{n}", START) for n in range(5)], 5)))
    await source.commit()
    assert not census.done()
    assert len(broker.rows(0)) == 5
    assert (await census).users == 5
    assert await taking
    assert len(source.table) == 10


async def test_a_partition_that_is_given_up_while_it_is_counted_does_not_answer(monkeypatch):
    monkeypatch.setattr(live, "SLICE", 1)
    source = await recovered(Broker(), KEEPING)
    await source.take(chunk([visit(f"u{n}", START) for n in range(5)]))
    census = asyncio.create_task(source.census(question()))
    await asyncio.sleep(0)
    source.ready, source.given_up = False, True
    with pytest.raises(UnansweredError, match="partition 0 went to another worker"):
        await census
    assert await source.take(chunk([visit("late", START)], 5))  # not lost: whoever owns it reads it
    assert len(source.table) == 5


async def test_a_census_that_takes_too_long_is_given_up_so_that_chunks_go_on(monkeypatch):
    monkeypatch.setattr(live, "SLICE", 1)
    seconds = iter(range(0, 1000, 20))
    source = await recovered(Broker(), replace(KEEPING, monotonic=lambda: float(next(seconds))))
    await source.take(chunk([visit(f"u{n}", START) for n in range(5)]))
    with pytest.raises(UnansweredError, match="counting partition 0 takes more than 30 s; ask for a longer grain"):
        await source.census(question())
    assert await source.take(chunk([visit("next", START)], 5))
    assert len(source.table) == 6


# -- configured definitions, another actor

WEB = (("channel", "web"),)
ONLINE = Definition("online", "any", "any", 30, WEB, WEB)
BOUGHT = Definition("bought", "any", "purchase", 30, WEB, min_active=2)


async def test_definitions_with_conditions_are_counted_and_recovered():
    kept = (ENGAGEMENT, ONLINE, BOUGHT)
    made = config(
        definitions=kept,
        decoder=lambda: EventDecoder(
            dimensions=("plan",), currency="USD", future_tolerance_ms=0, actor="account", conditions=(WEB,)
        ),
    )
    events = [
        {"type": "visit", "event_id": f"{n}", "account": name, "occurred_at": START + n * DAY,
         "properties": {"channel": channel}}
        for n, (name, channel) in enumerate([("a", "app"), ("a", "web"), ("b", "app"), ("a", "web"), ("a", "app")])
    ]  # fmt: skip
    events[-1] |= {"type": "purchase", "order_id": "1", "amount": 5, "currency": "USD"}
    broker = Broker()
    source = await recovered(broker, made)
    brought = chunk([orjson.dumps(event) for event in events])
    brought.keys = [event["account"].encode() for event in events]
    await source.take(brought)
    await source.commit()
    again = await recovered(broker, made)
    first = START // DAY
    for one in (source, again):
        blocks = {key: cells for key, cells in nonzero(one.counters.blocks()).items() if key.series == ALL}
        assert {key.definition for key in blocks} == {"engagement", "online"}
        assert blocks[BlockKey("online", "day.size", ALL, first + 1)] == [1]
        assert blocks[BlockKey("online", "day.on", ALL, first + 3)] == [0, 0, 1]
        assert blocks[BlockKey("engagement", "day.on", ALL, first + 4)] == [0, 0, 0, 0, 1]
        (part,) = LivePopulation(one.table).slices()
        assert part.first(Filter("any", WEB)).tolist() == [START + DAY, LATER]
        assert part.active(Filter("purchase"), Grain.DAY).periods.tolist() == [first + 4]


# -- settings that change what is kept


def keeping(**kept: Any) -> SourceConfig:
    """A configuration with the fingerprint of what it keeps."""
    made = config(**kept)
    return replace(made, fingerprint=fingerprint(made.definitions, CALENDAR, made.dimensions, "USD", **kept))


async def stored(broker: Broker) -> None:
    source = await recovered(broker, keeping(orders=True, hour_days=8))
    await source.take(chunk([visit("a", START), visit("a", START + 3_600_000, "f"), purchase("b", START, "1")]))
    await source.commit()


async def hours(source: SourcePartition) -> int:
    (part,) = LivePopulation(source.table).slices()
    return part.active(Filter("any"), Grain.HOUR).users.size


async def test_hours_are_recovered_and_go_on():
    broker = Broker()
    await stored(broker)
    source = await recovered(broker, keeping(orders=True, hour_days=8))
    assert await hours(source) == 3
    await source.take(chunk([visit("a", START + 1), visit("a", START + 7_200_000)], 3))
    assert await hours(source) == 4


async def test_what_is_no_longer_kept_is_rewritten_once_and_old_records_of_orders_are_never_read_again():
    broker = Broker()
    await stored(broker)
    less = keeping()
    source = await recovered(broker, less)
    await source.commit()
    assert (len(source.table), source.orders) == (2, None)
    assert broker.marker(0).fingerprint == less.fingerprint
    since = broker.marker(0).since
    kept_keys = [key for key, _ in broker.changelog[0][since:] if key != MARKER_KEY]
    assert sorted(kept_keys) == [b"a", b"b"]
    again = await recovered(broker, less)
    assert (len(again.table), again.totals) == (2, source.totals)


async def test_orders_that_stay_are_rewritten_with_the_rows():
    broker = Broker()
    await stored(broker)
    source = await recovered(broker, keeping(orders=True))
    before = kept(source)
    again = await recovered(broker, keeping(orders=True))
    assert kept(again) == before != []
    assert broker.marker(0).since > 0


async def test_what_was_not_kept_is_refused_with_the_way_out():
    broker = Broker()
    source = await recovered(broker, keeping())
    await source.take(chunk([visit("a", START)]))
    await source.commit()
    words = r"orders were not kept .* set orders: false\); hours .* set hour_days: 0\)\. Restore .*`stream-app rebuild`"
    with pytest.raises(StateMismatchError, match=words):
        await recovered(broker, keeping(orders=True, hour_days=8))
    assert len((await recovered(broker, keeping())).table) == 1
