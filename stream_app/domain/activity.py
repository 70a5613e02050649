"""The activity of a partition's users in the sense of one definition: their rows, and how a day of activity joins them.

The state is a join: the rows are the same for every order of arrival, any redelivery and any split into batches. The
counters follow from it: whatever `join` yields adds up to what `fold` yields from the rows alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain import bits
from stream_app.domain.bits import true_at
from stream_app.domain.counters import Cells, Spans, Transition, measure
from stream_app.domain.fold import fold
from stream_app.domain.periods import HORIZON, KEPT
from stream_app.domain.rows import NEVER, RING_DAYS, WORD_OF, WORDS, empty_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar

    Ints = NDArray[np.int64]

_LOW = np.uint64(0xFFFFFFFF)
_ONE = np.uint64(1)


class Activity:
    """Rows of the users who were active in the sense of a definition, in the order of their first activity.

    Args:
        definition: what counts as activity.
        calendar: the business time zone and week start.

    Attributes:
        rows: of `domain.rows.DEFINITION`; the first `len(self)` of them are in use.
        place: by user, the place of the user's row, -1 for none; int32.
    """

    def __init__(self, definition: Definition, calendar: Calendar) -> None:
        self.definition = definition
        self.rows: NDArray[np.void] = empty_rows(64)
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
        """The rows as a flat array of words: word `w` of row `p` is at `p * WORDS + w`."""
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
                grow(self.rows, total, empty_rows(1))
            places[new] = np.arange(self._count, total)
            self.place[users[new]] = places[new]
            self._count = total
        return places

    def fold(self, users: Ints, combos: Ints, sign: int) -> list[Transition]:
        """The cells that users stand in, entered (`sign` 1) or left (-1). Shapes (n,), both."""
        places = self.place[users]
        known = true_at(places >= 0)
        return fold(self.rows.take(places[known]), combos[known], self.definition, self._calendar, sign)

    def join(self, users: Ints, days: Ints, earliest: Ints, combos: Ints) -> tuple[NDArray[np.bool_], list[Transition]]:
        """Joins one day of activity of each of n users. All arguments have shape (n,).

        Args:
            users: each at most once.
            days: the local day on which each was active.
            earliest: the time (ms) of the user's first event on that day.
            combos: the user's combination of segment values.

        Returns:
            Which users' rows changed, shape (n,), and the cells they entered and left.
        """
        places = self.take_places(users)
        span = self._words.take(places * WORDS + WORD_OF["first_day"])
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
        name, words = self.definition.name, self._words
        base = places * WORDS
        fresh = first == NEVER
        born = true_at(fresh)
        if born.size:
            first = np.where(fresh, days, first)
            words[base[born] + WORD_OF["anchor"]] = earliest[born].view(np.uint64)
        moves: list[Transition] = []
        for grain in KEPT:
            on, size, ended = self._measures[grain]
            period, start = self._calendar.periods(grain, days), self._calendar.periods(grain, first)
            index = period - start
            before = self._calendar.periods(grain, np.where(fresh, first, last) if born.size else last) - start
            before[born] = -1
            entered = true_at((index > before) & (index < HORIZON[grain]))
            if entered.size:
                at = base[entered] + WORD_OF[grain.value] + (index[entered] >> 6)
                words[at] |= _ONE << (index[entered] & 63).astype(np.uint64)
                moves.append(Cells(name, on, combos[entered], period[entered], index[entered], 1))
            if born.size:
                moves.append(Cells(name, size, combos[born], start[born], np.zeros(born.size, np.int64), 1))
            # The last index moves from that of the last day known to that of the new one.
            limit = HORIZON[grain] - 1
            stop, begin = np.minimum(index, limit), np.minimum(before, limit)
            moved = true_at(stop != begin)
            if moved.size:
                to = (start + stop)[moved]
                moves.append(Cells(name, ended, combos[moved], to, stop[moved], 1))
                left = moved[begin[moved] >= 0]
                moves.append(Cells(name, ended, combos[left], (start + begin)[left], begin[left], -1))
        window = self.definition.inactivity_days
        covered = np.where(fresh, days, np.maximum(days, last + window))
        moves.append(Spans(name, combos, covered, days + window, 1))
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
        name, words = self.definition.name, self._words
        changed = np.zeros(places.size, np.bool_)
        moves: list[Transition] = []
        for grain in KEPT:
            period = self._calendar.periods(grain, days)
            index = period - self._calendar.periods(grain, first)
            at = places * WORDS + WORD_OF[grain.value] + (np.minimum(index, HORIZON[grain] - 1) >> 6)
            bit = _ONE << (index & 63).astype(np.uint64)
            new = true_at((index < HORIZON[grain]) & (words[at] & bit == 0))
            if new.size:
                words[at[new]] |= bit[new]
                changed[new] = True
                moves.append(Cells(name, self._measures[grain][0], combos[new], period[new], index[new], 1))
        age = last - days
        ring = self.rows["ring"]
        near = true_at(age < RING_DAYS)
        near = near[~bits.test(ring, places[near], age[near])]
        if near.size:
            changed[near] = True
            moves.append(self._between(ring[places[near]], days[near], age[near], combos[near]))
            ring[places[near], age[near] >> 6] |= _ONE << (age[near] & 63).astype(np.uint64)
        return changed, moves

    def _between(self, ring: NDArray[np.uint64], days: Ints, age: Ints, combos: Ints) -> Spans:
        """The days on which users count as active by a new day, but not by the active days next to it."""
        window = self.definition.inactivity_days
        known = bits.unpack(ring)
        ages = np.arange(RING_DAYS)
        # Of an age beyond the ring nothing is known: as if there were no earlier day.
        before, after = known & (ages > age[:, None]), known & (ages < age[:, None])
        earlier = np.where(before.any(axis=1), before.argmax(axis=1), RING_DAYS + window + age)
        later = RING_DAYS - 1 - after[:, ::-1].argmax(axis=1)  # there is one: the last day, of age 0
        first = np.maximum(days, days - (earlier - age) + window)
        stop = np.minimum(days + window, days + (age - later))
        held = first < stop
        return Spans(self.definition.name, combos[held], first[held], stop[held], 1)

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
        rows["first_day"][places] = days
        rows["anchor"][places] = earliest
        return moves + self.fold(users, combos, 1)


def grow(column: NDArray[Any], wanted: int, fill: object) -> None:
    """Makes a column longer in place, the new part filled. No view of it may be in use.

    Small columns double; large ones grow by a sixteenth, because room that is not used takes memory, too. In place, the
    operating system moves pages; a copy would have to be written to fresh ones, at 1 us a user.
    """
    old = size = len(column)
    while size < wanted:
        size += size if size < 65_536 else size // 16
    column.resize(size, refcheck=False)
    column[old:] = fill
