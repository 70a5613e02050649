"""State that is migrated is the state that a new count under the other configuration gives, to the last byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from properties.streams import Stream, arrivals, streams
from support.counting import DIMENSIONS, Part, folded, nonzero

from stream_app.codecs.rows import RowEncoder
from stream_app.domain.events import Definition
from stream_app.domain.filters import filters_of
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.migration import Migrate, Rebuild, Same, plan

KINDS = (("any", "any"), ("purchase", "purchase"), ("visit", "visit"), ("visit", "purchase"))
WEB = (("channel", "web"),)


@dataclass(frozen=True)
class Kept:
    """What is kept beside definitions and dimensions."""

    hour_days: int
    orders: bool

    def fewer(self, draw: st.DrawFn) -> Kept:
        """No more than this."""
        return Kept(draw(st.integers(0, self.hour_days)), self.orders and draw(st.booleans()))


kept_of = st.builds(Kept, st.sampled_from((0, 1, 8)), st.booleans())


@st.composite
def definitions(draw: st.DrawFn, kinds: tuple[tuple[str, str], ...] = KINDS) -> tuple[Definition, ...]:
    """Some definitions of these kinds, each kind once, in any order, under any of a few names."""
    chosen = draw(st.permutations(kinds))[: draw(st.integers(1, len(kinds)))]
    names = draw(st.permutations(("a", "b", "c", "d")))
    return tuple(
        Definition(
            name, *kind, draw(st.sampled_from((1, 30, 127))), WEB if kind == ("visit", "purchase") else (),
            min_active=draw(st.sampled_from((1, 1, 2))),
        )
        for name, kind in zip(names, chosen, strict=False)
    )  # fmt: skip


@st.composite
def dimensions(draw: st.DrawFn, of: tuple[str, ...] = DIMENSIONS) -> tuple[str, ...]:
    return tuple(draw(st.permutations(of))[: draw(st.integers(0, len(of)))])


def part(stream: Stream, definitions: tuple[Definition, ...], names: tuple[str, ...], version: int, kept: Kept) -> Part:
    made = Part(stream.calendar, dimensions=names, kept=definitions, hour_days=kept.hour_days, orders=kept.orders)
    made.encoder = RowEncoder(made.table, version)
    return made


def mark(stream: Stream, definitions: tuple[Definition, ...], names: tuple[str, ...], version: int, kept: Kept) -> str:
    return fingerprint(
        definitions, stream.calendar, names, "USD", version, hour_days=kept.hour_days, orders=kept.orders
    )


@given(st.data(), streams(), definitions(), dimensions(), st.sampled_from((1, 2)), st.sampled_from((1, 2)), kept_of)
def test_migrated_state_is_that_of_a_new_count(
    data: Any, stream: Stream, stored: tuple[Definition, ...], names: tuple[str, ...], before: int, after: int,
    kept: Kept,
) -> None:  # fmt: skip
    if stream.calendar.hour_slack:  # a bit past those that are read may depend on the order there
        kept = Kept(0, kept.orders)
    kinds = tuple((d.start, d.returns) for d in stored)
    present, fewer, less = data.draw(definitions(kinds)), data.draw(dimensions(names)), kept.fewer(data.draw)
    found = plan(mark(stream, stored, names, before, kept), mark(stream, present, fewer, after, less))
    assert not isinstance(found, Rebuild)
    old, new = part(stream, stored, names, before, kept), part(stream, present, fewer, after, less)
    cut = data.draw(st.integers(0, len(stream.events)))
    for batch in data.draw(arrivals(stream.events[:cut])):
        old.take(batch)
        if data.draw(st.booleans()):
            old.commit()
    old.commit()
    new.take(stream.events[:cut])
    new.commit()
    migrated = part(stream, present, fewer, after, less)
    layout = found.layout if isinstance(found, Migrate) else None
    rewrite = isinstance(found, Migrate) and found.rewrite
    migrated.restore(old.log, layout, changed=rewrite)
    migrated.counters.apply(migrated.table.fold(0, len(migrated.table)))
    if not rewrite:
        migrated.log = dict(old.log)  # its rows stay as they are
    migrated.commit()
    assert migrated.users() == new.users()
    assert migrated.sold() == new.sold()
    assert nonzero(folded(migrated).blocks()) == nonzero(folded(new).blocks())
    assert nonzero(migrated.counters.blocks()) == nonzero(folded(new).blocks())
    for counted in (migrated, new):
        counted.take(stream.events[cut:])
        counted.commit()
    assert migrated.users() == new.users()
    assert migrated.sold() == new.sold()


@given(streams(most=0), definitions(), dimensions(), definitions(), dimensions(), st.sampled_from((1, 2)), kept_of,
       kept_of)  # fmt: skip
def test_a_plan_rebuilds_exactly_where_something_is_new(
    stream: Stream, stored: tuple[Definition, ...], names: tuple[str, ...], present: tuple[Definition, ...],
    other: tuple[str, ...], version: int, kept: Kept, now: Kept,
) -> None:  # fmt: skip
    marks = mark(stream, stored, names, 2, kept), mark(stream, present, other, version, now)
    found = plan(*marks)
    assert isinstance(found, Same) == (marks[0] == marks[1])
    new = not set(filters_of(present)) <= set(filters_of(stored)) or not set(other) <= set(names)
    assert isinstance(found, Rebuild) == (new or now.orders > kept.orders or now.hour_days > kept.hour_days)
    if isinstance(found, Migrate):
        assert len(found.layout.filters) == len(set(found.layout.filters)) == len(filters_of(present))
        assert found.words
