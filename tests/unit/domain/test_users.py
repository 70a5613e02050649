"""Users: what each kind of event does to a row and to the counters; the general case is a property test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.counting import Part, folded, nonzero
from support.engine import CALENDAR, DAY, START

from stream_app.domain.counters import BlockKey
from stream_app.domain.index import hash_keys

DAY0 = START // DAY


def event(day: float, kind: str = "visit", event_id: str = "e", user: str = "u", **segment: Any) -> dict[str, Any]:
    return {"user": user, "time": START + round(day * DAY), "kind": kind, "event_id": event_id, "segment": segment}


def part_with(*batches: list[dict[str, Any]], **options: Any) -> Part:
    part = Part(CALENDAR, **options)
    for batch in batches:
        part.take(batch)
    return part


def block(part: Part, measure: str, day: int, series: Any = (), definition: str = "engagement") -> list[int]:
    found = nonzero(part.counters.blocks())
    return found.get(BlockKey(definition, measure, series, DAY0 + day), [])


def plan_of(part: Part) -> str:
    return part.segments.combos[int(part.table.combo[0])][0]


def test_a_first_visit_makes_a_cohort():
    part = part_with([event(0, plan="pro")])
    assert block(part, "day.size", 0) == block(part, "day.on", 0) == block(part, "day.last", 0) == [1]
    assert block(part, "day.size", 0, ("plan", "pro")) == [1]
    assert nonzero(part.counters.blocks()).keys() & {BlockKey("repurchase", "day.size", (), DAY0)} == set()


def test_a_return_enters_its_cell_and_moves_the_last_one():
    part = part_with([event(0)], [event(5)])
    assert block(part, "day.on", 5) == [0, 0, 0, 0, 0, 1]
    assert block(part, "day.last", 5) == [0, 0, 0, 0, 0, 1]
    assert block(part, "day.last", 0) == []


def test_only_a_purchase_counts_for_repurchase_and_a_refund_for_nothing():
    part = part_with([event(0, "visit"), event(1, "purchase"), event(2, "refund")])
    assert block(part, "day.size", 0) == [1]
    assert block(part, "day.size", 1, definition="repurchase") == [1]
    assert block(part, "day.on", 1) == [0, 1]
    assert block(part, "day.on", 2) == []


def test_a_user_known_by_a_refund_alone_is_in_no_cohort():
    part = part_with([event(0, "refund", plan="pro")])
    assert (len(part.table), nonzero(part.counters.blocks())) == (1, {})
    part.take([event(3, plan="free")])
    assert block(part, "day.size", 3, ("plan", "pro")) == [1]


def test_an_earlier_first_event_moves_the_user_to_the_earlier_cohort():
    part = part_with([event(10), event(12)], [event(8)])
    assert block(part, "day.size", 10) == []
    assert block(part, "day.size", 8) == [1]
    assert block(part, "day.on", 12) == [0, 0, 0, 0, 1]
    assert block(part, "day.on", 10) == [0, 0, 1]


def test_an_earlier_event_brings_its_segment():
    part = part_with([event(10, plan="pro")], [event(11, plan="free")])
    assert plan_of(part) == "pro"
    part.take([event(9, "refund", plan="free")])
    assert plan_of(part) == "free"
    assert block(part, "day.size", 10, ("plan", "pro")) == []
    assert block(part, "day.size", 10, ("plan", "free")) == [1]


@pytest.mark.parametrize(
    "ids", [("a", "b"), ("a" * 17 + "a", "a" * 17 + "b"), ("a" * 16, "a" * 16 + "b"), ("9", "a" * 40)]
)
@pytest.mark.parametrize("how", ["one batch", "one batch reversed", "least first", "least last"])
def test_of_events_at_one_time_the_least_id_gives_the_segment(ids, how):
    least, other = event(0, event_id=ids[0], plan="least"), event(0, event_id=ids[1], plan="other")
    batches = {
        "one batch": [[least, other]],
        "one batch reversed": [[other, least]],
        "least first": [[least], [other]],
        "least last": [[other], [least]],
    }[how]
    part = part_with(*batches)
    assert plan_of(part) == "least"
    assert nonzero(part.counters.blocks()) == nonzero(folded(part).blocks())


def test_a_long_id_that_was_replaced_is_forgotten():
    part = part_with([event(0, event_id="z" * 40)], [event(0, event_id="a")])
    assert part.table.long_ids == {}


def test_past_the_horizon_only_the_last_activity_is_known():
    part = part_with([event(0)], [event(383)], [event(384)], [event(500)])
    assert block(part, "day.on", 383)[383] == 1
    assert block(part, "day.on", 384) == []
    assert block(part, "day.last", 383) == [0] * 383 + [1]  # the last index stands for all that follow


def test_a_late_day_past_the_horizon_of_days_still_counts_as_active():
    """Days 497 and 501 lie in one week and month, and no day bitmap reaches them: only the ring tells."""
    part = part_with([event(0)], [event(501)], [event(497)], inactivity_days=2)
    assert block(part, "day.active", 497) == block(part, "day.active", 498) == [1]
    assert block(part, "day.active", 499) == []
    assert nonzero(part.counters.blocks()) == nonzero(folded(part).blocks()) | {
        key: cells for key, cells in nonzero(part.counters.blocks()).items() if key.measure == "day.active"
    }


def test_times_before_1970_have_days_too():
    part = part_with([event(0) | {"time": -DAY - 1}], [event(0) | {"time": -1}], [event(0) | {"time": 0}])
    found = nonzero(part.counters.blocks())
    assert found[BlockKey("engagement", "day.size", (), -2)] == [1]
    assert found[BlockKey("engagement", "day.on", (), 0)] == [0, 0, 1]


def test_only_changed_users_are_dirty():
    part = part_with([event(0, user="a"), event(0, user="b")])
    assert part.table.take_dirty()[0] == [b"a", b"b"]
    part.take([event(0, user="a"), event(0.5, user="b"), event(1, user="c")])
    assert part.table.take_dirty()[0] == [b"c"]
    part.take([event(-0.1, user="a")])
    users, places = part.table.take_dirty()
    assert (users, places.tolist()) == ([b"a"], [0])


def test_an_earlier_time_on_the_same_day_is_kept():
    part = part_with([event(0.5)])
    part.table.take_dirty()
    part.take([event(0.2, event_id="x")])
    assert part.table.take_dirty()[0] == [b"u"]
    assert part.table.first[0] == part.row(0)["anchor"] == START + round(0.2 * DAY)


def test_the_table_grows():
    part = part_with(*[[event(d, user=f"{n}") for n in range(d * 1000, (d + 1) * 1000)] for d in range(3)])
    assert len(part.table) == 3000
    assert sum(block(part, "day.size", d)[0] for d in range(3)) == 3000
    assert part.table.nbytes / 3000 < 250  # the index has room for more


def test_a_batch_without_events_changes_nothing():
    part = part_with([])
    assert (len(part.table), list(part.counters.blocks())) == (0, [])


def test_each_list_of_combinations_is_numbered_by_itself():
    """The decoder begins a new list after very many combinations: the same number is another one then."""
    part = part_with([event(0, user="a", plan="x")])
    part.combos = []
    part.take([event(0, user="b", plan="y")])
    part.combos = []
    part.take([event(0, user="c", plan="x")])
    assert block(part, "day.size", 0, ("plan", "x")) == [2]
    assert block(part, "day.size", 0, ("plan", "y")) == [1]


def test_ids_of_users_that_share_beginnings_are_apart():
    users = [b"a" * n for n in range(1, 257, 15)]
    part = part_with([event(0, user=user.decode()) for user in users])
    assert len(part.table) == len(users)
    assert np.unique(part.table.index.find(hash_keys(users))).size == len(users)
