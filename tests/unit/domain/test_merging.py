"""The sum over source partitions: epochs, completeness, snapshots that stand still."""

from __future__ import annotations

import numpy as np
from support.counting import definitions
from support.engine import CALENDAR, DAY, START

from stream_app.domain.counters import BlockKey, PageKey
from stream_app.domain.merging import Merged
from stream_app.domain.watermarks import Progress

KEY = BlockKey("engagement", "day.on", (), 19_723)
NAME = (KEY.definition, KEY.measure, KEY.series)
NOW = START + 1000 * DAY


def merged(partitions: int = 2, **options) -> Merged:
    return Merged(CALENDAR, definitions(), ("plan",), partitions=partitions, lateness=1000, **options)


def cells(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def shown(merger: Merged) -> list[int]:
    snapshot, _ = merger.snapshot(NOW)
    return snapshot.blocks[NAME][KEY.period].tolist()


def tell(merger: Merged, partition: int, epoch: int, *blocks: tuple[BlockKey, np.ndarray]) -> None:
    """What a commit writes: blocks, then the status."""
    for key, block in blocks:
        merger.block(key, partition, epoch, block)
    merger.status(partition, epoch, [], {})


def busy(time: int | None) -> list[Progress]:
    return [Progress(time, idle=False)]


def test_blocks_of_differing_length_add_up():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(1, 2)))
    tell(merger, 1, 1, (KEY, cells(10, 20, 30)))
    assert shown(merger) == [11, 22, 30]


def test_a_block_replaces_the_one_before():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(1, 2)))
    tell(merger, 0, 1, (KEY, cells(5)))
    assert shown(merger) == [5]


def test_blocks_are_not_shown_before_the_status_they_were_written_with():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(1)))
    merger.block(KEY, 0, 1, cells(2))
    assert shown(merger) == [1]
    tell(merger, 1, 1, (KEY, cells(10)))
    assert shown(merger) == [11]
    tell(merger, 0, 1)
    assert shown(merger) == [12]


def test_a_block_that_became_empty_is_zero_and_shown_as_changed():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(1)))
    merger.snapshot(NOW)
    tell(merger, 0, 1, (KEY, cells()))
    snapshot, dirty = merger.snapshot(NOW)
    assert dirty == {KEY}
    assert snapshot.blocks[NAME][KEY.period].tolist() == [0]


def test_blocks_of_an_earlier_epoch_are_void():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(7)))
    tell(merger, 1, 1, (KEY, cells(1)))
    merger.snapshot(NOW)
    tell(merger, 0, 2)
    assert shown(merger) == [1]
    merger.block(KEY, 0, 1, cells(7))  # from a compacted log, say
    tell(merger, 0, 2)
    assert shown(merger) == [1]
    merger.status(0, 1, busy(START), {"read": 9})  # a status of the former owner
    tell(merger, 0, 2, (KEY, cells(3)))
    assert shown(merger) == [4]
    assert merger.snapshot(NOW)[0].totals == {}


def test_of_blocks_that_came_before_an_epoch_s_first_status_those_of_the_epoch_stay():
    merger = merged()
    merger.block(KEY, 0, 1, cells(7))
    merger.block(KEY, 0, 2, cells(3))
    merger.status(0, 2, [], {})
    assert shown(merger) == [3]


def test_a_snapshot_does_not_change_afterwards():
    merger = merged()
    tell(merger, 0, 1, (KEY, cells(1)))
    before, _ = merger.snapshot(NOW)
    other = KEY._replace(period=KEY.period + 1)
    tell(merger, 0, 1, (KEY, cells(2)), (other, cells(5)))
    after, dirty = merger.snapshot(NOW)
    assert dirty == {KEY, other}
    assert {p: b.tolist() for p, b in before.blocks[NAME].items()} == {KEY.period: [1]}
    assert {p: b.tolist() for p, b in after.blocks[NAME].items()} == {KEY.period: [2], other.period: [5]}
    assert merger.snapshot(NOW)[1] == set()


def test_there_is_no_watermark_until_every_partition_told_of_itself():
    merger = merged()
    merger.status(0, 1, busy(START), {})
    snapshot, _ = merger.snapshot(NOW)
    assert not merger.complete
    assert (snapshot.watermark, snapshot.last_event) == (None, START)
    merger.status(1, 1, busy(START + DAY), {})
    assert merger.snapshot(NOW)[0].watermark == START - 1000


def test_a_partition_without_events_does_not_hold_the_watermark_once_idle():
    merger = merged()
    merger.status(0, 1, busy(START), {})
    merger.status(1, 1, busy(None), {})
    assert merger.snapshot(NOW)[0].watermark is None
    merger.status(1, 1, [Progress(None, idle=True)], {})
    assert merger.snapshot(NOW)[0].watermark == START - 1000


def test_the_watermark_never_goes_back_over_a_restart():
    merger = merged(1, previous=START + DAY)
    assert merger.snapshot(NOW)[0].watermark == START + DAY
    merger.status(0, 1, busy(START), {})
    assert merger.snapshot(NOW)[0].watermark == START + DAY
    merger.status(0, 1, busy(START + 2 * DAY), {})
    assert merger.snapshot(START + DAY + 5)[0].watermark == START + DAY + 5  # never past the clock


def test_totals_add_up():
    merger = merged()
    merger.status(0, 1, [], {"read": 3, "late": 1})
    merger.status(1, 1, [], {"read": 4, "users": 2})
    merger.status(1, 1, [], {"read": 5, "users": 2})
    assert merger.snapshot(NOW)[0].totals == {"read": 8, "late": 1, "users": 2}


# -- pages: several series at once


PAGE = PageKey("engagement", "day.on", 19_723, 0)
FREE, PRO = ("plan", "free"), ("plan", "pro")


def rows(merger: Merged) -> dict:
    snapshot, _ = merger.snapshot(NOW)
    return {series: pages[PAGE.period].tolist() for (_, _, series), pages in snapshot.blocks.items()}


def matrix(*lines: list[int]) -> np.ndarray:
    return np.array(lines, np.int32)


def test_partitions_that_name_their_series_in_another_order_add_up():
    merger = merged()
    merger.page(PAGE, 0, 1, ((), FREE, PRO), 0, matrix([3, 3], [1, 1], [2, 2]))
    merger.status(0, 1, [], {})
    merger.page(PAGE, 1, 1, ((), PRO), 1, matrix([10], [10]))
    merger.status(1, 1, [], {})
    assert rows(merger) == {(): [3, 13], FREE: [1, 1], PRO: [2, 12]}


def test_only_series_that_differ_are_said_to_have_changed():
    merger = merged(1)
    merger.page(PAGE, 0, 1, ((), FREE), 0, matrix([3], [1]))
    merger.status(0, 1, [], {})
    before, _ = merger.snapshot(NOW)
    merger.page(PAGE, 0, 1, ((), FREE, PRO), 0, matrix([5], [1], [2]))
    merger.status(0, 1, [], {})
    after, dirty = merger.snapshot(NOW)
    assert {key.series for key in dirty} == {(), PRO}
    assert before.blocks[NAME][PAGE.period].tolist() == [3]
    assert after.blocks[NAME][PAGE.period].tolist() == [5]
    merger.page(PAGE, 0, 1, ((), FREE, PRO), 0, matrix([5, 0], [1, 0], [2, 0]))
    merger.status(0, 1, [], {})
    assert merger.snapshot(NOW)[1] == set()


def test_series_that_were_never_there_have_no_block():
    merger = merged(1)
    merger.page(PAGE, 0, 1, ((), FREE), 0, matrix([3], [0]))
    merger.status(0, 1, [], {})
    assert rows(merger) == {(): [3]}


def test_a_new_epoch_makes_groups_void_that_it_does_not_tell_of():
    merger = merged(1)
    merger.page(PAGE, 0, 1, ((), FREE), 0, matrix([3], [3]))
    merger.page(PAGE._replace(group=1), 0, 1, (PRO,), 0, matrix([4]))
    merger.status(0, 1, [], {})
    assert rows(merger) == {(): [3], FREE: [3], PRO: [4]}
    merger.page(PAGE, 0, 2, ((), PRO), 0, matrix([7], [7]))
    merger.status(0, 2, [], {})
    assert rows(merger) == {(): [7], FREE: [0], PRO: [7]}


def test_what_the_version_before_told_is_void_once_the_partition_tells_by_pages():
    merger = merged(1)
    tell(merger, 0, 1, (KEY, cells(9)))
    merger.page(PAGE, 0, 2, ((),), 0, matrix([7]))
    merger.status(0, 2, [], {})
    assert rows(merger) == {(): [7]}


# -- partitions of two configurations, while one takes over from the other


def test_partitions_counted_under_another_configuration_are_not_added_up():
    merger = merged(2, fingerprint="new")
    for partition in (0, 1):
        merger.block(KEY, partition, 1, cells(5))
        merger.status(partition, 1, busy(START), {}, "old")
    assert merger.foreign == {0: "old", 1: "old"}
    assert not merger.complete
    merger.block(KEY, 1, 2, cells(4))
    merger.status(1, 2, busy(START), {}, "new")
    assert merger.foreign == {0: "old"}
    assert merger.snapshot(NOW)[0].watermark is None
    merger.block(KEY, 0, 2, cells(3))
    merger.status(0, 2, busy(START), {}, "new")
    assert (merger.foreign, merger.complete, shown(merger)) == ({}, True, [7])


def test_a_partition_that_goes_over_to_another_configuration_takes_its_blocks_away():
    merger = merged(2, fingerprint="old")
    for partition in (0, 1):
        merger.block(KEY, partition, 1, cells(5))
        merger.status(partition, 1, busy(START), {}, "old")
    assert (merger.complete, shown(merger)) == (True, [10])
    merger.block(KEY, 1, 2, cells(4))
    merger.status(1, 2, busy(START + DAY), {}, "new")
    assert merger.foreign == {1: "new"}
    assert not merger.complete
    assert shown(merger) == [5]


def test_without_a_fingerprint_everything_is_added_up():
    merger = merged(1)
    merger.block(KEY, 0, 1, cells(5))
    merger.status(0, 1, busy(START), {}, "whatever")
    assert (merger.foreign, shown(merger)) == ({}, [5])


# -- corrections: figures of closed periods that change


DAY_OF = KEY.period
CLOSED = (DAY_OF + 2) * DAY  # by this time the day has closed


def told(merger: Merged, time: int, *blocks: tuple[BlockKey, np.ndarray], epoch: int = 1, partition: int = 0) -> None:
    for key, block in blocks:
        merger.block(key, partition, epoch, block)
    merger.status(partition, epoch, busy(time), {})


def corrected(merger: Merged) -> dict[str, int]:
    return dict(merger.snapshot(NOW)[0].corrections.cells)


def test_a_change_of_a_closed_period_is_a_correction():
    merger = merged(1)
    told(merger, DAY_OF * DAY, (KEY, cells(1, 2, 3)))
    assert corrected(merger) == {}
    told(merger, CLOSED, (KEY, cells(1, 2, 4)))  # what closes the day comes with the day's last change
    assert corrected(merger) == {}
    told(merger, CLOSED, (KEY, cells(1, 5, 7)))
    assert corrected(merger) == {"engagement": 2}
    told(merger, CLOSED, (KEY, cells(1, 5, 7, 1)), (KEY._replace(definition="repurchase"), cells(1)))
    assert corrected(merger) == {"engagement": 3, "repurchase": 1}
    assert merger.snapshot(NOW + 5)[0].corrections.latest == NOW
    assert merger.snapshot(NOW + 5)[0].corrections.since == NOW


def test_what_is_open_or_never_final_is_no_correction():
    merger = merged(1)
    told(merger, CLOSED)
    corrected(merger)
    last, plan = KEY._replace(measure="day.last"), KEY._replace(series=("plan", "pro"))
    today, month = KEY._replace(period=DAY_OF + 2), KEY._replace(measure="month.on", period=19_723 // 30 + 1)
    told(merger, CLOSED, (last, cells(1)), (plan, cells(1)), (today, cells(1)), (month, cells(1)))
    assert corrected(merger) == {}


def test_a_new_owner_who_counts_the_same_corrects_nothing():
    merger = merged(1)
    told(merger, CLOSED, (KEY, cells(1, 2)))
    corrected(merger)
    told(merger, CLOSED, (KEY, cells(1, 2)), epoch=2)
    assert corrected(merger) == {}
    assert merger.snapshot(NOW)[0].epochs == {0: 2}


def test_until_every_partition_has_told_of_itself_nothing_is_corrected():
    merger = merged(2, previous=CLOSED)
    told(merger, CLOSED, (KEY, cells(1)))
    assert corrected(merger) == {}
    told(merger, CLOSED, (KEY, cells(1)), partition=1)
    assert corrected(merger) == {}
    told(merger, CLOSED, (KEY, cells(2)), partition=1)
    assert corrected(merger) == {"engagement": 1}
