"""The users of one source partition: `advance` joins a batch of events into their rows and says which cells moved.

The state is a join: the rows are the same for every order of arrival, any redelivery and any split into batches. The
counters follow from it: whatever `advance` yields adds up to what `fold` yields from the rows alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain import bits
from stream_app.domain.counters import Cells, Segments, Spans, Transition, measure
from stream_app.domain.events import Kind
from stream_app.domain.fold import fold
from stream_app.domain.index import HashIndex, hash_keys
from stream_app.domain.periods import HORIZON, Grain
from stream_app.domain.rows import LATER, NEVER, RING_DAYS, empty_rows, pack_ids, unpack_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import Definition, EventBatch
    from stream_app.domain.periods import Calendar

    Rows = NDArray[np.void]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Touched:
    """The days of one definition's events in a batch: (row, day) pairs sorted and unique, and their groups by row.

    Attributes:
        rows, days: the pairs, shape (m,).
        starts: where each user's pairs begin, shape (u,).
        users: the row of each group, shape (u,).
        earliest: least event time of each group (ms), shape (u,).
        old_first, old_last: the user's first and last day before the batch, NEVER where there was none, shape (u,).
        group: the group of each pair, shape (m,).
    """

    rows: Ints
    days: Ints
    starts: Ints
    users: Ints
    earliest: Ints
    old_first: Ints
    old_last: Ints
    group: Ints


class UserTable:
    """Rows of users, the index to them, and their segments.

    Args:
        definitions: the retention definitions to keep, in a fixed order.
        calendar: the business time zone and week start.
        segments: the partition's segment values, shared with its counters.
    """

    def __init__(self, definitions: Sequence[Definition], calendar: Calendar, segments: Segments) -> None:
        self.definitions = tuple(definitions)
        self.calendar = calendar
        self.segments = segments
        self.index = HashIndex()
        self.rows: Rows = empty_rows(512, len(self.definitions))
        self.long_ids: dict[int, str] = {}
        self._dirty = np.zeros(512, np.bool_)
        # A row holds no user_id, only its hash in the index: the ids of dirty rows are kept until these are written.
        self._names: list[bytes] = []
        self._name_at = np.full(512, -1, np.int32)  # by row, its place in `_names`
        self._combo_source: object = None
        self._combo_map = np.zeros(0, np.int64)
        # The first events found in the batch at hand: rows, times, combinations, event ids.
        self._pending: tuple[Ints, Ints, Ints, list[str]] | None = None

    def __len__(self) -> int:
        return len(self.index)

    @property
    def nbytes(self) -> int:
        """Bytes held for the users, all told."""
        return self.rows.nbytes + self.index.nbytes + self._dirty.nbytes + self._name_at.nbytes

    def advance(self, batch: EventBatch) -> list[Transition]:
        """Joins a batch into the rows. Returns the cells that users entered and left; their order does not matter."""
        if not len(batch):
            return []
        rows = self._rows_of(batch.users)
        days = self.calendar.days(batch.times)
        moved = self._first_events(batch, rows)
        touched = [self._touch(d, definition, batch, rows, days) for d, definition in enumerate(self.definitions)]
        slow = np.unique(np.concatenate([moved, *(self._out_of_order(d, t) for d, t in enumerate(touched))]))
        transitions: list[Transition] = []
        if slow.size:
            transitions += fold(self.rows.take(slow), self.definitions, self.calendar, sign=-1)
        self._set_first_events()
        for d, (definition, touch) in enumerate(zip(self.definitions, touched, strict=True)):
            if touch.users.size:
                in_order = ~np.isin(touch.users, slow) if slow.size else np.ones(touch.users.size, np.bool_)
                self._join(d, touch)
                transitions += self._moves(d, definition, touch, in_order)
        if slow.size:
            transitions += fold(self.rows.take(slow), self.definitions, self.calendar, sign=1)
            self._dirty[slow] = True
        self._keep_names(rows, batch.users)
        return transitions

    def take_dirty(self) -> tuple[list[bytes], Ints]:
        """The users changed since the last call and their rows, in the order of rows; each is then clean."""
        dirty = np.flatnonzero(self._dirty[: len(self.index)])
        names = [self._names[place] for place in self._name_at[dirty].tolist()]
        self._names = []
        self._name_at[dirty] = -1
        self._dirty[dirty] = False
        return names, dirty

    def restore(self, users: Sequence[bytes], rows: Rows) -> Ints:
        """Sets the rows of users as they were stored, `combo` already one of this table's. Returns their places."""
        places = self.index.upsert(hash_keys(users))
        self._reserve()
        whole = f"V{rows.itemsize}"  # a view without fields is copied at once, rows field by field
        self.rows.view(whole)[places] = rows.view(whole)
        return places

    def _keep_names(self, rows: Ints, users: Sequence[bytes]) -> None:
        """Keeps the user ids of the rows that became dirty; those of all events would cost more."""
        new = np.flatnonzero(self._dirty[rows] & (self._name_at[rows] < 0))
        self._name_at[rows[new]] = np.arange(len(self._names), len(self._names) + new.size)
        self._names += [users[i] for i in new.tolist()]

    def _rows_of(self, users: Sequence[bytes]) -> Ints:
        rows = self.index.upsert(hash_keys(users))
        self._reserve()
        return rows

    def _reserve(self) -> None:
        if len(self.index) > len(self.rows):
            size = len(self.rows)
            while size < len(self.index):
                size += size // 2 + 1
            self.rows = _grown(self.rows, size, empty_rows(1, len(self.definitions)))
            self._dirty = _grown(self._dirty, size, False)
            self._name_at = _grown(self._name_at, size, -1)

    # -- the first event, which decides a user's segments

    def _first_events(self, batch: EventBatch, rows: Ints) -> Ints:
        """Finds each user's first event in the batch where it comes before the one known.

        Returns the rows of known users whose segments change by it.
        """
        candidates = np.flatnonzero(batch.times <= self.rows["first"][rows])
        self._pending = None
        if not candidates.size:
            return np.zeros(0, np.int64)
        order = candidates[np.lexsort((batch.times[candidates], rows[candidates]))]
        starts = np.flatnonzero(np.concatenate([[True], np.diff(rows[order]) != 0]))
        best = order[starts].copy()
        # Where times are equal the least event id decides; that is rare, so it may be slow.
        times = batch.times[order]
        same = np.flatnonzero((np.diff(rows[order]) == 0) & (np.diff(times) == 0)) + 1
        group = np.searchsorted(starts, same, side="right") - 1
        for place, g in zip(order[same].tolist(), group.tolist(), strict=True):
            chosen = int(best[g])
            if batch.times[place] == batch.times[chosen] and _rank(batch, place) < _rank(batch, chosen):
                best[g] = place
        keep = np.ones(best.size, np.bool_)
        known = self.rows["first"][rows[best]]
        for g in np.flatnonzero(batch.times[best] == known).tolist():
            row = int(rows[best[g]])
            stored = self._event_id(row), self.segments.combos[self.rows["combo"][row]]
            keep[g] = _rank(batch, int(best[g])) < stored
        best = best[keep]
        targets = rows[best]
        combos = self._combos_of(batch)[batch.segments[best]]
        self._pending = targets, batch.times[best], combos, [batch.event_ids[i] for i in best.tolist()]
        existing = self.rows["first"][targets] != LATER
        moved: Ints = targets[existing & (self.rows["combo"][targets] != combos)]
        return moved

    def _set_first_events(self) -> None:
        if self._pending is None:
            return
        targets, times, combos, event_ids = self._pending
        self._pending = None
        self.rows["first"][targets] = times
        self.rows["combo"][targets] = combos
        self.rows["id_form"][targets], self.rows["id"][targets], whole = pack_ids(event_ids)
        if self.long_ids:
            for row in targets.tolist():
                self.long_ids.pop(row, None)
        self.long_ids |= {int(targets[place]): event_id for place, event_id in whole.items()}
        self._dirty[targets] = True

    def _event_id(self, row: int) -> str:
        return unpack_id(int(self.rows["id_form"][row]), bytes(self.rows["id"][row]), row, self.long_ids)

    def _combos_of(self, batch: EventBatch) -> Ints:
        """The table's number of each of the batch's combinations, shape (len(batch.combos),)."""
        if self._combo_source is not batch.combos:
            self._combo_source, self._combo_map = batch.combos, np.zeros(0, np.int64)
        have = len(self._combo_map)
        if have < len(batch.combos):
            new = [self.segments.combo(values) for values in batch.combos[have:]]
            self._combo_map = np.concatenate([self._combo_map, np.array(new, np.int64)])
        return self._combo_map

    # -- activity by definition

    def _touch(self, d: int, definition: Definition, batch: EventBatch, rows: Ints, days: Ints) -> _Touched:
        chosen = _matching(definition, batch.kinds)
        rows, days, times = rows[chosen], days[chosen], batch.times[chosen]
        if not rows.size:
            none = np.zeros(0, np.int64)
            return _Touched(none, none, none, none, none, none, none, none)
        # One sortable number a pair: days fit in 24 bits, before and after 1970.
        pairs = (rows << 24) + (days + (1 << 23))
        order = np.argsort(pairs, kind="stable")
        pairs = pairs[order]
        new_pair = np.concatenate([[True], pairs[1:] != pairs[:-1]])
        sorted_rows = rows[order]
        new_user = np.concatenate([[True], sorted_rows[1:] != sorted_rows[:-1]])
        earliest = np.minimum.reduceat(times[order], np.flatnonzero(new_user))
        users = sorted_rows[new_user]
        group = (np.cumsum(new_user) - 1)[new_pair]
        of = self.rows["of"]
        return _Touched(
            rows=sorted_rows[new_pair],
            days=days[order][new_pair],
            starts=np.flatnonzero(new_user[new_pair]),
            users=users,
            earliest=earliest,
            old_first=of["first_day"][users, d].astype(np.int64),
            old_last=of["last_day"][users, d].astype(np.int64),
            group=group,
        )

    def _out_of_order(self, d: int, t: _Touched) -> Ints:
        """Users known to the definition for whom a day is new that is not after all their days."""
        old_first, old_last = t.old_first[t.group], t.old_last[t.group]
        late = np.flatnonzero((old_first != NEVER) & (t.days <= old_last))
        if not late.size:
            return np.zeros(0, np.int64)
        rows, days = t.rows[late], t.days[late]
        unseen = days < old_first[late]
        within = np.flatnonzero(~unseen)
        rows_in, days_in, first_in = rows[within], days[within], old_first[late][within]
        for grain in Grain:
            place = self.calendar.periods(grain, days_in) - self.calendar.periods(grain, first_in)
            inside = np.flatnonzero(place < HORIZON[grain])
            known = bits.test(self.rows["of"][grain.value][:, d], rows_in[inside], place[inside])
            unseen[within[inside]] |= ~known
        age = old_last[late] - days
        near = np.flatnonzero(age < RING_DAYS)
        unseen[near] |= ~bits.test(self.rows["of"]["ring"][:, d], rows[near], age[near])
        return rows[unseen]

    def _join(self, d: int, t: _Touched) -> None:
        """Joins the touched days into the rows of one definition."""
        of = self.rows["of"]
        first = np.where(t.old_first == NEVER, t.days[t.starts], np.minimum(t.old_first, t.days[t.starts]))
        ends = np.concatenate([t.starts[1:], [t.rows.size]]) - 1
        last = np.maximum(t.old_last, t.days[ends])
        back = np.flatnonzero((t.old_first != NEVER) & (first < t.old_first))
        for grain in Grain:
            words = of[grain.value][:, d]
            start = self.calendar.periods(grain, first)
            if back.size:
                by = self.calendar.periods(grain, t.old_first[back]) - start[back]
                words[t.users[back]] = bits.shift_up(words[t.users[back]], by)
            place = self.calendar.periods(grain, t.days) - start[t.group]
            inside = place < HORIZON[grain]
            bits.set_sorted(words, t.rows[inside], place[inside])
        ring = of["ring"][:, d]
        on = np.flatnonzero((t.old_last != NEVER) & (last > t.old_last))
        ring[t.users[on]] = bits.shift_up(ring[t.users[on]], last[on] - t.old_last[on])
        age = (last[t.group] - t.days)[::-1]  # reversed, so that places rise within a row
        rows = t.rows[::-1]
        near = age < RING_DAYS
        bits.set_sorted(ring, rows[near], age[near])
        known = of["anchor"][t.users, d]
        changed = (t.earliest < known) | (first != t.old_first) | (last != t.old_last)
        of["anchor"][t.users, d] = np.minimum(known, t.earliest)
        of["first_day"][t.users, d] = first
        of["last_day"][t.users, d] = last
        self._dirty[t.users[changed]] = True

    def _moves(self, d: int, definition: Definition, t: _Touched, in_order: NDArray[np.bool_]) -> list[Transition]:
        """The cells that users enter and leave whose new days all come after those known."""
        name, combo = definition.name, self.rows["combo"]
        fresh = t.old_first == NEVER
        first = np.where(fresh, t.days[t.starts], t.old_first)
        new = np.flatnonzero(in_order[t.group] & (fresh[t.group] | (t.days > t.old_last[t.group])))
        rows, days, group = t.rows[new], t.days[new], t.group[new]
        previous = np.concatenate([[NEVER], days[:-1]])
        opening = np.concatenate([[True], group[1:] != group[:-1]])[: group.size]
        previous = np.where(opening, t.old_last[group], previous[: group.size])
        born = np.flatnonzero(fresh & in_order)
        closing = np.concatenate([group[1:] != group[:-1], [True]])[: group.size]
        moves: list[Transition] = []
        for grain in Grain:
            start = self.calendar.periods(grain, first)
            periods = self.calendar.periods(grain, days)
            index = periods - start[group]
            before = np.where(previous == NEVER, -1, self.calendar.periods(grain, previous) - start[group])
            entered = np.flatnonzero((index > before) & (index < HORIZON[grain]))
            moves.append(
                Cells(
                    name,
                    measure(grain, "on"),
                    combo[rows[entered]].astype(np.int64),
                    periods[entered],
                    index[entered],
                    1,
                )
            )
            moves.append(
                Cells(
                    name,
                    measure(grain, "size"),
                    combo[t.users[born]].astype(np.int64),
                    start[born],
                    np.zeros(born.size, np.int64),
                    1,
                )
            )
            # The last index moves from that of the last day known to that of the last new day.
            limit = HORIZON[grain] - 1
            ended, began = np.minimum(index[closing], limit), np.minimum(before[opening], limit)
            users, base = rows[closing], start[group[closing]]
            moved = ended != began
            left = moved & (began >= 0)
            last = measure(grain, "last")
            combos = combo[users].astype(np.int64)
            moves.append(Cells(name, last, combos[moved], (base + ended)[moved], ended[moved], 1))
            moves.append(Cells(name, last, combos[left], (base + began)[left], began[left], -1))
        window = definition.inactivity_days
        covered = np.where(previous == NEVER, days, np.maximum(days, previous + window))
        moves.append(Spans(name, combo[rows].astype(np.int64), covered, days + window, 1))
        return moves


def _rank(batch: EventBatch, place: int) -> tuple[str, tuple[str, ...]]:
    """What decides between events of one time; ids that differ do, unless a producer gives one id twice."""
    return batch.event_ids[place], batch.combos[batch.segments[place]]


def _matching(definition: Definition, kinds: NDArray[np.int8]) -> NDArray[np.int64]:
    """The events that are activity in the sense of a definition; a refund never is."""
    if definition.returns == "visit":
        return np.flatnonzero(kinds == Kind.VISIT)
    if definition.returns == "purchase":
        return np.flatnonzero(kinds == Kind.PURCHASE)
    return np.flatnonzero(kinds != Kind.REFUND)


def _grown(column: NDArray[Any], size: int, fill: Any) -> NDArray[Any]:
    """A longer copy of a column, the new part filled."""
    grown = np.empty(size, column.dtype)
    grown[: column.size] = column
    grown[column.size :] = fill
    return grown
