"""The users of one source partition: `advance` joins a batch of events into their state and says which cells moved.

A batch is brought to pairs of user and day, each with the time of its first event; everything after that works on
columns in which a user stands once. A user with several days in a batch has one a round, from the earliest on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain.activity import Activity, DayHours
from stream_app.domain.bits import true_at
from stream_app.domain.columns import grow
from stream_app.domain.filters import conditions_of, filters_of, meant
from stream_app.domain.index import HashIndex, hash_keys
from stream_app.domain.rows import ID_BYTES, LATER, pack_ids, unpack_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.counters import Segments, Transition
    from stream_app.domain.events import Definition, EventBatch
    from stream_app.domain.periods import Calendar

    Ints = NDArray[np.int64]


class _Columns(NamedTuple):
    """What is joined of n events: their users, local days, times (ms) and, if they are kept, local hours."""

    users: Ints
    days: Ints
    times: Ints
    hours: Ints | None = None

    def at(self, places: Ints) -> _Columns:
        """Those of some events."""
        hours = None if self.hours is None else self.hours[places]
        return _Columns(self.users[places], self.days[places], self.times[places], hours)


class UserTable:
    """State of users, the index to it, and their segments.

    Args:
        definitions: the retention definitions to keep, in a fixed order.
        calendar: the business time zone and week start.
        segments: the partition's segment values, shared with its counters.
        hour_days: of how many days since a user's first event the active hours are kept.

    Attributes:
        first: by user, the time (ms) of the first event of any kind, LATER for none; int64.
        combo: by user, the number of the combination of segment values that event carried; int32.
        id_form, id: by user, that event's id; see `domain.rows.pack_id`.
        long_ids: by user, the whole id where `id` does not hold it.
        activities: one a filter of the definitions.
        conditions: what the bits of a batch's `matches` must stand for.
    """

    def __init__(
        self, definitions: Sequence[Definition], calendar: Calendar, segments: Segments, *, hour_days: int = 0
    ) -> None:
        self.hour_days = hour_days
        self.definitions = tuple(definitions)
        self.calendar = calendar
        self.segments = segments
        self.index = HashIndex()
        self.first: Ints = np.full(64, LATER, np.int64)
        self.combo: NDArray[np.int32] = np.zeros(64, np.int32)
        self.id_form: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self.id: NDArray[np.bytes_] = np.zeros(64, f"S{ID_BYTES}")
        self.long_ids: dict[int, str] = {}
        self.filters = filters_of(self.definitions)
        self.conditions = conditions_of(self.filters)
        counted = [d for d in self.definitions if d.counted]
        self.activities = tuple(
            Activity(what, calendar, [d for d in counted if d.start_filter == what], hour_days) for what in self.filters
        )
        # Only a user_id's hash is kept, in the index: the ids of changed users are, until these are written.
        self._names: list[bytes] = []
        self._name_at: NDArray[np.int32] = np.full(64, -1, np.int32)  # by user, the place in `_names`; -1: unchanged
        self._combo_source: object = None
        self._combo_map = np.zeros(0, np.int64)

    def __len__(self) -> int:
        return len(self.index)

    @property
    def nbytes(self) -> int:
        """Bytes held for the users, all told."""
        columns = (self.first, self.combo, self.id_form, self.id, self._name_at)
        return self.index.nbytes + sum(c.nbytes for c in columns) + sum(a.nbytes for a in self.activities)

    def advance(self, batch: EventBatch) -> list[Transition]:
        """Joins a batch. Returns the cells that users entered and left; their order does not matter."""
        if not len(batch):
            return []
        return self.advance_users(batch, self._users_of(batch.users))

    def advance_users(self, batch: EventBatch, users: Ints) -> list[Transition]:
        """The same, where the number of each event's user, shape (n,), n at least 1, is known (`users_of`)."""
        transitions = self._join_first_events(batch, users)
        columns = _Columns(users, self.calendar.days(batch.times), batch.times)
        if self.hour_days:
            columns = columns._replace(hours=self.calendar.hours(batch.times))
        for activity in self.activities:
            chosen = meant(activity.what, batch, self.conditions)
            if chosen is None:
                transitions += self._join_days(activity, batch, columns, None)
            elif chosen.size:
                transitions += self._join_days(activity, batch, columns.at(chosen), chosen)
        return transitions

    def join_first(self, batch: EventBatch) -> Ints:
        """Joins only who the users are and how each one's first event came. Returns the events' users, shape (n,).

        For a count that keeps activity elsewhere; the table must have been made without definitions.
        """
        users = self._users_of(batch.users)
        if len(batch):
            self._join_first_events(batch, users)
        return users

    def users_of(self, batch: EventBatch) -> Ints:
        """The number of each event's user, shape (n,); who is new gets one."""
        return self._users_of(batch.users)

    def fold(self, start: int, stop: int) -> list[Transition]:
        """The cells that the users `start` to `stop` - 1 stand in."""
        users = np.arange(start, min(stop, len(self)))
        combos = self.combo[users].astype(np.int64)
        return [transition for activity in self.activities for transition in activity.fold(users, combos, 1)]

    def take_dirty(self) -> tuple[list[bytes], Ints]:
        """The ids of the users changed since the last call and their numbers, rising; each is then clean."""
        dirty = true_at(self._name_at[: len(self.index)] >= 0)
        places = self._name_at[dirty]
        self._name_at[dirty] = -1
        taken, self._names = self._names, []
        return list(map(taken.__getitem__, places.tolist())), dirty

    def restore_users(self, names: Sequence[bytes], *, changed: bool = False) -> Ints:
        """The numbers of users who are read back, with room for their state.

        Args:
            names: their ids; one may come twice.
            changed: whether they are to be written again.
        """
        users = self._users_of(names)
        if changed:
            self._note(users, names)
        return users

    def _users_of(self, names: Sequence[bytes]) -> Ints:
        users = self.index.upsert(hash_keys(names))
        count = len(self.index)
        if count > len(self.first):
            grow(self.first, count, LATER)
            grow(self.combo, count, 0)
            grow(self.id_form, count, 0)
            grow(self.id, count, b"")
            grow(self._name_at, count, -1)
            for activity in self.activities:
                activity.reserve(count)
        return users

    def _note(self, users: Ints, names: Sequence[bytes]) -> None:
        """Keeps the ids of users who changed and were clean; `names` has the id of each of `users`."""
        new = true_at(self._name_at[users] < 0)
        self._name_at[users[new]] = np.arange(len(self._names), len(self._names) + new.size)
        self._names += map(names.__getitem__, new.tolist())

    # -- activity

    def _join_days(
        self, activity: Activity, batch: EventBatch, columns: _Columns, chosen: Ints | None
    ) -> list[Transition]:
        """Joins events that are activity in the sense of one filter; `chosen` are their places in the batch."""
        users, days, times, hours = columns
        low = int(days.min())
        day_bits = (int(days.max()) - low).bit_length()
        pairs, order = _sorted((users << day_bits) | (days - low))
        starts = _starts(pairs)
        earliest = np.minimum.reduceat(times[order], starts)
        found = None if hours is None else _day_hours(hours[order], starts)
        pairs, event = pairs[starts], order[starts]
        users, days = pairs >> day_bits, (pairs & ((1 << day_bits) - 1)) + low
        combos = self.combo[users].astype(np.int64)
        if chosen is not None:
            event = chosen[event]
        # The round of each pair: how many earlier days its user has in the batch.
        new_user = _starts(users)
        rounds = np.arange(users.size) - np.repeat(new_user, np.diff(new_user, append=users.size))
        transitions: list[Transition] = []
        for number in range(int(rounds.max()) + 1):
            of = slice(None) if new_user.size == users.size else true_at(rounds == number)
            theirs = None if found is None else DayHours(found.first[of], found.bits[of])
            changed, moves = activity.join(users[of], days[of], earliest[of], combos[of], theirs)
            transitions += moves
            dirty = changed & (self._name_at[users[of]] < 0)
            if dirty.any():
                names = batch.users
                self._note(users[of][dirty], [names[i] for i in event[of][dirty].tolist()])
        return transitions

    # -- the first event, which decides a user's segments

    def _join_first_events(self, batch: EventBatch, users: Ints) -> list[Transition]:
        """Joins each user's first event of the batch where it comes before the one known.

        Returns the cells of users whose segments change by it: left under the old, entered under the new ones.
        """
        candidates = true_at(batch.times <= self.first[users])
        if not candidates.size:
            return []
        order = candidates[np.lexsort((batch.times[candidates], users[candidates]))]
        starts = _starts(users[order])
        best = order[starts].copy()
        # Where times are equal the least event id decides; that is rare, so it may be slow.
        times = batch.times[order]
        same = true_at((np.diff(users[order]) == 0) & (np.diff(times) == 0)) + 1
        group = np.searchsorted(starts, same, side="right") - 1
        for place, g in zip(order[same].tolist(), group.tolist(), strict=True):
            chosen = int(best[g])
            if batch.times[place] == batch.times[chosen] and _rank(batch, place) < _rank(batch, chosen):
                best[g] = place
        keep = np.ones(best.size, np.bool_)
        known = self.first[users[best]]
        for g in true_at(batch.times[best] == known).tolist():
            user = int(users[best[g]])
            stored = self._event_id(user), self.segments.combos[self.combo[user]]
            keep[g] = _rank(batch, int(best[g])) < stored
        best = best[keep]
        return self._set_first_events(batch, users[best], best)

    def _set_first_events(self, batch: EventBatch, users: Ints, events: Ints) -> list[Transition]:
        combos = self._combos_of(batch)[batch.segments[events]]
        moved = (self.first[users] != LATER) & (self.combo[users] != combos)
        movers, old, new = users[moved], self.combo[users[moved]].astype(np.int64), combos[moved]
        transitions: list[Transition] = []
        if movers.size:
            for activity in self.activities:
                transitions += activity.fold(movers, old, -1) + activity.fold(movers, new, 1)
        self.first[users] = batch.times[events]
        self.combo[users] = combos
        places = events.tolist()
        self.id_form[users], self.id[users], whole = pack_ids([batch.event_ids[i] for i in places])
        if self.long_ids:
            for user in users.tolist():
                self.long_ids.pop(user, None)
        self.long_ids |= {int(users[place]): event_id for place, event_id in whole.items()}
        self._note(users, [batch.users[i] for i in places])
        return transitions

    def _event_id(self, user: int) -> str:
        return unpack_id(int(self.id_form[user]), bytes(self.id[user]), user, self.long_ids)

    def _combos_of(self, batch: EventBatch) -> Ints:
        """The table's number of each of the batch's combinations, shape (len(batch.combos),)."""
        if self._combo_source is not batch.combos:
            self._combo_source, self._combo_map = batch.combos, np.zeros(0, np.int64)
        have = len(self._combo_map)
        if have < len(batch.combos):
            new = [self.segments.combo(values) for values in batch.combos[have:]]
            self._combo_map = np.concatenate([self._combo_map, np.array(new, np.int64)])
        return self._combo_map


def _sorted(values: Ints) -> tuple[Ints, Ints]:
    """Values of at least 0 in order, and the places they had; shapes (n,)."""
    bits = int(values.size).bit_length()
    if int(values.max()).bit_length() + bits > 62:
        order = np.argsort(values, kind="stable")
        return values[order], order
    # Value and place as one number: NumPy sorts numbers in a tenth of the time that an argsort takes.
    keys = (values << bits) | np.arange(values.size)
    keys.sort()
    return keys >> bits, keys & ((1 << bits) - 1)


def _day_hours(hours: Ints, starts: Ints) -> DayHours:
    """The hours of each group of events, of one user and one day; groups begin at `starts`."""
    first = np.minimum.reduceat(hours, starts)
    after = (hours - np.repeat(first, np.diff(starts, append=hours.size))).astype(np.uint64)
    return DayHours(first, np.bitwise_or.reduceat(np.uint64(1) << after, starts))


def ends_of_groups(values: Ints) -> Ints:
    """The last place of each distinct value, in the order of values."""
    ordered, order = _sorted(values)
    last: Ints = order[np.append(_starts(ordered)[1:], ordered.size) - 1]
    return last


def _starts(ordered: Ints) -> Ints:
    """The places at which a value differs from the one before it: where its group begins."""
    new = np.empty(ordered.size, np.bool_)
    new[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return true_at(new)


def _rank(batch: EventBatch, place: int) -> tuple[str, tuple[str, ...]]:
    """What decides between events of one time; ids that differ do, unless a producer gives one id twice."""
    return batch.event_ids[place], batch.combos[batch.segments[place]]
