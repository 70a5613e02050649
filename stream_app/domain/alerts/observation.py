"""What rules judge: one closed cell or period of a figure, and the course of it over time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.counters import Series


@dataclass(frozen=True, slots=True)
class Observation:
    """One closed cell or period.

    Attributes:
        cohort: ordinal of the cohort's period, or of the period itself where the figure has no cohorts.
        start: local date it begins on.
        since: the instant (ms) the judged period begins.
        closed_at: the instant (ms) it closed.
        group: the denominator in users (or orders), n; 0 is never there.
        count: the numerator x, 0 to n; None for a value figure, which is no share of a group.
        value: the figure: `count / group`, or the value.
    """

    cohort: int
    start: str
    since: int
    closed_at: int
    group: int
    count: int | None
    value: float


class Closing(NamedTuple):
    """When the cell or period of an ordinal closed, whether or not anybody is in it.

    Attributes:
        start: local date the cohort's period, or the period, begins on.
        since: the instant (ms) the judged period begins.
        closed_at: the instant (ms) it closed.
    """

    start: str
    since: int
    closed_at: int


@dataclass(frozen=True)
class Course:
    """A rule's figure over time, by segment.

    Attributes:
        streams: series -> closed observations, oldest first, in order of `closed_at`.
        last_closed: the latest ordinal that could be observed: of closed periods, less the index; None: nothing closed.
        closed_at: the instant (ms) `last_closed` closed.
        baselines: the same of the segments that are compared with, where the rule names one.
        closings: ordinal -> its closing, from the first one that anything is known of to `last_closed`, without a gap:
            by these a segment without users is seen to have no data.
    """

    streams: Mapping[Series, Sequence[Observation]]
    last_closed: int | None
    closed_at: int | None = None
    baselines: Mapping[Series, Sequence[Observation]] = field(default_factory=dict)
    closings: Mapping[int, Closing] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outage:
    """A closed day on which the stream was not whole: what was observed in it is not judged.

    Attributes:
        begins, ends: instants (ms).
        share: of the usual volume.
        usual: active users of a usual day of its kind.
        seen: active users of this one.
    """

    begins: int
    ends: int
    share: float
    usual: float
    seen: int
