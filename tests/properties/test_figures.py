"""Whatever the order, the splits and the redeliveries: the figures are those of the plain oracle."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from oracle import Oracle
from properties.streams import Stream, arrivals, streams
from support.counting import Part, definitions, folded, merge, nonzero
from support.snapshots import churn, retention

from stream_app.domain.events import Definition
from stream_app.domain.metrics import Snapshot, closed_cells
from stream_app.domain.periods import Grain
from stream_app.domain.rows import RING_DAYS

WEB = (("channel", "web"),)
#: Definitions that share filters, need two of them, or some events only.
KEPT = (
    *definitions(30), Definition("use", "any", "any", 7), Definition("seen", "visit", "purchase"),
    Definition("web", "any", "any", 30, WEB, WEB), Definition("often", "purchase", "purchase", min_active=3),
)  # fmt: skip
QUERIES = [
    {"definition": definition, "grain": grain, "kind": kind, "dimension": dimension, "top": 2}
    for definition in ("engagement", "repurchase")
    for grain in ("day", "week", "month")
    for kind in ("classic", "rolling")
    for dimension in (None, "plan", "country")
]


def assert_same_figures(snapshot: Snapshot, stream: Stream) -> None:
    oracle = Oracle(
        stream.events, timezone=stream.timezone, week_start=stream.week_start, inactivity_days=stream.inactivity_days
    )
    for query in QUERIES:
        assert retention(snapshot, **query) == oracle.retention(**query, watermark=stream.watermark), query
    for definition in ("engagement", "repurchase"):
        for dimension in (None, "plan"):
            query = {"definition": definition, "dimension": dimension, "top": 2, "days": 60}
            expected = oracle.churn(**query, watermark=stream.watermark, known_days=RING_DAYS)
            assert churn(snapshot, **query) == expected, query


@given(st.data(), streams(), st.integers(1, 3))
def test_figures_are_those_of_the_oracle(data: Any, stream: Stream, partitions: int) -> None:
    parts = [
        Part(stream.calendar, inactivity_days=stream.inactivity_days, number=number) for number in range(partitions)
    ]
    for batch in data.draw(arrivals(stream.events)):
        for part in parts:
            part.take([e for e in batch if int(e["user"][1:]) % partitions == part.number])
            if data.draw(st.booleans()):
                part.commit()
    for part in parts:
        part.commit()
    assert_same_figures(merge(parts, watermark=stream.watermark, last_event=stream.last_event), stream)


@given(st.data(), streams(), st.integers(1, 2))
def test_recovery_at_any_cut_changes_no_figure(data: Any, stream: Stream, partitions: int) -> None:
    """Everything since the last commit is delivered again, as after a crash."""
    parts = [
        Part(stream.calendar, inactivity_days=stream.inactivity_days, number=number) for number in range(partitions)
    ]
    for part in parts:
        since: list[dict[str, Any]] = []
        for batch in data.draw(arrivals([e for e in stream.events if int(e["user"][1:]) % partitions == part.number])):
            part.take(batch)
            since += batch
            step = data.draw(st.sampled_from(("go on", "commit", "crash")))
            if step == "commit":
                part.commit()
                since = []
            elif step == "crash":
                part.crash()
                assert nonzero(part.counters.blocks()) == nonzero(folded(part).blocks())
                part.take(since)
        part.commit()
    assert_same_figures(merge(parts, watermark=stream.watermark, last_event=stream.last_event), stream)


@given(st.data(), streams())
def test_counters_are_the_fold_of_the_rows_after_every_batch(data: Any, stream: Stream) -> None:
    kept = (*definitions(stream.inactivity_days), *KEPT[2:])
    part = Part(stream.calendar, kept=kept, hour_days=2)
    for batch in data.draw(arrivals(stream.events)):
        part.take(batch)
        # Days that a ring no longer holds are in the counters only until the next recovery.
        known = part.first_known_day(max(d.inactivity_days for d in kept))
        assert nonzero(part.counters.blocks(), active_from=known) == nonzero(folded(part).blocks(), active_from=known)


@given(st.data(), streams())
def test_rows_do_not_depend_on_order_redelivery_or_batches(data: Any, stream: Stream) -> None:
    # Where hours go back by one, a bit past those that are read may depend on the order.
    hour_days = 0 if stream.calendar.hour_slack else data.draw(st.sampled_from((0, 1, 2, 8)))
    options = {"hour_days": hour_days, "orders": True, "kept": KEPT}
    plain, mixed = Part(stream.calendar, **options), Part(stream.calendar, **options)
    plain.take(stream.events)
    for batch in data.draw(arrivals(stream.events)):
        mixed.take(batch)
        if data.draw(st.booleans()):
            mixed.commit()
        if data.draw(st.integers(0, 5)) == 0:
            mixed.commit()
            mixed.crash()
    assert mixed.users() == plain.users()
    assert mixed.sold() == plain.sold()


@given(st.data(), streams())
def test_delivering_again_what_is_known_changes_nothing(data: Any, stream: Stream) -> None:
    part = Part(stream.calendar, hour_days=8, orders=True, kept=KEPT)
    part.take(stream.events)
    part.commit()
    before = nonzero(part.counters.blocks())
    for batch in data.draw(arrivals(stream.events)):
        part.take(batch)
    assert part.table.take_dirty()[0] == []
    assert part.orders is not None
    assert part.orders.take_dirty()[0] == []
    assert nonzero(part.counters.take_dirty()) == {}
    assert nonzero(part.counters.blocks()) == before


@given(streams(), st.sampled_from(("day", "week", "month")), st.integers(0, 63))
def test_the_closed_cells_are_those_of_the_matrix(stream: Stream, grain: str, index: int) -> None:
    part = Part(stream.calendar)
    part.take(stream.events)
    part.commit()
    snapshot = merge([part], watermark=stream.watermark, last_event=stream.last_event)
    (segment,) = retention(snapshot, definition="engagement", grain=grain)["segments"]
    expected = [
        (row["start"], row["size"], row["retained"][index])
        for row in segment["cohorts"]
        if index < len(row["retained"]) and row["retained"][index] is not None
    ]
    cells = closed_cells(snapshot, definition="engagement", grain=Grain(grain), index=index, series=())
    found = [(stream.calendar.start_date(Grain(grain), cohort), size, retained) for cohort, size, retained in cells]
    assert found == expected
