"""Counters as a fold over users: what `Activity.join` keeps incrementally, computed from the rows alone.

Recovery uses it for all users, `join` for the few who turn out to have come earlier (before and after the change).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain import bits
from stream_app.domain.counters import Cells, Spans, Transition, measure
from stream_app.domain.periods import HORIZON, KEPT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import Definition
    from stream_app.domain.periods import Calendar

#: Rows unpacked at once: bounds the memory of a fold over millions of users.
_SLICE = 16_384


def fold(
    rows: NDArray[np.void],
    combos: NDArray[np.int64],
    definitions: Sequence[Definition],
    calendar: Calendar,
    sign: int = 1,
) -> list[Transition]:
    """All cells that the users of these rows stand in, entered (`sign` 1) or left (-1).

    Args:
        rows: of `domain.rows.DEFINITION`, none of them empty, shape (n,).
        combos: the users' combinations of segment values, shape (n,).
        definitions: those over the rows' filter whose cells are counted.
        calendar: the business time zone and week start.
        sign: 1 or -1.
    """
    transitions: list[Transition] = []
    for start in range(0, len(rows), _SLICE):
        part, theirs = rows[start : start + _SLICE], combos[start : start + _SLICE]
        if definitions:
            transitions += _cells(part, theirs, definitions, calendar, sign)
            transitions += _spans(part, theirs, definitions, sign)
    return transitions


def _cells(
    rows: NDArray[np.void], combos: NDArray[np.int64], definitions: Sequence[Definition], calendar: Calendar, sign: int
) -> list[Transition]:
    found: list[Transition] = []
    zeros = np.zeros(len(rows), np.int64)
    for grain in KEPT:
        first = calendar.periods(grain, rows["first_day"].astype(np.int64))
        last = calendar.periods(grain, rows["last_day"].astype(np.int64))
        user, index = bits.where(rows[grain.value])
        reach = np.minimum(last - first, HORIZON[grain] - 1)
        active, returned, reached = combos[user], first[user] + index, first + reach
        for name in (definition.name for definition in definitions):
            found.append(Cells(name, measure(grain, "size"), combos, first, zeros, sign))
            found.append(Cells(name, measure(grain, "on"), active, returned, index, sign))
            found.append(Cells(name, measure(grain, "last"), combos, reached, reach, sign))
    return found


def _spans(
    rows: NDArray[np.void], combos: NDArray[np.int64], definitions: Sequence[Definition], sign: int
) -> list[Transition]:
    """The days each user counts as active, as far as the ring knows: each active day and the W - 1 after it."""
    user, age = bits.where(rows["ring"])
    user, age = user[::-1], age[::-1]  # so that days rise within a user
    days = rows["last_day"].astype(np.int64)[user] - age
    same = np.concatenate([[False], user[1:] == user[:-1]])[: user.size]
    previous = np.concatenate([[0], days[:-1]])[: days.size]
    found: list[Transition] = []
    for definition in definitions:
        window = definition.inactivity_days
        first = np.where(same, np.maximum(days, previous + window), days)
        found.append(Spans(definition.name, combos[user], first, days + window, sign))
    return found
