"""Matrices kept from one snapshot to the next: each answer is, byte for byte, the one made from nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from support.figures import FIRST_DAY, empty, product, snapshot_of, wide

from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import Query
from stream_app.domain.periods import DAY_MS, KEPT
from stream_app.web import matrices
from stream_app.web.matrices import Matrices

if TYPE_CHECKING:
    from stream_app.domain.metrics import Snapshot

QUERIES = [
    Query("retention", definition, grain, kind, mean=mean, dimension=segment, top=top, last=last)
    for definition in (ENGAGEMENT, REPURCHASE)
    for grain in KEPT
    for kind in ("classic", "rolling")
    for segment, top, last, mean in (
        (None, 20, None, "weighted"),
        ("plan", 1, None, "weighted"),
        ("plan", 20, 3, "weighted"),
        ("plan", 20, None, "simple"),
    )
]


def plain(snapshot: Snapshot, query: Query) -> bytes:
    return orjson.dumps(counted.answer(counted.asked_at(snapshot, query), snapshot))


def kept_answer(kept: Matrices, snapshot: Snapshot, query: Query) -> bytes:
    return kept.retention(snapshot, counted.asked_at(snapshot, query))


def same(kept: Matrices, snapshot: Snapshot) -> None:
    for query in QUERIES:
        assert kept_answer(kept, snapshot, query) == plain(snapshot, query), query


USERS = st.lists(
    st.tuples(
        st.tuples(st.sampled_from(("free", "pro", "team", "(other)"))),
        st.lists(st.integers(0, 80), min_size=1, max_size=4),
        st.lists(st.integers(0, 80), max_size=2),
    ),
    max_size=8,
)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(USERS, st.one_of(st.none(), st.integers(0, 90))), min_size=1, max_size=4))
def test_whatever_the_snapshots_before_the_answer_is_that_of_the_snapshot(steps):
    kept = Matrices()
    for users, closed in steps:
        days = [(v, [FIRST_DAY + d for d in visits], [FIRST_DAY + d for d in bought]) for v, visits, bought in users]
        same(kept, snapshot_of(days, closed_day=None if closed is None else FIRST_DAY + closed))


def test_a_product_as_its_days_close_and_after_it_began_anew():
    kept, whole = Matrices(), product(users=80, days=50)
    for closed in (3, 4, 49, 20):
        same(kept, replace(whole, watermark=(FIRST_DAY + closed + 1) * DAY_MS))
    same(kept, empty())
    same(kept, product(users=30, days=90, plans=("pro", "new")))


def test_only_changed_rows_are_written_anew(monkeypatch):
    kept, before = Matrices(), wide(segments=3, cohorts=60)
    query = replace(QUERIES[0], dimension="plan")
    kept_answer(kept, before, query)
    written, original = [], matrices._lists
    monkeypatch.setattr(matrices, "_lists", lambda rows: written.append(rows.shape) or original(rows))
    pages = dict(before.blocks["engagement", "day.on", ("plan", "plan-01")])
    pages[FIRST_DAY + 40] = pages[FIRST_DAY + 40].copy()
    pages[FIRST_DAY + 40][[2, 5]] += 1
    pages[FIRST_DAY + 59] = pages[FIRST_DAY + 59] + 1  # of a day that is open: not shown
    after = replace(before, blocks={**before.blocks, ("engagement", "day.on", ("plan", "plan-01")): pages})
    assert kept_answer(kept, after, query) == plain(after, query)
    assert written == [(1, 24), (1, 21)]


def test_the_latest_cohorts_and_another_mean_are_of_the_matrix_that_is_kept():
    kept, snapshot = Matrices(), wide(segments=3, cohorts=60)
    for last, mean in ((None, "weighted"), (3, "weighted"), (3, "simple"), (7, "weighted"), (1000, "simple")):
        query = replace(QUERIES[0], dimension="plan", last=last, mean=mean)
        assert kept_answer(kept, snapshot, query) == plain(snapshot, query)
    assert len(kept._kept) == 1


def test_what_was_not_asked_for_longest_is_forgotten(monkeypatch):
    monkeypatch.setattr(matrices, "KEPT_BYTES", 100_000)
    kept, snapshot = Matrices(), wide(segments=3, cohorts=60)
    for top in range(1, 10):
        kept_answer(kept, snapshot, replace(QUERIES[0], dimension="plan", top=top))
    assert 1 <= len(kept._kept) < 9


def test_counts_are_as_wide_as_they_get():
    snapshot = product(users=10, days=10)
    blocks = {key: {p: b * np.int64(10_000_000) for p, b in pages.items()} for key, pages in snapshot.blocks.items()}
    same(Matrices(), replace(snapshot, blocks=blocks))
