"""What a census counts: some users at a time, and what they did, as sorted columns.

A figure does not know where they come from: from the rows of the live service (`domain.rows`), which keep what their
horizon and ring hold, or from a file, of which everything is known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from stream_app.domain.counters import Segments
    from stream_app.domain.events import Filter
    from stream_app.domain.periods import Calendar, Grain

    Ints = NDArray[np.int64]


class Pairs(NamedTuple):
    """Users and the periods they were active in: no pair twice, by user and then by period.

    Attributes:
        users: places within the slice, int64 (m,), rising.
        periods: ordinals, int64 (m,), rising within a user.
    """

    users: Ints
    periods: Ints

    def where(self, keep: NDArray[np.bool_]) -> Pairs:
        """The pairs that are to be kept (m,)."""
        return Pairs(self.users[keep], self.periods[keep])

    def changes(self) -> NDArray[np.bool_]:
        """Which pairs differ from the one before, shape (m,): of columns in order that hold some more than once."""
        found = np.ones(self.users.size, np.bool_)
        found[1:] = (self.users[1:] != self.users[:-1]) | (self.periods[1:] != self.periods[:-1])
        return found

    def once(self) -> Pairs:
        """Each pair once, of columns in order that hold some more than once."""
        return self.where(self.changes())


class Orders(NamedTuple):
    """Orders and refunds, each once, by user and then by time.

    Attributes:
        users: places within the slice, int64 (m,), rising.
        times: when (ms), int64 (m,).
        amounts: minor units, int64 (m,); negative for a refund, which is no order.
        conflicts: whether differing purchases of one order id were met, bool (m,).
    """

    users: Ints
    times: Ints
    amounts: Ints
    conflicts: NDArray[np.bool_]


class Slice(Protocol):
    """Some users, places 0 to n - 1, of whom nothing changes while they are counted."""

    @property
    def combos(self) -> Ints:
        """Each user's combination of segment values, shape (n,)."""

    def first(self, what: Filter) -> Ints:
        """The time (ms) of each user's first event that is meant, `domain.rows.LATER` for none; shape (n,)."""

    def active(self, what: Filter, grain: Grain) -> Pairs:
        """The periods in which users had an event that is meant, as far as it is kept."""

    def orders(self) -> Orders:
        """The orders and refunds."""


class Population(Protocol):
    """All users of a source partition, or of a file.

    Attributes:
        calendar: the business time zone and week start.
        segments: what the combinations are of.
    """

    calendar: Calendar
    segments: Segments

    def slices(self) -> Iterator[Slice]:
        """The users, some thousands at a time, each once. What is gathered between two of them costs memory."""

    @property
    def first_day(self) -> int | None:
        """The local day of the earliest event; None without events."""

    @property
    def last_day(self) -> int | None:
        """The local day of the latest event; None without events."""

    @property
    def hours(self) -> int | None:
        """How many hours are kept of a user from the first event on; None: all."""

    @property
    def whole(self) -> bool:
        """Whether every period of every user is known, whatever the horizon."""


def no_pairs() -> Pairs:
    """Nobody active."""
    none = np.zeros(0, np.int64)
    return Pairs(none, none)
