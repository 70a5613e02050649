"""A source partition: the chain of positions, what a commit holds, and recovery from what was committed."""

from __future__ import annotations

import asyncio

import pytest
from support.counting import nonzero, told
from support.engine import DAY, START, Broker, Clock, Seen, chunk, config, recovered, visit

from stream_app.codecs.dead_letters import decode as decode_letter
from stream_app.codecs.partials import decode_key, decode_page, decode_status
from stream_app.codecs.rows import Source
from stream_app.domain.counters import BlockKey, Counters
from stream_app.domain.errors import StateMismatchError
from stream_app.engine.ledger import Fenced
from stream_app.engine.source import MAX_PENDING


def size(source, day: int = 19_723) -> int:
    blocks = dict(source.counters.blocks())
    block = blocks.get(BlockKey("engagement", "day.size", (), day))
    return 0 if block is None else int(block[0])


# -- the chain of positions


async def test_a_chunk_after_a_gap_is_refused_and_changes_nothing():
    source = await recovered(Broker())
    assert await source.take(chunk([visit("a", START)], 0))
    assert not await source.take(chunk([visit("b", START)], 2))
    assert (len(source.table), source.readings["visits"].offset) == (1, 1)


async def test_of_a_chunk_that_overlaps_only_the_rest_is_counted():
    seen = Seen()
    source = await recovered(Broker(), seen=seen)
    await source.take(chunk([visit("a", START), visit("b", START)], 0))
    assert await source.take(chunk([visit("a", START), visit("b", START), visit("c", START)], 0))
    assert (len(source.table), source.readings["visits"].offset) == (3, 3)
    assert source.totals["read"] == 3
    assert [counts.read for _, counts in seen.chunks] == [2, 1]


async def test_a_chunk_that_was_read_is_ignored():
    seen = Seen()
    source = await recovered(Broker(), seen=seen)
    await source.take(chunk([visit("a", START)], 0))
    assert await source.take(chunk([visit("a", START)], 0))
    assert (source.totals["read"], len(seen.chunks)) == (1, 1)


async def test_offsets_without_a_record_are_passed():
    source = await recovered(Broker())
    gap = chunk([visit("a", START)], 0)
    gap.stop, gap.offsets = 10, [7]
    assert await source.take(gap)
    empty = chunk([], 10)
    empty.stop = 12  # a transaction's end, say
    assert await source.take(empty)
    assert source.readings["visits"].offset == 12
    assert source.totals["read"] == 1


async def test_each_topic_has_its_own_chain():
    source = await recovered(Broker())
    await source.take(chunk([visit("a", START)], 0))
    assert not await source.take(chunk([visit("a", START)], 1, topic="purchases"))
    assert await source.take(chunk([visit("a", START)], 0, topic="purchases"))


# -- records: read = counted + dead-lettered + dropped


async def test_every_record_read_is_counted_dead_lettered_or_dropped():
    broker, seen = Broker(), Seen()
    source = await recovered(broker, config(topics=("visits",)), seen=seen)
    await source.take(chunk([visit("new", START + 500 * DAY)], 0))
    values = [visit("a", START + 500 * DAY), b"{", None, visit("old", START), visit("late", START + 400 * DAY)]
    await source.take(chunk(values, 1))
    await source.commit()
    expected = {"read": 6, "counted": 3, "dead_lettered": 2, "dropped": 1, "late": 1}
    assert source.totals == broker.marker(0).totals == expected
    assert [decode_letter(letter).reason.value for letter in broker.dead_letters] == ["not_json", "no_value"]
    counts = seen.chunks[-1][1]
    assert (counts.read, counts.counted, counts.dead_lettered, counts.dropped) == (5, 2, 2, 1)
    assert counts.reasons == ["not_json", "no_value"]


async def test_a_dead_letter_says_where_its_record_was():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START), b"\xffbroken"], 0, topic="purchases"))
    await source.commit()
    (letter,) = map(decode_letter, broker.dead_letters)
    assert (letter.topic, letter.partition, letter.offset, letter.value) == ("purchases", 0, 1, b"\xffbroken")


async def test_very_many_dead_letters_do_not_wait_for_the_next_commit():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([b"?"] * (MAX_PENDING + 1), 0))
    assert len(broker.dead_letters) == MAX_PENDING + 1


# -- commits


async def test_rows_marker_and_blocks_are_of_one_instant():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START), visit("b", START + DAY)], 0))
    await source.commit()
    (commit,) = broker.commits
    assert commit.rows[0] == [b"a", b"b"]
    marker = broker.marker(0)
    assert marker.sources == {"visits": Source(2, START + DAY), "purchases": Source(0, None)}
    assert marker.epoch == 1
    assert commit.partials
    *blocks, (status_key, status) = commit.partials
    assert decode_key(status_key) == (None, 0)  # the status comes last
    assert decode_status(status).totals == {**marker.totals, "users": 2}
    assert all(decode_key(key)[0] is not None and decode_page(value)[0] == 1 for key, value in blocks)


async def test_what_is_counted_while_a_commit_is_being_written_belongs_to_the_next():
    broker = Broker()
    source = await recovered(broker)
    written, release = asyncio.Event(), asyncio.Event()
    write = source.ledger.write

    async def slow(commit):
        written.set()
        await release.wait()
        await write(commit)

    source.ledger.write = slow
    await source.take(chunk([visit("a", START)], 0))
    committing = asyncio.create_task(source.commit())
    await written.wait()
    await source.take(chunk([visit("b", START)], 1))
    release.set()
    await committing
    assert broker.marker(0).sources["visits"].offset == 1 == source.readings["visits"].durable
    assert list(broker.rows(0)) == [b"a"]
    await source.commit()
    assert broker.marker(0).sources["visits"].offset == 2 == source.readings["visits"].durable
    assert list(broker.rows(0)) == [b"a", b"b"]


async def test_nothing_is_written_when_nothing_changed():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START)], 0))
    for _ in range(3):
        await source.commit()
    assert len(broker.commits) == 1


async def test_counters_that_were_not_due_go_out_later_and_cost_no_empty_commit():
    broker = Broker()
    source = await recovered(broker, config(partials_interval=3600.0))
    await source.commit(publish=True)
    before = len(broker.partials)
    await source.take(chunk([visit("a", START)], 0))
    await source.commit()
    await source.commit()
    assert (len(broker.commits), len(broker.partials)) == (2, before)
    await source.commit(publish=True)
    assert len(broker.partials) > before
    assert list(broker.rows(0)) == [b"a"]


async def test_a_user_who_brings_nothing_new_is_not_written_again():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START)], 0))
    await source.commit()
    await source.take(chunk([visit("a", START, "later"), visit("a", START)], 1))
    await source.commit()
    assert broker.commits[-1].rows == ([], [])
    assert broker.marker(0).sources["visits"].offset == 3


@pytest.mark.parametrize(("error", "outcome"), [(OSError("gone"), "failed"), (Fenced("x"), "fenced")])
async def test_after_a_failed_write_the_state_takes_part_in_nothing(error, outcome):
    broker, seen = Broker(), Seen()
    source = await recovered(broker, seen=seen)
    await source.take(chunk([visit("a", START)], 0))
    broker.fail = error
    with pytest.raises(type(error)):
        await source.commit()
    assert not source.ready
    assert seen.commits == [outcome]
    await source.commit()  # what was taken from the table is lost with it
    assert broker.commits == []
    assert source.readings["visits"].durable is None


async def test_a_cancelled_write_is_a_failed_one():
    broker = Broker()
    source = await recovered(broker)
    never = asyncio.Event()

    async def hang(_commit):
        await never.wait()

    source.ledger.write = hang
    await source.take(chunk([visit("a", START)], 0))
    task = asyncio.create_task(source.commit())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not source.ready


async def test_a_former_owner_writes_nothing_more():
    broker = Broker()
    zombie = await recovered(broker)
    await zombie.take(chunk([visit("a", START)], 0))
    owner = await recovered(broker)
    with pytest.raises(Fenced):
        await zombie.commit()
    assert (broker.changelog, broker.partials) == ({}, [])
    await owner.take(chunk([visit("a", START)], 0))
    await owner.commit()
    assert owner.epoch == 1
    assert list(broker.rows(0)) == [b"a"]


# -- recovery


async def test_recovery_restores_users_counters_totals_and_positions():
    broker = Broker()
    first = await recovered(broker)
    await first.take(chunk([visit("a", START, plan="pro"), visit("b", START), b"?"], 0))
    await first.take(chunk([visit("a", START + DAY, "é" * 30, plan="pro")], 3))
    await first.commit()
    await first.take(chunk([visit("lost", START)], 4))
    second = await recovered(broker)
    assert second.epoch == 2
    assert (len(second.table), size(second)) == (2, 2)
    assert second.readings["visits"].offset == 4
    assert second.readings["visits"].last_event == START + DAY
    assert second.watermark == first.watermark
    assert second.totals == {"read": 4, "counted": 3, "dead_lettered": 1, "dropped": 0, "late": 0}
    # All counters go out anew under the new epoch, which makes those of the old one void.
    await second.commit()
    known = nonzero(told(broker.commits[-1].partials[:-1]))
    assert known == nonzero(second.counters.blocks())
    assert {decode_page(v)[0] for _, v in broker.commits[-1].partials[:-1]} == {2}


async def test_a_crash_at_any_commit_changes_no_figure():
    values = [
        visit(f"u{i % 7}", START + (i * 37 % 50) * DAY, f"{'long' * (i % 2 * 9)}-{i}", plan="ab"[i % 2])
        for i in range(60)
    ]
    broker = Broker()
    whole = await recovered(Broker())
    await whole.take(chunk(values, 0))
    source = await recovered(broker)
    for step in range(20):
        at = source.readings["visits"].offset
        await source.take(chunk(values[at : at + 5], at))
        if step % 2:
            await source.commit()
        if step % 5 == 4:
            source = await recovered(broker)  # what was not committed is read again
    at = source.readings["visits"].offset
    await source.take(chunk(values[at:], at))
    assert nonzero(source.counters.blocks()) == nonzero(whole.counters.blocks())
    rebuilt = Counters(source.segments)
    rebuilt.apply(source.table.fold(0, len(source.table)))
    assert nonzero(rebuilt.blocks()) == nonzero(whole.counters.blocks())
    assert source.totals == whole.totals


async def test_rows_that_cannot_be_read_are_refused_with_the_partition():
    broker = Broker(changelog={3: [(b"a", b"\x07what is this")]})
    with pytest.raises(StateMismatchError, match=r"partition 3: .*cannot be read.*stream-app rebuild"):
        await recovered(broker, number=3)


async def test_a_source_topic_that_was_made_anew_is_refused():
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START)] * 5, 0))
    await source.commit()
    again = await recovered(broker)
    with pytest.raises(StateMismatchError, match=r"topic visits, partition 0: .* offset 5, but the topic ends at 2"):
        await again.recover(broker.read(0), {"visits": 0, "purchases": 0}, {"visits": 2, "purchases": 0})


async def test_records_deleted_before_they_were_read_are_said_to_be_lost(caplog):
    broker = Broker()
    source = await recovered(broker)
    await source.take(chunk([visit("a", START)], 0))
    await source.commit()
    seen = Seen()
    again = await recovered(broker, seen=seen)
    assert seen.losses == []
    await again.recover(broker.read(0), {"visits": 10, "purchases": 0}, {"visits": 20, "purchases": 0})
    assert again.readings["visits"].offset == 10
    assert "9 records were deleted" in caplog.text
    assert seen.losses == [("visits", 9)]


async def test_the_first_start_reads_from_the_first_offset_there_is(caplog):
    source = await recovered(Broker())
    await source.recover(Broker().read(0), {"visits": 7, "purchases": 0}, {"visits": 9, "purchases": 0})
    assert source.readings["visits"].offset == 7
    assert caplog.text == ""


# -- time


async def test_a_topic_is_idle_when_it_is_read_and_nothing_came_for_a_while():
    clock = Clock()
    ends = {"visits": 1, "purchases": 0}
    source = await recovered(Broker(), config(clock, lateness=1000), end=lambda topic, _: ends[topic])
    await source.take(chunk([visit("a", START)], 0))
    assert {t: (s.idle, s.lag) for t, s in source.status(clock.now).items()} == {
        "visits": (False, 0), "purchases": (False, 0),
    }  # fmt: skip
    assert source.watermark is None  # purchases might still hold anything
    clock.now += 10_000
    assert all(status.idle for status in source.status(clock.now).values())
    await source.commit()
    assert source.watermark == START - 1000
    ends["visits"] = 2
    assert source.status(clock.now)["visits"].idle is False


async def test_a_topic_whose_end_is_unknown_is_not_idle():
    clock = Clock()
    source = await recovered(Broker(), config(clock))
    clock.now += 10**9
    assert not any(status.idle for status in source.status(clock.now).values())
