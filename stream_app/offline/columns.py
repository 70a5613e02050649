"""Rows of a flat file to events: whole columns at a time, by the rules that records of the service follow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.codecs import times
from stream_app.codecs.inspection import LONGEST_ID, LONGEST_USER_ID
from stream_app.codecs.segments import LONGEST as LONGEST_VALUE
from stream_app.domain.bits import true_at
from stream_app.domain.events import NO_VALUE, EventBatch, Kind
from stream_app.offline.columntimes import times_of
from stream_app.offline.money import Money
from stream_app.offline.refused import Refused
from stream_app.offline.texts import Lazy, Numbered, Texts, bad_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.periods import Calendar
    from stream_app.offline.layout import Layout
    from stream_app.offline.records import Bad, Wanted

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

log = logging.getLogger(__name__)

_UNKNOWN = -1


class Columns:
    """Makes events of rows.

    Args:
        path: how messages call the file.
        layout: which column holds what.
        wanted: what to make of rows.
        bad: takes rows that cannot be counted.
        calendar: of times without an offset.
        blank: whether an empty text counts as one that is not there, as in CSV.
        place: how messages call the row of a number, counted from 0.
    """

    def __init__(
        self, path: str, layout: Layout, wanted: Wanted, bad: Bad, calendar: Calendar, *, blank: bool,
        place: Callable[[int], str],
    ) -> None:  # fmt: skip
        self._path, self._layout, self._wanted = path, layout, wanted
        self._calendar, self._blank = calendar, blank
        self._combos: list[tuple[str, ...]] = []
        self._numbers: dict[str, dict[str, int]] = {name: {} for name in wanted.dimensions}
        self._valued: dict[str, list[str]] = {name: [] for name in wanted.dimensions}
        self._combo_numbers: dict[tuple[int, ...], int] = {}
        self._money = Money(layout.constants, wanted)
        self._refused = Refused(layout.constants, wanted, bad, blank=blank, place=place)
        self._rows = 0
        self._told_local = False

    @property
    def nothing(self) -> EventBatch:
        """No events."""
        none = np.zeros(0, np.int64)
        return EventBatch([], none, none.astype(np.int8), [], none.astype(np.int32), self._combos, [], none)

    def batch(self, columns: Mapping[str, Any]) -> tuple[int, EventBatch]:
        """How many rows there are, and the events of the good ones.

        Args:
            columns: by name, a column of Arrow; all of one length.
        """
        texts = {
            field: Texts(columns[column], blank=self._blank)
            for field, column in self._layout.columns.items()
            if field != "occurred_at"
        }
        given = columns[self._layout.columns["occurred_at"]]
        count = len(given)
        instants, local = times_of(given, self._calendar)
        bad = instants == times.BAD
        self._tell_local(local & ~bad)
        bad |= bad_ids(texts["user_id"], size=LONGEST_USER_ID)
        if "event_id" in texts:
            bad |= bad_ids(texts["event_id"], characters=LONGEST_ID)
        kinds, amounts = self._money.read(texts, bad)
        segments = self._segments(texts, bad)
        rows = np.arange(self._rows, self._rows + count)
        self._rows += count
        if bad.any():
            self._refused.add(texts, instants, given, rows, bad)
            keep = ~bad
            rows, instants, kinds, amounts, segments = (c[keep] for c in (rows, instants, kinds, amounts, segments))
            texts = {field: column.kept(keep) for field, column in texts.items()}
        matches = self._matches(columns, None if not bad.any() else ~bad)
        batch = EventBatch(
            texts["user_id"].values(), instants, kinds, self._event_ids(texts, rows), segments,  # type: ignore[arg-type]
            self._combos or [()], self._orders(texts, kinds, rows), amounts, matches,
        )  # fmt: skip
        return count, batch

    # -- what the fields say; each marks the rows in which one is not valid

    def _segments(self, texts: Mapping[str, Texts], bad: Flags) -> NDArray[np.int32]:
        """The numbers of the rows' combinations of values of the dimensions."""
        numbers = [self._values(name, texts, bad) for name in self._wanted.dimensions]
        if not numbers:
            return np.zeros(bad.size, np.int32)
        if len(numbers) == 1:  # each value is a combination
            (known,) = self._valued.values()
            self._combos += [(text,) for text in known[len(self._combos) :]]
            return numbers[0]
        packed = np.zeros(bad.size, np.int64)
        for known, column in zip(self._valued.values(), numbers, strict=True):
            packed = packed * (len(known) + 1) + column
        _, firsts, places = np.unique(packed, return_index=True, return_inverse=True)
        combos = [self._combo(tuple(int(column[row]) for column in numbers)) for row in firsts.tolist()]
        return np.array(combos, np.int32)[places]

    def _combo(self, numbers: tuple[int, ...]) -> int:
        """The number of a combination of values; rows with one that is not valid are left out anyhow."""
        if _UNKNOWN in numbers:
            return 0
        number = self._combo_numbers.setdefault(numbers, len(self._combos))
        if number == len(self._combos):
            known = (self._valued[name] for name in self._wanted.dimensions)
            self._combos.append(tuple(texts[value] for texts, value in zip(known, numbers, strict=True)))
        return number

    def _values(self, name: str, texts: Mapping[str, Texts], bad: Flags) -> NDArray[np.int32]:
        """The numbers of the rows' values of a dimension."""
        field = f"segment.{name}"
        if field in self._layout.constants:
            return np.full(bad.size, self._number(name, self._layout.constants[field].encode()), np.int32)
        values, places = texts[field].distinct()
        numbers = np.array([self._number(name, value) for value in values], np.int32)[places]
        bad |= numbers == _UNKNOWN
        return numbers

    def _number(self, name: str, value: bytes | None) -> int:
        """The number of a value of a dimension."""
        try:
            text = (value or b"").decode() or NO_VALUE
        except UnicodeDecodeError:
            return _UNKNOWN
        known = self._numbers[name]
        number = known.get(text)
        if number is None and len(text) > LONGEST_VALUE:
            return _UNKNOWN
        if number is None:
            number = known[text] = len(known)
            self._valued[name].append(text)
        return number

    def _matches(self, columns: Mapping[str, Any], keep: Flags | None) -> NDArray[np.uint32] | None:
        """Which conditions each of the good rows meets."""
        if not self._wanted.conditions:
            return None
        texts = {
            name: [Texts(columns[column], blank=self._blank) for column in places]
            for name, places in self._layout.conditions.items()
        }
        if keep is not None:
            texts = {name: [column.kept(keep) for column in places] for name, places in texts.items()}
        matches: NDArray[np.uint32] | None = None
        for bit, where in enumerate(self._wanted.conditions):
            met = np.logical_and.reduce([_first_is(texts[name], text) for name, text in where])
            flags = met.astype(np.uint32) << np.uint32(bit)
            matches = flags if matches is None else matches | flags
        return matches

    def _event_ids(self, texts: Mapping[str, Texts], rows: Ints) -> Sequence[str]:
        return Lazy(texts["event_id"]) if "event_id" in texts else Numbered(rows)

    def _orders(self, texts: Mapping[str, Texts], kinds: NDArray[np.int8], rows: Ints) -> list[str | None]:
        """Order ids, where orders are counted."""
        orders: list[str | None] = [None] * len(rows)
        if not self._wanted.orders:
            return orders
        bought = kinds != Kind.VISIT
        ids: Iterable[str]
        if "order_id" in texts:
            ids = (texts["order_id"] if bought.all() else texts["order_id"].kept(bought)).strings()
        else:
            ids = Numbered(rows[bought])
        for row, one in zip(true_at(bought).tolist(), ids, strict=True):
            orders[row] = one
        return orders

    def _tell_local(self, local: Flags) -> None:
        if not self._told_local and local.any():
            self._told_local = True
            log.warning(
                "%s: times without an offset to UTC are taken as local times of %s; --timezone names another zone.",
                self._path, self._calendar.timezone,
            )  # fmt: skip


def _first_is(places: Sequence[Texts], text: str) -> Flags:
    """In which rows the first of some columns that says anything says this."""
    found, open_ = places[0].equals(text), places[0].null
    for column in places[1:]:
        found |= open_ & column.equals(text)
        open_ &= column.null
    return found
