"""The parts of a rebuild: what it writes, how far it is, what it misses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiokafka import TopicPartition
from support.engine import START, Broker, chunk, config, recovered, visit

from stream_app.codecs.dead_letters import decode
from stream_app.codecs.rows import Marker, Source
from stream_app.engine.control import state_id
from stream_app.engine.rebuild import Progress, RebuildLedger, missing, progress

if TYPE_CHECKING:
    from stream_app.engine.source import SourcePartition

VISITS, PURCHASES = TopicPartition("visits", 0), TopicPartition("purchases", 0)


async def counting(broker: Broker, told: dict[str, int]) -> SourcePartition:
    source = await recovered(broker, config())
    source.ledger = RebuildLedger(source.ledger, lambda: told)
    return source


async def test_rows_and_marker_are_written_and_no_counters():
    broker = Broker()
    source = await counting(broker, {})
    await source.take(chunk([visit("a", START), visit("b", START)], 0))
    await source.commit(publish=True)
    assert list(broker.rows(0)) == [b"a", b"b"]
    assert broker.marker(0).sources["visits"].offset == 2
    assert broker.partials == []


async def test_dead_letters_that_the_running_service_has_written_are_not_written_again():
    broker, told = Broker(), {"visits": 3}
    source = await counting(broker, told)
    await source.take(chunk([b"?"] * 5, 0))
    await source.commit()
    assert [decode(letter).offset for letter in broker.dead_letters] == [3, 4]
    assert broker.marker(0).totals["dead_lettered"] == 5
    told["visits"] = 9
    await source.take(chunk([b"?"] * 3, 5))
    await source.take(chunk([b"?"] * 2, 0, topic="purchases"))  # of which the running service has read nothing
    await source.commit()
    assert [(decode(x).topic, decode(x).offset) for x in broker.dead_letters[2:]] == [
        ("purchases", 0),
        ("purchases", 1),
    ]


def test_progress_is_the_share_of_the_offsets_that_markers_have_passed():
    beginnings, ends = {VISITS: 100, PURCHASES: 0}, {VISITS: 300, PURCHASES: 50}
    marker = Marker("f", 1, sources={"visits": Source(250, None), "purchases": Source(0, None)})
    assert progress({0: marker}, beginnings, ends) == Progress(150, 250)
    assert progress({0: marker}, beginnings, ends).left == 100
    assert progress({0: None}, beginnings, ends) == Progress(0, 250)
    assert progress({}, beginnings, ends).left == 250


def test_progress_never_passes_what_the_broker_tells_of_the_end():
    marker = Marker("f", 1, sources={"visits": Source(250, None)})
    assert progress({0: marker}, {VISITS: 0}, {VISITS: 200}) == Progress(200, 200)


def test_what_the_topics_no_longer_hold_is_named():
    assert missing({VISITS: 0, PURCHASES: 0}) == []
    assert missing({VISITS: 7, PURCHASES: 0}) == ["topic visits, partition 0: offsets 0 to 6"]


def test_generations_have_names_of_their_own():
    assert [state_id("shop", generation) for generation in (1, 2, 13)] == ["shop", "shop.g2", "shop.g13"]
