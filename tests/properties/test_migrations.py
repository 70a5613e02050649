"""State that is migrated is the state that a new count under the other configuration gives, to the last byte."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from properties.streams import Stream, arrivals, streams
from support.counting import DIMENSIONS, Part, folded, nonzero

from stream_app.codecs.rows import RowDecoder, RowEncoder
from stream_app.domain.events import Definition
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.migration import Migrate, Rebuild, Same, plan

KINDS = (("any", "any"), ("purchase", "purchase"), ("visit", "visit"))


@st.composite
def definitions(draw: st.DrawFn, kinds: tuple[tuple[str, str], ...] = KINDS) -> tuple[Definition, ...]:
    """Some definitions of these kinds, each kind once, in any order, under any of a few names."""
    chosen = draw(st.permutations(kinds))[: draw(st.integers(1, len(kinds)))]
    names = draw(st.permutations(("a", "b", "c", "d")))
    return tuple(
        Definition(name, *kind, draw(st.sampled_from((1, 30, 127)))) for name, kind in zip(names, chosen, strict=False)
    )


@st.composite
def dimensions(draw: st.DrawFn, of: tuple[str, ...] = DIMENSIONS) -> tuple[str, ...]:
    return tuple(draw(st.permutations(of))[: draw(st.integers(0, len(of)))])


def part(stream: Stream, kept: tuple[Definition, ...], names: tuple[str, ...], version: int) -> Part:
    made = Part(stream.calendar, dimensions=names)
    made.definitions = kept
    made._begin()
    made.encoder = RowEncoder(made.table, version)
    return made


def mark(stream: Stream, kept: tuple[Definition, ...], names: tuple[str, ...], version: int) -> str:
    return fingerprint(kept, stream.calendar, names, "USD", version)


@given(st.data(), streams(), definitions(), dimensions(), st.sampled_from((1, 2)), st.sampled_from((1, 2)))
def test_migrated_state_is_that_of_a_new_count(
    data: Any, stream: Stream, kept: tuple[Definition, ...], names: tuple[str, ...], before: int, after: int
) -> None:
    kinds = tuple((d.start, d.returns) for d in kept)
    present, fewer = data.draw(definitions(kinds)), data.draw(dimensions(names))
    found = plan(mark(stream, kept, names, before), mark(stream, present, fewer, after))
    renamed = {d.name for d in kept} & {d.name for d in present}
    if any(plan_name(kept, name) != plan_name(present, name) for name in renamed):
        assert isinstance(found, Rebuild)  # a name that means something else now
        return
    assert not isinstance(found, Rebuild)
    old, new = part(stream, kept, names, before), part(stream, present, fewer, after)
    cut = data.draw(st.integers(0, len(stream.events)))
    for batch in data.draw(arrivals(stream.events[:cut])):
        old.take(batch)
        if data.draw(st.booleans()):
            old.commit()
    old.commit()
    new.take(stream.events[:cut])
    new.commit()
    migrated = part(stream, present, fewer, after)
    layout = found.layout if isinstance(found, Migrate) else None
    rewrite = isinstance(found, Migrate) and found.rewrite
    RowDecoder(migrated.table, layout, changed=rewrite).restore(list(old.log), list(old.log.values()))
    migrated.counters.apply(migrated.table.fold(0, len(migrated.table)))
    if not rewrite:
        migrated.log = dict(old.log)  # its rows stay as they are
    migrated.commit()
    assert migrated.users() == new.users()
    assert nonzero(folded(migrated).blocks()) == nonzero(folded(new).blocks())
    assert nonzero(migrated.counters.blocks()) == nonzero(folded(new).blocks())
    for counted in (migrated, new):
        counted.take(stream.events[cut:])
        counted.commit()
    assert migrated.users() == new.users()


def plan_name(kept: tuple[Definition, ...], name: str) -> tuple[str, str]:
    return next((d.start, d.returns) for d in kept if d.name == name)


@given(streams(most=0), definitions(), dimensions(), definitions(), dimensions(), st.sampled_from((1, 2)))
def test_a_plan_rebuilds_exactly_where_something_is_new(
    stream: Stream, kept: tuple[Definition, ...], names: tuple[str, ...], present: tuple[Definition, ...],
    other: tuple[str, ...], version: int,
) -> None:  # fmt: skip
    stored, now = mark(stream, kept, names, 2), mark(stream, present, other, version)
    found = plan(stored, now)
    assert isinstance(found, Same) == (stored == now)
    kinds = [(d.start, d.returns) for d in kept]
    taken = {d.name for d in kept} & {d.name for d in present}
    clash = any(plan_name(kept, name) != plan_name(present, name) for name in taken)
    new = any((d.start, d.returns) not in kinds for d in present) or not set(other) <= set(names)
    assert isinstance(found, Rebuild) == (new or clash)
    if isinstance(found, Migrate):
        assert len(found.layout.definitions) == len(present)
        assert len(set(found.layout.definitions)) == len(present)
        assert found.words
