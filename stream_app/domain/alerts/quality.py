"""Whether the event stream is whole: how many users each closed day had, and which days had far too few."""

from __future__ import annotations

import datetime as dt
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.alerts.observation import Outage
from stream_app.domain.counters import ALL, measure
from stream_app.domain.periods import EPOCH, Grain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.periods import Calendar

#: A local day and its active users.
Volume = tuple[int, int]

#: Weeks back to look for days like a day, and how many of the latest tell what is usual by now.
_WEEKS, _LATEST = 8, 3
#: Fewer like days say nothing of what is usual.
_LEAST_LIKE = 3
#: Fewer active users than this on a usual day are too few to tell an outage from chance.
_LEAST_USERS = 50.0
#: Days of an outage in a row that are no example for later days; the days after them are, so that a new level of the
#: stream becomes usual in time.
_LONGEST = 3


def counts_volume(definitions: Sequence[Definition]) -> Definition | None:
    """The definition whose active users are the stream's volume: `engagement`, or else the first that counters count.

    None: there is none, and the volume is not watched.
    """
    counted = [one for one in definitions if one.counted]
    return next((one for one in counted if one.name == "engagement"), counted[0] if counted else None)


def volumes(snapshot: Snapshot, name: str) -> list[Volume]:
    """Of each closed day from the first one with users on, its active users, from counters.

    Users are counted for as long as their cohort's cells are, 384 days: of a file's figures the older ones are missing.

    Args:
        snapshot: the counters.
        name: of the definition whose active users are meant.
    """
    last = snapshot.last_closed(Grain.DAY)
    sizes = snapshot.block(name, measure(Grain.DAY, "size"), ALL)
    active = snapshot.block(name, measure(Grain.DAY, "on"), ALL)
    days = [day for pages in (sizes, active) for day, block in pages.items() if block.any()]
    if last is None or not days:
        return []
    nobody = np.zeros(1, np.int64)
    return [
        # Of a day's own cohort all users are there; cells of index 0 may know only those who came back.
        (day, int(sizes.get(day, nobody)[0]) + int(active.get(day, nobody)[1:].sum()))
        for day in range(min(days), last + 1)
    ]


def volumes_of(answer: Mapping[str, Any]) -> list[Volume]:
    """The same from the answer to the question of `lifecycle` by day, over all users."""
    rows = answer["segments"][0]["periods"] if answer["segments"] else []
    return [((dt.date.fromisoformat(row["start"]) - EPOCH).days, row["active"]) for row in rows]


def outages(seen: Sequence[Volume], calendar: Calendar, share: float | None) -> list[Outage]:
    """The closed days with less than a share of their usual active users.

    Usual is the median of the same weekday in up to 8 weeks before, or of the latest 3 of them if that is less. What is
    said of a day depends on earlier days alone.

    Args:
        seen: days with their active users, in order, without a gap.
        calendar: of the business time zone.
        share: of the usual volume; None: outages are not looked for.
    """
    if share is None:
        return []
    found: list[Outage] = []
    examples: dict[int, int] = {}
    in_a_row = 0
    for day, users in seen:
        like = [examples[day - 7 * back] for back in range(1, _WEEKS + 1) if day - 7 * back in examples]
        usual = min(median(like), median(like[:_LATEST])) if len(like) >= _LEAST_LIKE else 0.0
        low = usual >= _LEAST_USERS and users < share * usual
        in_a_row = in_a_row + 1 if low else 0
        if low:
            begins, ends = calendar.start(Grain.DAY, day), calendar.end(Grain.DAY, day)
            found.append(Outage(begins, ends, users / usual, usual, users))
        if not low or in_a_row > _LONGEST:
            examples[day] = users
    return found
