"""The activity of a partition's users in the sense of one filter: their rows, and how a day of activity joins them.

The state is a join: the rows are the same for every order of arrival, any redelivery and any split into batches. The
counters follow from it: whatever `join` yields adds up to what `fold` yields from the rows alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain import bits
from stream_app.domain.bits import true_at
from stream_app.domain.columns import grow
from stream_app.domain.counters import Cells, Spans, Transition, measure
from stream_app.domain.fold import fold
from stream_app.domain.periods import HORIZON, KEPT
from stream_app.domain.rows import NEVER, RING_DAYS, WORD_OF, empty_rows, hour_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import Definition, Filter
    from stream_app.domain.periods import Calendar, Grain

    Ints = NDArray[np.int64]

_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


class DayHours(NamedTuple):
    """In which hours of a local day each of n users was active.

    Attributes:
        first: the least ordinal of an hour, int64 (n,).
        bits: bit j is the hour j hours after it, uint64 (n,).
    """

    first: Ints
    bits: NDArray[np.uint64]


class Activity:
    """Rows of the users who were active in the sense of a filter, in the order of their first activity.

    Args:
        what: what counts as activity.
        calendar: the business time zone and week start.
        counted: the definitions over this filter whose cells move one at a time; there may be none.
        hour_days: of how many days since a user's first event the active hours are kept.

    Attributes:
        rows: of `domain.rows.row_of(hour_words)`; the first `len(self)` of them are in use.
        place: by user, the place of the user's row, -1 for none; int32.
    """

    def __init__(self, what: Filter, calendar: Calendar, counted: Sequence[Definition], hour_days: int = 0) -> None:
        self.what = what
        self.counted = tuple(counted)
        self._slack = calendar.hour_slack if hour_days else 0
        self.hour_words = hour_words(hour_days, self._slack)
        # As many local days as all bits can touch, those past `hour_days` too: else they would depend on the order of
        # arrival. A day has 23 hours or more, but for one that a zone may skip.
        self._hour_reach = 64 * self.hour_words // 23 + 3
        self.rows: NDArray[np.void] = empty_rows(64, self.hour_words)
        self._stride = self.rows.itemsize // 8
        self.place: NDArray[np.int32] = np.full(64, -1, np.int32)
        self._calendar = calendar
        self._count = 0
        # Cells carry the names of measures; made once, not a batch.
        self._measures = {grain: [measure(grain, kind) for kind in ("on", "size", "last")] for grain in KEPT}

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self.rows.nbytes + self.place.nbytes

    @property
    def _words(self) -> NDArray[np.uint64]:
        """The rows as a flat array of words: word `w` of row `p` is at `p * stride + w`."""
        return self.rows.view(np.uint64)

    def reserve(self, users: int) -> None:
        """Makes room for so many users."""
        if users > len(self.place):
            grow(self.place, users, -1)

    def take_places(self, users: Ints) -> Ints:
        """The places of users, shape (n,), each given once; who has no row gets an empty one."""
        places = self.place[users].astype(np.int64)
        new = true_at(places < 0)
        if new.size:
            total = self._count + new.size
            if total > len(self.rows):
                grow(self.rows, total, empty_rows(1, self.hour_words))
            places[new] = np.arange(self._count, total)
            self.place[users[new]] = places[new]
            self._count = total
        return places

    def fold(self, users: Ints, combos: Ints, sign: int) -> list[Transition]:
        """The cells that users stand in, entered (`sign` 1) or left (-1). Shapes (n,), both."""
        places = self.place[users]
        known = true_at(places >= 0)
        return fold(self.rows.take(places[known]), combos[known], self.counted, self._calendar, sign)

    def join(
        self, users: Ints, days: Ints, earliest: Ints, combos: Ints, hours: DayHours | None = None
    ) -> tuple[NDArray[np.bool_], list[Transition]]:
        """Joins one day of activity of each of n users. All arguments have shape (n,).

        Args:
            users: each at most once.
            days: the local day on which each was active.
            earliest: the time (ms) of the user's first event on that day.
            combos: the user's combination of segment values.
            hours: in which hours of the day; None where hours are not kept.

        Returns:
            Which users' rows changed, shape (n,), and the cells they entered and left.
        """
        places = self.take_places(users)
        changed, moves = self._join_days(users, places, days, earliest, combos)
        if hours is not None:
            changed[self._join_hours(places, days, hours)] = True
        return changed, moves

    def _join_days(
        self, users: Ints, places: Ints, days: Ints, earliest: Ints, combos: Ints
    ) -> tuple[NDArray[np.bool_], list[Transition]]:
        span = self._words.take(places * self._stride + WORD_OF["first_day"])
        first, last = span.view(np.int32).reshape(-1, 2).astype(np.int64).T
        changed = days > last
        moves: list[Transition] = []
        if changed.all():  # as in a stream in order: no copies
            moves = self._append(places, days, first, last, earliest, combos)
            return changed, moves
        later = true_at(changed)
        if later.size:
            moves += self._append(*(column[later] for column in (places, days, first, last, earliest, combos)))
        # An anchor can only move on the user's first day, or before it.
        anchors = self.rows["anchor"]
        sooner = true_at((days == first) & ~changed)
        sooner = sooner[earliest[sooner] < anchors[places[sooner]]]
        self._move_hours(places[sooner], earliest[sooner])
        anchors[places[sooner]] = earliest[sooner]
        changed[sooner] = True
        between = true_at((days > first) & (days < last))
        if between.size:
            new, found = self._insert(*(column[between] for column in (places, days, first, last, combos)))
            changed[between] = new
            moves += found
        before = true_at(days < first)
        if before.size:
            moves += self._prepend(*(column[before] for column in (users, places, days, first, last, earliest, combos)))
            changed[before] = True
        return changed, moves

    def _append(
        self, places: Ints, days: Ints, first: Ints, last: Ints, earliest: Ints, combos: Ints
    ) -> list[Transition]:
        """A day after all those known, or the first one: what nearly every event of a stream in order is."""
        words = self._words
        base = places * self._stride
        fresh = first == NEVER
        born = true_at(fresh)
        if born.size:
            first = np.where(fresh, days, first)
            words[base[born] + WORD_OF["anchor"]] = earliest[born].view(np.uint64)
        moves: list[Transition] = []
        for grain in KEPT:
            period, start = self._calendar.periods(grain, days), self._calendar.periods(grain, first)
            index = period - start
            before = self._calendar.periods(grain, np.where(fresh, first, last) if born.size else last) - start
            before[born] = -1
            entered = true_at((index > before) & (index < HORIZON[grain]))
            if entered.size:
                at = base[entered] + WORD_OF[grain.value] + (index[entered] >> 6)
                words[at] |= _ONE << (index[entered] & 63).astype(np.uint64)
                moves += self._cells(grain, 0, combos[entered], period[entered], index[entered], 1)
            if born.size:
                moves += self._cells(grain, 1, combos[born], start[born], np.zeros(born.size, np.int64), 1)
            # The last index moves from that of the last day known to that of the new one.
            limit = HORIZON[grain] - 1
            stop, begin = np.minimum(index, limit), np.minimum(before, limit)
            moved = true_at(stop != begin)
            if moved.size:
                to = (start + stop)[moved]
                moves += self._cells(grain, 2, combos[moved], to, stop[moved], 1)
                left = moved[begin[moved] >= 0]
                moves += self._cells(grain, 2, combos[left], (start + begin)[left], begin[left], -1)
        for definition in self.counted:
            window = definition.inactivity_days
            covered = np.where(fresh, days, np.maximum(days, last + window))
            moves.append(Spans(definition.name, combos, covered, days + window, 1))
        # NumPy's shifts by 64 and more give 0, and so do those by less than 0, which wrap: each case has one term.
        by = np.where(fresh, RING_DAYS, days - last).astype(np.uint64)
        low, high = words[base + WORD_OF["ring"]], words[base + WORD_OF["ring"] + 1]
        word = np.uint64(64)
        words[base + WORD_OF["ring"]] = (low << by) | _ONE
        words[base + WORD_OF["ring"] + 1] = (high << by) | (low >> (word - by)) | (low << (by - word))
        words[base + WORD_OF["first_day"]] = (first.view(np.uint64) & _LOW) | (days.view(np.uint64) << np.uint64(32))
        return moves

    def _insert(
        self, places: Ints, days: Ints, first: Ints, last: Ints, combos: Ints
    ) -> tuple[NDArray[np.bool_], list[Transition]]:
        """A day between the first and the last one. Returns for which it is new, and the cells entered."""
        words = self._words
        changed = np.zeros(places.size, np.bool_)
        moves: list[Transition] = []
        for grain in KEPT:
            period = self._calendar.periods(grain, days)
            index = period - self._calendar.periods(grain, first)
            at = places * self._stride + WORD_OF[grain.value] + (np.minimum(index, HORIZON[grain] - 1) >> 6)
            bit = _ONE << (index & 63).astype(np.uint64)
            new = true_at((index < HORIZON[grain]) & (words[at] & bit == 0))
            if new.size:
                words[at[new]] |= bit[new]
                changed[new] = True
                moves += self._cells(grain, 0, combos[new], period[new], index[new], 1)
        age = last - days
        ring = self.rows["ring"]
        near = true_at(age < RING_DAYS)
        near = near[~bits.test(ring, places[near], age[near])]
        if near.size:
            changed[near] = True
            moves += self._between(ring[places[near]], days[near], age[near], combos[near])
            ring[places[near], age[near] >> 6] |= _ONE << (age[near] & 63).astype(np.uint64)
        return changed, moves

    def _between(self, ring: NDArray[np.uint64], days: Ints, age: Ints, combos: Ints) -> list[Transition]:
        """The days on which users count as active by a new day, but not by the active days next to it."""
        if not self.counted:
            return []
        known = bits.unpack(ring)
        ages = np.arange(RING_DAYS)
        # Of an age beyond the ring nothing is known: as if there were no earlier day.
        before, after = known & (ages > age[:, None]), known & (ages < age[:, None])
        some, earlier = before.any(axis=1), before.argmax(axis=1)
        later = RING_DAYS - 1 - after[:, ::-1].argmax(axis=1)  # there is one: the last day, of age 0
        moves: list[Transition] = []
        for definition in self.counted:
            window = definition.inactivity_days
            first = np.where(some, np.maximum(days, days - (earlier - age) + window), days)
            stop = np.minimum(days + window, days + (age - later))
            held = first < stop
            moves.append(Spans(definition.name, combos[held], first[held], stop[held], 1))
        return moves

    def _join_hours(self, places: Ints, days: Ints, hours: DayHours) -> Ints:
        """Joins hours of a day of each of n users, whose anchor is known by now. Returns where one is new."""
        words = self._words
        base = places * self._stride
        first = words.take(base + WORD_OF["first_day"]).view(np.int32)[::2]
        near = true_at(days - first <= self._hour_reach)
        base = base[near]
        anchors = words.take(base + WORD_OF["anchor"]).view(np.int64)
        index = hours.first[near] - self._calendar.hours(anchors) + self._slack
        inside = true_at(index < 64 * self.hour_words)
        near, base, index = near[inside], base[inside], index[inside]
        # A day's hours lie in one word or in two; a shift by 64 gives 0.
        bits_of, by = hours.bits[near], (index & 63).astype(np.uint64)
        at = base + WORD_OF["hours"] + (index >> 6)
        known = words[at]
        joined = known | (bits_of << by)
        words[at] = joined
        new = joined != known
        rest = bits_of >> (np.uint64(64) - by)
        over = true_at((rest != 0) & (index < 64 * (self.hour_words - 1)))
        if over.size:
            known = words[at[over] + 1]
            joined = known | rest[over]
            words[at[over] + 1] = joined
            new[over] |= joined != known
        changed: Ints = near[new]
        return changed

    def _move_hours(self, places: Ints, anchors: Ints) -> None:
        """Has the bits of hours begin at earlier anchors than those known."""
        if not self.hour_words or not places.size:
            return
        by = self._calendar.hours(self.rows["anchor"][places]) - self._calendar.hours(anchors)
        moved = true_at(by != 0)
        places, by = places[moved], by[moved]
        hours = bits.shift_up(self.rows["hours"][places], np.maximum(by, 0))
        back = true_at(by < 0)  # by one, where `hour_slack` is 1: the lowest bit is free then
        if back.size:
            low = hours[back] >> _ONE
            low[:, :-1] |= hours[back][:, 1:] << np.uint64(63)
            hours[back] = low
        self.rows["hours"][places] = hours

    def _cells(self, grain: Grain, kind: int, combos: Ints, periods: Ints, indexes: Ints, sign: int) -> list[Cells]:
        """Users entering or leaving cells of every definition that is counted."""
        name = self._measures[grain][kind]
        return [Cells(d.name, name, combos, periods, indexes, sign) for d in self.counted]

    def _prepend(
        self, users: Ints, places: Ints, days: Ints, first: Ints, last: Ints, earliest: Ints, combos: Ints
    ) -> list[Transition]:
        """A day before the first one known: the bitmaps shift, the user leaves all cells and enters the new ones."""
        moves = self.fold(users, combos, -1)
        rows, at = self.rows, np.arange(places.size)
        for grain in KEPT:
            by = self._calendar.periods(grain, first) - self._calendar.periods(grain, days)
            shifted = bits.shift_up(rows[grain.value][places], by)
            shifted[at, 0] |= _ONE
            rows[grain.value][places] = shifted
        age = last - days
        near = true_at(age < RING_DAYS)
        rows["ring"][places[near], age[near] >> 6] |= _ONE << (age[near] & 63).astype(np.uint64)
        self._move_hours(places, earliest)
        rows["first_day"][places] = days
        rows["anchor"][places] = earliest
        return moves + self.fold(users, combos, 1)
