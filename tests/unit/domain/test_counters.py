"""Counters: pages that grow, blocks that changed, segments past their cap."""

from __future__ import annotations

import numpy as np
from support.counting import Part, nonzero
from support.engine import CALENDAR, DAY, START

from stream_app.domain.counters import ALL, BlockKey, Cells, Counters, Segments, Spans, measure
from stream_app.domain.periods import Grain


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def cells(periods, indexes, *, combos=None, sign=1, name="day.on"):
    return Cells("d", name, ints(*(combos or [0] * len(periods))), ints(*periods), ints(*indexes), sign)


def segments(*values: str) -> Segments:
    made = Segments(("plan",))
    for value in values or ("pro",):
        made.combo((value,))
    return made


def test_measures_are_named_by_grain_and_kind():
    assert measure(Grain.WEEK, "last") == "week.last"


def test_users_enter_and_leave_cells():
    counters = Counters(segments())
    counters.apply([cells([5, 5, 7], [0, 3, 0]), cells([5], [3], sign=-1), cells([], [])])
    assert nonzero(counters.blocks()) == {
        BlockKey("d", "day.on", series, period): [1] for series in (ALL, ("plan", "pro")) for period in (5, 7)
    }


def test_a_cell_entered_twice_at_once_counts_twice():
    counters = Counters(segments("a", "b"))
    counters.apply([cells([1, 1, 1], [2, 2, 2], combos=[0, 1, 0])])
    blocks = nonzero(counters.blocks())
    assert blocks[BlockKey("d", "day.on", ALL, 1)] == [0, 0, 3]
    assert blocks[BlockKey("d", "day.on", ("plan", "a"), 1)] == [0, 0, 2]


def test_spans_count_a_user_on_each_of_their_days():
    counters = Counters(segments())
    counters.apply([Spans("d", ints(0, 0), ints(3, 5), ints(6, 7), 1), Spans("d", ints(0), ints(4), ints(5), -1)])
    active = {k.period: v[0] for k, v in nonzero(counters.blocks()).items() if k.series == ALL}
    assert active == {3: 1, 5: 2, 6: 1}


def test_only_changed_blocks_are_taken_and_each_once():
    counters = Counters(segments("a", "b"))
    counters.apply([cells([1], [0], combos=[0])])
    assert {key.series for key, _ in counters.take_dirty()} == {ALL, ("plan", "a")}
    assert list(counters.take_dirty()) == []
    counters.apply([cells([2], [0], combos=[1])])
    assert {(key.series, key.period) for key, _ in counters.take_dirty()} == {(ALL, 2), (("plan", "b"), 2)}


def test_a_block_that_became_zero_is_taken_too():
    counters = Counters(segments())
    counters.apply([cells([1], [0])])
    list(counters.take_dirty())
    counters.apply([cells([1], [0], sign=-1)])
    assert [block.any() for _, block in counters.take_dirty()] == [False, False]


def test_segments_that_come_later_make_older_pages_grow():
    known = segments("a")
    counters = Counters(known)
    counters.apply([cells([1], [0])])
    combos = [known.combo((f"value {n}",)) for n in range(40)]
    counters.apply([cells([1] * 40, list(range(40)), combos=combos)])
    blocks = nonzero(counters.blocks())
    assert blocks[BlockKey("d", "day.on", ALL, 1)] == [2] + [1] * 39
    assert blocks[BlockKey("d", "day.on", ("plan", "value 39"), 1)] == [0] * 39 + [1]


def test_everything_can_be_marked_as_changed():
    known = segments("a")
    counters = Counters(known)
    counters.apply([cells([1, 2], [0, 0])])
    list(counters.take_dirty())
    known.combo(("b",))  # a series that older pages have no row for
    counters.touch_all()
    assert nonzero(counters.take_dirty()) == nonzero(counters.blocks())


def test_blocks_given_out_do_not_change():
    counters = Counters(segments())
    counters.apply([cells([1], [0])])
    (_, block), *_ = counters.take_dirty()
    counters.apply([cells([1], [0])])
    assert block.tolist()[0] == 1


# -- segments


def test_each_dimension_makes_a_series_of_its_own():
    made = Segments(("plan", "country"))
    assert made.combo(("pro", "de")) == made.combo(("pro", "de")) == 0
    assert made.combo(("pro", "fr")) == 1
    assert made.series == [ALL, ("plan", "pro"), ("country", "de"), ("country", "fr")]
    assert made.series_of(ints(0, 1)).tolist() == [[0, 1, 2], [0, 1, 3]]


def test_without_dimensions_there_is_one_series():
    made = Segments(())
    assert made.combo(()) == 0
    assert made.series_of(ints(0, 0)).tolist() == [[0], [0]]


def test_past_the_cap_new_values_are_other_for_good():
    made = Segments(("plan",), max_values=2)
    assert [made.combos[made.combo((v,))] for v in ("a", "b", "c", "a", "d")] == [
        ("a",), ("b",), ("(other)",), ("a",), ("(other)",),
    ]  # fmt: skip
    assert made.capped == {"plan": 2}
    assert [s for s in made.series if s] == [("plan", "a"), ("plan", "b"), ("plan", "(other)")]


def test_none_and_other_take_no_room_under_the_cap():
    """Or a value that was kept could be refused when rows come back in another order."""
    made = Segments(("plan",), max_values=2)
    for value in ("(none)", "(other)", "a", "b"):
        assert made.combos[made.combo((value,))] == (value,)
    assert made.combos[made.combo(("c",))] == ("(other)",)


def test_recovery_past_the_cap_keeps_every_user_where_they_were():
    part = Part(CALENDAR, dimensions=("plan",), max_values=2)
    events = [
        {"user": f"u{n}", "time": START + n * DAY, "kind": "visit", "event_id": f"e{n}", "segment": {"plan": plan}}
        for n, plan in enumerate(["a", "b", "c", "d", None])
    ]
    part.take(events)
    part.commit()
    before = nonzero(part.counters.blocks())
    part.log = dict(reversed(part.log.items()))
    part.crash()
    assert nonzero(part.counters.blocks()) == before
