"""State of another configuration: gone on with, migrated all at once, or refused before its rows are read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.counting import nonzero
from support.engine import CALENDAR, DAY, START, Broker, chunk, config, recovered, visit

from stream_app.codecs.partials import decode_status
from stream_app.codecs.rows import Marker, Source
from stream_app.domain.errors import StateMismatchError
from stream_app.domain.events import ENGAGEMENT, REPURCHASE
from stream_app.domain.fingerprint import fingerprint, of_figures
from stream_app.domain.periods import Calendar
from stream_app.engine.ledger import Fenced
from stream_app.engine.stored import accept, digest

VALUES = [
    visit(f"u{i % 9}", START + (i * 37 % 40) * DAY, f"e{i}", plan="abc"[i % 3], country="xy"[i % 2]) for i in range(60)
]


def of(dimensions=("plan", "country"), definitions=(ENGAGEMENT, REPURCHASE), row_format=2, **changes):
    """The configuration of a source partition that counts these."""
    mark = fingerprint(definitions, CALENDAR, dimensions, "USD", row_format)
    made = config(dimensions=dimensions)
    return replace(made, definitions=definitions, fingerprint=mark, **changes)


async def counted(settings, broker=None) -> tuple[Broker, dict]:
    """A partition that has counted and committed all values, and its counters."""
    broker = broker or Broker()
    source = await recovered(broker, settings)
    await source.take(chunk(VALUES, source.readings["visits"].offset))
    await source.commit(publish=True)
    return broker, nonzero(source.counters.blocks())


MIGRATIONS = {
    "a dimension is dropped": of(("country",)),
    "all dimensions are dropped": of(()),
    "dimensions change places": of(("country", "plan")),
    "a definition is dropped": of(definitions=(ENGAGEMENT,)),
    "definitions change places": of(definitions=(REPURCHASE, ENGAGEMENT)),
    "a definition is renamed": of(definitions=(replace(ENGAGEMENT, name="use"), REPURCHASE)),
    "the inactivity window changes": of(definitions=(replace(ENGAGEMENT, inactivity_days=7), REPURCHASE)),
    "an earlier form of rows": of(row_format=1),
    "much at once": of(("country",), (replace(REPURCHASE, inactivity_days=90), replace(ENGAGEMENT, name="use")), 1),
}


@pytest.mark.parametrize("name", MIGRATIONS)
@pytest.mark.parametrize("before", [1, 2])
@pytest.mark.parametrize("compacted", [True, False])
async def test_migrated_state_counts_what_a_new_count_does(name, before, compacted):
    present = MIGRATIONS[name]
    broker, _ = await counted(of(row_format=before), Broker(compacted=compacted))
    _, expected = await counted(present)
    source = await recovered(broker, present)
    assert nonzero(source.counters.blocks()) == expected
    again = await recovered(broker, present)  # from what was written
    assert nonzero(again.counters.blocks()) == expected
    await again.take(chunk(VALUES[::-1], 60))
    assert nonzero(again.counters.blocks()) == expected
    assert broker.marker(0).fingerprint == present.fingerprint


async def test_a_migration_is_one_commit_with_all_rows_marker_and_counters():
    broker, _ = await counted(of())
    before, commits = broker.marker(0), len(broker.commits)
    await recovered(broker, of(("country",)))
    (commit,) = broker.commits[commits:]
    assert sorted(commit.rows[0]) == sorted(broker.rows(0))
    after = broker.marker(0)
    assert (after.sources, after.totals, after.epoch) == (before.sources, before.totals, before.epoch + 1)
    assert after.former == (digest(before.fingerprint),)
    *blocks, (_, status) = commit.partials
    assert blocks
    assert decode_status(status).fingerprint == of_figures(of(("country",)).fingerprint)


async def test_rows_from_before_a_migration_that_compaction_has_not_reached_are_not_read():
    broker, _ = await counted(of(), Broker(compacted=False))
    for present in (of(("country", "plan")), of(("country",)), of(())):
        before = len(broker.changelog[0])
        await recovered(broker, present)
        assert broker.marker(0).since == before
        source = await recovered(broker, present)
        assert {len(combo) for combo in source.segments.combos} == {len(present.dimensions)}
        await source.commit(publish=True)
        assert broker.marker(0).since == before


async def test_another_inactivity_window_rewrites_no_row():
    broker, _ = await counted(of())
    await recovered(broker, MIGRATIONS["the inactivity window changes"])
    assert broker.commits[-1].rows == ([], [])
    assert broker.marker(0).fingerprint == MIGRATIONS["the inactivity window changes"].fingerprint


@pytest.mark.parametrize("error", [OSError("gone"), Fenced("x")])
async def test_a_migration_that_is_cut_off_changes_nothing(error):
    broker, before = await counted(of())
    log = list(broker.changelog[0])
    broker.fail = error
    with pytest.raises(type(error)):
        await recovered(broker, of(("country",)))
    assert broker.changelog[0] == log
    assert nonzero((await recovered(broker, of())).counters.blocks()) == before


REFUSED = {
    "dimensions not kept so far: country": of(("plan",)),
    "definition repurchase: it was not kept so far": of(definitions=(ENGAGEMENT,)),
    'timezone was "Asia/Tokyo" and is "UTC"': replace(
        of(), fingerprint=fingerprint((ENGAGEMENT, REPURCHASE), Calendar("Asia/Tokyo"), ("plan", "country"), "USD")
    ),
    'currency was "EUR" and is "USD"': replace(
        of(), fingerprint=fingerprint((ENGAGEMENT, REPURCHASE), CALENDAR, ("plan", "country"), "EUR")
    ),
    "it was '{}' and is|format was null": replace(of(), fingerprint="{}"),
}


@pytest.mark.parametrize("words", REFUSED)
async def test_what_rows_do_not_hold_is_refused_by_name_before_a_row_is_read(words):
    broker, _ = await counted(REFUSED[words])
    broker.changelog[0].append((b"z", b"this row would not be readable"))
    with pytest.raises(
        StateMismatchError, match=rf"partition 0: .*another configuration: .*({words}).*stream-app rebuild"
    ):
        await recovered(broker, of())


def marker(**changes) -> Marker:
    sources = {"visits": Source(5, START), "purchases": Source(0, None)}
    return replace(Marker(of().fingerprint, 3, sources=sources, partitions=4), **changes)


def test_without_a_marker_anything_goes():
    assert accept(0, None, of()).fingerprint == of().fingerprint


def test_markers_of_the_first_version_are_read():
    assert accept(0, marker(partitions=0), of(partitions=4)).words is None


def test_another_number_of_source_partitions_is_refused():
    with pytest.raises(StateMismatchError, match=r"partition 2: .* from 4 source partitions, there are 6"):
        accept(2, marker(), of(partitions=6))


@pytest.mark.parametrize("topics", [("visits",), ("visits", "orders"), ("visits", "purchases", "more")])
def test_other_source_topics_are_refused(topics):
    with pytest.raises(StateMismatchError, match=r"topic purchases and topic visits, this worker reads topic .*app_id"):
        accept(2, marker(), of(topics=topics))


def test_rows_are_not_moved_without_transactions_but_take_another_form():
    with pytest.raises(StateMismatchError, match="Without transactions"):
        accept(0, marker(), of(("plan",), atomic=False))
    assert accept(0, marker(), of(row_format=1, atomic=False)).rewrite
    window = MIGRATIONS["the inactivity window changes"]
    assert not accept(0, marker(), replace(window, atomic=False)).rewrite


def test_a_worker_refuses_what_was_migrated_since_it_started():
    taken_over = marker(fingerprint=of(("country", "plan")).fingerprint, former=("a", "b"))
    assert accept(0, taken_over, of(migrated={0: 2})).rewrite  # it found it so, and is newer
    with pytest.raises(StateMismatchError, match=r"since this one started: dimensions was .*Give this worker"):
        accept(0, taken_over, of(migrated={0: 1}))
    with pytest.raises(StateMismatchError, match="since this one started"):
        accept(0, taken_over, of(migrated={}))


def test_a_worker_goes_on_with_a_form_of_rows_that_came_since_it_started():
    newer = marker(fingerprint=of(row_format=2).fingerprint, former=("a",))
    accepted = accept(0, newer, of(row_format=1, migrated={}))
    assert (accepted.fingerprint, accepted.rewrite, accepted.words) == (newer.fingerprint, False, None)


async def test_a_form_of_rows_is_kept_by_a_worker_that_only_takes_it_over():
    broker, expected = await counted(of())
    broker, _ = await counted(of(row_format=1), broker)
    await recovered(broker, of())
    source = await recovered(broker, of(row_format=1, migrated={}))
    await source.take(chunk([visit("new", START, "n", plan="a", country="x")], source.readings["visits"].offset))
    await source.commit()
    assert {value[0] for value in broker.rows(0).values()} == {2}
    assert broker.marker(0).fingerprint == of().fingerprint
    assert set(expected) <= set(nonzero(source.counters.blocks()))
