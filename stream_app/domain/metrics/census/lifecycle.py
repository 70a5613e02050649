"""Who is new, returning, resurrected or dormant in each closed period.

Cells (place, period): `active`, `new`, `resurrected`, `dormant`; the rest of the active ones are returning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.census.asked import ratio
from stream_app.domain.metrics.census.series import columns, earliest, latest, line, opens, shown, upto

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.metrics.census.asked import Asked, Entry
    from stream_app.domain.metrics.population import Slice
    from stream_app.domain.metrics.tally import Tally


def count(asked: Asked, part: Slice, places: NDArray[np.int64], tally: Tally) -> None:
    """Adds a slice to the tally."""
    grain = asked.query.grain
    last = asked.last_closed(grain)
    if last is None:
        return
    pairs = upto(part.active(asked.query.definition.return_filter, grain), last)
    place, period = places[pairs.users], pairs.periods
    new = opens(pairs)
    tally.add("active", [place, period])
    tally.add("new", [place[new], period[new]])
    # A pair whose user was also active in the period before follows it; one with no follower is dormant after it.
    follows = ~new
    follows[1:] &= period[1:] - period[:-1] == 1
    back = ~(new | follows)
    tally.add("resurrected", [place[back], period[back]])
    gone = np.append(~follows[1:], True)[: period.size]
    tally.add("dormant", [place[gone], period[gone] + 1])


def head(asked: Asked) -> dict[str, Any]:
    """The figure's own parameters."""
    return {}


def answer(asked: Asked, tally: Tally, places: NDArray[np.int64]) -> Entry:
    """The entry of one segment: a row a closed period, from the first one with activity on."""
    grain = asked.query.grain
    first = earliest(tally, "active", 2, places)
    periods = shown(asked, grain, first)
    # A row tells of its period and of the one before.
    known = asked.known(grain, periods, tally) & asked.known(grain, periods - 1, tally)
    periods = latest(asked, periods, known)
    if first is None or not periods.size:
        return {"periods": []}
    lines = [
        line(tally, name, places, first, int(periods[-1]))[periods - first]
        for name in ("active", "new", "resurrected", "dormant")
    ]
    return {
        "periods": [
            {
                "start": asked.calendar.start_date(grain, period),
                "active": active,
                "new": new,
                "returning": active - new - resurrected,
                "resurrected": resurrected,
                "dormant": dormant,
                "quick_ratio": ratio(new + resurrected, dormant),
            }
            for period, active, new, resurrected, dormant in columns(periods, *lines)
        ]
    }
