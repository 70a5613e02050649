"""The counting of one partition by hand: events as the oracle has them -> columns -> users -> counters -> merged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.codecs import orders as order_records
from stream_app.codecs.partials import PageEncoder, decode_key, decode_page
from stream_app.codecs.rows import RowDecoder, RowEncoder
from stream_app.domain.counters import ACTIVE, BlockKey, Counters, PageKey, Segments
from stream_app.domain.events import ENGAGEMENT, NO_VALUE, REPURCHASE, EventBatch, Kind
from stream_app.domain.index import hash_keys
from stream_app.domain.merging import Merged
from stream_app.domain.orders import OrderTable
from stream_app.domain.rows import RING_DAYS, unpack_id
from stream_app.domain.users import UserTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.filters import Where
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.periods import Calendar
    from stream_app.domain.rows import Layout

    Event = Mapping[str, Any]

DIMENSIONS = ("plan", "country")
MAX_ROOM = 1 << 30


def batch_of(
    events: Sequence[Event], dimensions: Sequence[str] = DIMENSIONS, combos: list[Any] | None = None,
    conditions: Sequence[Where] = (),
) -> EventBatch:  # fmt: skip
    """The columns of some events; `combos` is the decoder's list where several batches share one.

    Conditions are of `properties` only.
    """
    combos = [] if combos is None else combos
    segments = []
    for event in events:
        values = tuple((event.get("segment") or {}).get(d) or NO_VALUE for d in dimensions)
        if values not in combos:
            combos.append(values)
        segments.append(combos.index(values))
    return EventBatch(
        [str(e["user"]).encode() for e in events],
        np.array([e["time"] for e in events], np.int64),
        np.array([Kind[e["kind"].upper()] for e in events], np.int8),
        [str(e["event_id"]) for e in events],
        np.array(segments, np.int32),
        combos,
        [None if e["kind"] == "visit" else str(e.get("order_id", e["event_id"])) for e in events],
        np.array([0 if e["kind"] == "visit" else e.get("amount", 0) for e in events], np.int64),
        np.array([_matches(e.get("properties") or {}, conditions) for e in events], np.uint32) if conditions else None,
    )


def _matches(properties: Mapping[str, str], conditions: Sequence[Where]) -> int:
    return sum(all(properties.get(k) == v for k, v in where) << bit for bit, where in enumerate(conditions))


def definitions(inactivity_days: int = 30) -> tuple[Definition, ...]:
    return replace(ENGAGEMENT, inactivity_days=inactivity_days), replace(REPURCHASE, inactivity_days=inactivity_days)


class Part:
    """One source partition without Kafka: what it wrote is in `log`, what it published in `partials`."""

    def __init__(
        self,
        calendar: Calendar,
        *,
        inactivity_days: int = 30,
        dimensions: Sequence[str] = DIMENSIONS,
        number: int = 0,
        max_values: int = MAX_ROOM,
        kept: Sequence[Definition] | None = None,
        hour_days: int = 0,
        orders: bool = False,
    ) -> None:
        self.calendar, self.number = calendar, number
        self.definitions = definitions(inactivity_days) if kept is None else tuple(kept)
        self.hour_days, self.keeps_orders = hour_days, orders
        self.dimensions, self.max_values = tuple(dimensions), max_values
        self.log: dict[bytes, bytes] = {}
        self.partials: dict[bytes, bytes] = {}
        self.epoch = 0
        self._begin()

    def _begin(self) -> None:
        self.epoch += 1
        self.segments = Segments(self.dimensions, self.max_values)
        self.table = UserTable(self.definitions, self.calendar, self.segments, hour_days=self.hour_days)
        self.orders = OrderTable() if self.keeps_orders else None
        self.counters = Counters(self.segments)
        self.pages = PageEncoder(self.segments, self.number)
        self.encoder = RowEncoder(self.table)
        self.combos: list[Any] = []

    def take(self, events: Sequence[Event]) -> None:
        batch = batch_of(events, self.dimensions, self.combos, self.table.conditions)
        self.counters.apply(self.table.advance(batch))
        if self.orders is not None and len(batch):
            self.orders.join(self.table.users_of(batch), batch)

    def commit(self) -> None:
        """Writes the changed rows, orders and blocks."""
        users, places = self.table.take_dirty()
        self.log.update(zip(users, self.encoder.encode(places), strict=True))
        if self.orders is not None:
            self.log.update(zip(*order_records.encode(self.orders, *self.orders.take_dirty()), strict=True))
        for key, cells in self.counters.take_pages():
            name, value = self.pages.encode(key, cells, self.epoch)
            self.partials[name] = value

    def crash(self) -> None:
        """Forgets what was not written, and recovers from what was."""
        self._begin()
        self.restore(self.log)
        self.counters.apply(self.table.fold(0, len(self.table)))
        self.counters.touch_all()

    def restore(self, log: Mapping[bytes, bytes], layout: Layout | None = None, *, changed: bool = False) -> None:
        """Puts back what was written; `layout`: how its rows lie, `changed`: it is to be written again."""
        users, orders = order_records.split(list(log), list(log.values()))
        RowDecoder(self.table, layout, changed=changed).restore(*users)
        if self.orders is not None:
            order_records.restore(self.table, self.orders, orders, changed=changed)

    def row(self, user: int, activity_of: int = 0) -> Any:
        """A user's row of one filter, None without activity in its sense."""
        activity = self.table.activities[activity_of]
        place = int(activity.place[user])
        return None if place < 0 else activity.rows[place]

    def users(self) -> dict[bytes, tuple[Any, ...]]:
        """What is kept of every user with what its numbers stand for; users are found by their ids in the log."""
        self.commit()
        restored = Part(self.calendar, dimensions=self.dimensions, kept=self.definitions, hour_days=self.hour_days)
        table = restored.table
        restored.restore(self.log)
        found = {}
        for user in order_records.split(list(self.log), list(self.log.values()))[0].keys:
            (place,) = table.index.find(hash_keys([user])).tolist()
            event_id = unpack_id(int(table.id_form[place]), bytes(table.id[place]), place, table.long_ids)
            values = restored.segments.combos[int(table.combo[place])]
            rows = [restored.row(place, d) for d in range(len(table.activities))]
            found[user] = (int(table.first[place]), event_id, values, *(r if r is None else r.tobytes() for r in rows))
        return found

    def sold(self) -> dict[bytes, bytes]:
        """The records of orders."""
        return dict(zip(*order_records.split(list(self.log), list(self.log.values()))[1], strict=True))

    def first_known_day(self, window: int) -> int:
        """The first day whose whole inactivity window every ring still holds."""
        last = [int(a.rows["last_day"][: len(a)].max()) for a in self.table.activities if len(a)]
        return max(last) - RING_DAYS + window + 1 if last else 0


def nonzero(blocks: Iterable[tuple[BlockKey, Any]], *, active_from: int | None = None) -> dict[BlockKey, list[int]]:
    """Blocks by key without trailing zeros, those that are all zero left out; `day.active` from a day on."""
    found = {}
    for key, block in blocks:
        if key.measure == ACTIVE and active_from is not None and key.period < active_from:
            continue
        cells = np.trim_zeros(np.asarray(block), "b").tolist()
        if cells:
            found[key] = cells
    return found


def told(partials: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[BlockKey, Any]]:
    """The blocks that records of the partials topic tell of."""
    for name, value in partials:
        key, _ = decode_key(name)
        assert isinstance(key, PageKey)
        _, series, first, cells = decode_page(value)
        for one, row in zip(series, cells, strict=True):
            yield BlockKey(key.definition, key.measure, one, key.period), np.concatenate([np.zeros(first), row])


def folded(part: Part) -> Counters:
    """Counters made of the rows alone."""
    counters = Counters(part.segments)
    counters.apply(part.table.fold(0, len(part.table)))
    return counters


def merge(parts: Sequence[Part], *, watermark: int | None, last_event: int | None) -> Snapshot:
    """What the merge agent would show at a watermark, from the partials alone."""
    first = parts[0]
    merged = Merged(first.calendar, first.definitions, first.dimensions, partitions=len(parts), lateness=0)
    for part in parts:
        for name, value in part.partials.items():
            key, number = decode_key(name)
            assert isinstance(key, PageKey)
            merged.page(key, number, *decode_page(value))
        merged.status(part.number, part.epoch, [], {})
    snapshot, _ = merged.snapshot(0)
    return replace(snapshot, watermark=watermark, last_event=last_event)
