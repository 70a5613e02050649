"""Events as columns, and the words for what is wrong with a record.

The codecs make an `EventBatch` of the records of one chunk; everything after them works on its columns.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

#: What a definition may count as a start or a return; `any` is a visit or a purchase.
ACTIVITY = ("visit", "purchase", "any")

#: The segment value of a user whose first event names none.
NO_VALUE = "(none)"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events are meant.

    Attributes:
        event: one of `ACTIVITY`. A refund is none of them.
        where: conditions (property, value) that an event must all meet, in order of their names; see `docs/events.md`.
    """

    event: str
    where: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A retention definition: who starts, what counts as a return, and after how long a silence one is lost.

    Args:
        name: how it is called in rules, queries and answers.
        start: the activity that puts a user into a cohort, one of `ACTIVITY`.
        returns: the activity that counts as a return, one of `ACTIVITY`.
        inactivity_days: the inactivity window in local days; a customer silent for longer is churned.
        start_where, return_where: conditions that a start and a return must meet, see `Filter`.
        min_active: in so many sub-periods a user must have returned for the period to count: hours of a day, local days
            of any longer period.
    """

    name: str
    start: str
    returns: str
    inactivity_days: int = 30
    start_where: tuple[tuple[str, str], ...] = ()
    return_where: tuple[tuple[str, str], ...] = ()
    min_active: int = 1

    @property
    def start_filter(self) -> Filter:
        """The events that put a user into a cohort."""
        return Filter(self.start, self.start_where)

    @property
    def return_filter(self) -> Filter:
        """The events that count as a return; churn, lifecycle and all other figures of activity follow them."""
        return Filter(self.returns, self.return_where)

    @property
    def counted(self) -> bool:
        """Whether its cells move one at a time, so that counters are kept: what starts and what returns is the same."""
        return self.start_filter == self.return_filter and self.min_active == 1


ENGAGEMENT = Definition("engagement", "any", "any")
REPURCHASE = Definition("repurchase", "purchase", "purchase")


class Kind(IntEnum):
    """What an event is. A refund is a purchase event with a negative amount; it is never activity."""

    VISIT = 0
    PURCHASE = 1
    REFUND = 2


class Reason(StrEnum):
    """Why a record is a dead letter: the code in the dead-letters topic and the label of its metric."""

    NO_VALUE = "no_value"
    NOT_JSON = "not_json"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_TYPE = "unknown_type"
    BAD_EVENT_ID = "bad_event_id"
    BAD_USER_ID = "bad_user_id"
    KEY_MISMATCH = "key_mismatch"
    BAD_TIME = "bad_time"
    FUTURE_TIME = "future_time"
    BAD_SEGMENT = "bad_segment"
    BAD_ORDER_ID = "bad_order_id"
    BAD_AMOUNT = "bad_amount"
    FOREIGN_CURRENCY = "foreign_currency"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that cannot be counted.

    Args:
        reason: the code.
        message: names the field, its value (shortened) and what to do.
        position: the record's place in its chunk, from 0.
    """

    reason: Reason
    message: str
    position: int


@dataclass(slots=True, eq=False)
class EventBatch:
    """The n good events of one chunk as columns, in the order of their offsets.

    Args:
        users: n user ids in UTF-8, 1 to 256 bytes, without a NUL byte.
        times: int64 (n,), event times in ms since the epoch, UTC.
        kinds: int8 (n,), values of `Kind`.
        event_ids: n event ids, never empty.
        segments: int32 (n,), index into `combos`.
        combos: the segment values by configured dimension, in order. The list belongs to the decoder, which only
            ever appends to it: an index keeps its meaning as long as batches carry the same list object. After very
            many combinations the decoder begins a new list.
        orders: n order ids; None for a visit.
        amounts: int64 (n,), minor units of the currency; 0 for a visit, negative for a refund.
        matches: by event, bit i is set where the conditions of the decoder's i-th `where` are met, uint32 (n,); None
            where it has none.
    """

    users: list[bytes]
    times: NDArray[np.int64]
    kinds: NDArray[np.int8]
    event_ids: list[str]
    segments: NDArray[np.int32]
    combos: Sequence[tuple[str, ...]]
    orders: list[str | None]
    amounts: NDArray[np.int64]
    matches: NDArray[np.uint32] | None = None

    def __len__(self) -> int:
        return len(self.users)

    def where(self, keep: NDArray[np.bool_]) -> EventBatch:
        """The events for which `keep` (n,) is true."""
        flags = keep.tolist()
        return EventBatch(
            list(compress(self.users, flags)),
            self.times[keep],
            self.kinds[keep],
            list(compress(self.event_ids, flags)),
            self.segments[keep],
            self.combos,
            list(compress(self.orders, flags)),
            self.amounts[keep],
            None if self.matches is None else self.matches[keep],
        )


def rfc3339(time: int) -> str:
    """An instant (ms since the epoch) as RFC 3339 in UTC; milliseconds are written only where there are any.

    >>> rfc3339(899_251_200_000), rfc3339(1_500)
    ('1998-07-01T00:00:00Z', '1970-01-01T00:00:01.500Z')
    """
    instant = dt.datetime(1970, 1, 1) + dt.timedelta(milliseconds=time)  # noqa: DTZ001 - written as UTC below
    return instant.isoformat(timespec="milliseconds" if time % 1000 else "seconds") + "Z"
