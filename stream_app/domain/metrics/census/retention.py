"""Retention: of the users of a cohort, how many came back, by period, bracket or 24-hour window.

Cells: `size` (place, cohort); `on` (place, cohort, column), where a column is an index or the number of a bracket from
1; for rolling retention instead `last` (place, cohort, index of the last return); for 24-hour windows `reached` (place,
cohort, windows that have closed).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.joint import joint, worth_it
from stream_app.domain.metrics.census.matrix import filled, frame_of
from stream_app.domain.metrics.census.members import Lookup, each_between, members_and_returns
from stream_app.domain.metrics.census.reach import known
from stream_app.domain.metrics.mean import mean_of, nullable
from stream_app.domain.metrics.population import Pairs
from stream_app.domain.periods import HORIZON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.census.matrix import Frame
    from stream_app.domain.metrics.census.members import Members
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally

    Ints = NDArray[np.int64]

#: Later than every period there is.
_ENDLESS = 1 << 40


def count(asked: Asked, part: Slice, places: Ints, tally: Tally) -> None:
    """Adds a slice to the tally."""
    members, pairs = members_and_returns(asked, part)
    tally.add("size", [places[members.users], members.cohorts])
    if members.reached is not None:
        tally.add("reached", [places[members.users], members.cohorts, members.reached])
    if asked.query.kind == "bracket":
        for column, (first, last) in enumerate(brackets(asked), 1):
            _bracket(members, Lookup(pairs), column, first, last, places, tally)
    elif asked.query.kind == "rolling":
        _rolling(members, Lookup(pairs), places, tally)
    else:
        _classic(asked, members, pairs, places, tally)


def _classic(asked: Asked, members: Members, pairs: Pairs, places: Ints, tally: Tally) -> None:
    returns = Lookup(pairs)
    begins, ends = returns.between(members.users, members.origins + 1, members.origins + members.counted)
    starts = Pairs(members.users, members.cohorts)
    if asked.query.cohorts == "recurring" and worth_it(int((ends - begins).sum()), places.size, starts, pairs):
        for users, *keys in joint(starts, pairs, places, HORIZON[asked.query.grain]):
            tally.add("on", keys, users)
        return
    for member, at in each_between(begins, ends):
        users, index = members.users[member], returns.periods[at] - members.origins[member]
        tally.add("on", [places[users], members.cohorts[member], index])


def _rolling(members: Members, returns: Lookup, places: Ints, tally: Tally) -> None:
    ever = np.full(members.users.size, _ENDLESS)
    begins, ends = returns.between(members.users, members.origins + 1, ever)
    came = (ends > begins) & (members.counted > 1)
    # The last index stands for everything past the horizon as well.
    index = np.minimum(returns.periods[ends[came] - 1] - members.origins[came], members.counted[came] - 1)
    tally.add("last", [places[members.users[came]], members.cohorts[came], index])


def _bracket(members: Members, returns: Lookup, column: int, first: int, last: int, places: Ints, tally: Tally) -> None:
    begins, ends = returns.between(members.users, members.origins + first, members.origins + last + 1)
    came = (ends > begins) & (members.counted > last)
    tally.add("on", [places[members.users[came]], members.cohorts[came], np.full(np.count_nonzero(came), column)])


def brackets(asked: Asked) -> list[tuple[int, int]]:
    """The first and the last index of each bracket."""
    stops = np.cumsum([1, *asked.query.brackets]).tolist()
    return [(first, stop - 1) for first, stop in pairwise(stops)]


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    query = asked.query
    named = {"kind": query.kind, "windows": query.windows, "cohorts": query.cohorts, "mean": query.mean}
    if query.kind == "bracket":
        return named | {"brackets": [{"from": first, "to": last} for first, last in brackets(asked)]}
    return named


def answer(asked: Asked, tally: Tally, places: Ints) -> Entry:
    """The entry of one segment."""
    frame = frame_of(asked, tally, places, brackets(asked))
    if asked.query.kind == "rolling":  # a user counts at every index up to that of the last return
        retained = _upward(filled(tally, "last", places, frame, frame.ends.size))
    else:
        retained = filled(tally, "on", places, frame)
    reached = _reached(tally, places, frame) if asked.query.windows == "24h" else None
    denominators = np.broadcast_to(frame.sizes[:, None], retained.shape) if reached is None else reached
    retained[:, :1] = denominators[:, :1]  # by the start event alone
    shown = (frame.closed if reached is None else reached > 0) & known(asked, tally, frame)
    lists = nullable(retained, shown)
    rows = []
    for row, (cohort, size, width) in enumerate(frame.rows()):
        entry = {"start": asked.calendar.start_date(asked.query.grain, cohort), "size": size}
        entry["retained"] = lists[row][:width]
        if reached is not None:
            entry["reached"] = reached[row, :width].tolist()
        rows.append(entry)
    return {"cohorts": rows, "mean": mean_of(retained, denominators, shown, asked.query.mean)}


def _reached(tally: Tally, places: Ints, frame: Frame) -> Ints:
    """By cohort and column, the users whose last window of the column has closed, shape (n, k)."""
    windows = filled(tally, "reached", places, frame, int(frame.ends.max(initial=0)) + 2)
    return _upward(windows)[:, frame.ends + 1]


def _upward(cells: Ints) -> Ints:
    """In each column, the sum of it and all that follow; shape (n, k) as given."""
    found: Ints = np.cumsum(cells[:, ::-1], axis=1)[:, ::-1]
    return found
