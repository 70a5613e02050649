"""A rule: which figure of which segment must not fall or rise past what, how that is tested, and who is told."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts.hours import Hours
    from stream_app.domain.periods import Grain

#: The segment value that stands for every value by itself.
EVERY = "*"
#: As the segment of a baseline: all users.
EVERYBODY = ("", "")
#: The names of the alerts on the event stream itself; no rule has one of them.
VOLUME, STALLED, BEHIND = "stream-volume", "stream-stalled", "stream-behind"
STREAM_ALERTS = (VOLUME, STALLED, BEHIND)
#: In the segment of a volume alert, the definition that counts its kind of events. That of all events has no segment.
KIND = "definition"


class Side(StrEnum):
    """On which side of its bound a figure is bad."""

    BELOW = "below"
    ABOVE = "above"


class Test(StrEnum):
    """How an observation is judged."""

    __test__ = False  # pytest: no test class

    THRESHOLD = "threshold"
    SEQUENTIAL = "sequential"


@dataclass(frozen=True)
class FalseAlarms:
    """The budget of a sequential test: the most false alarms expected in a span of time, over all streams of a rule.

    Attributes:
        count: how many, more than 0.
        days: length of the span.
        text: as it was written, such as `1 per year`.
    """

    count: float
    days: float
    text: str


@dataclass(frozen=True)
class Baseline:
    """What a relative rule compares with.

    Attributes:
        segment: dimension and value of another segment (a control arm is one), or `EVERYBODY`; None: earlier cohorts
            of the same.
        last: how many earlier cohorts; of the same season, where there is one.
        season: periods after which a cohort has its like (7 for a weekday); 1: every cohort is alike.
    """

    segment: tuple[str, str] | None = None
    last: int = 28
    season: int = 1


@dataclass(frozen=True)
class Sending:
    """How a rule's alerts are told; judging goes on whatever is set here.

    Attributes:
        repeat: seconds after which a firing alert is told of again; None: never.
        at_most: so many messages in so many seconds; what is more waits and is told together. None: no cap.
        hours: when messages are sent; None: always. What happens outside waits.
        labels: further labels, for routing (webhook, Alertmanager).
        note: a sentence for the reader, such as the address of a runbook.
    """

    repeat: float | None = None
    at_most: tuple[int, float] | None = None
    hours: Hours | None = None
    labels: tuple[tuple[str, str], ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Rule:
    """One alert rule, already validated.

    Attributes:
        name: unique in its file; part of every alert's identity.
        definition: name of the retention definition.
        grain: the length of a period.
        index: of retention the period index (or the bracket's number) that is judged, from 1; of `ltv` the age,
            from 0. 0 for figures of periods.
        below: the bound, a share (0.30 is 30 %) or, of a value figure, a number; NaN in a relative rule.
        resolve: a firing alert of a threshold test resolves at this or better; a sequential test takes it as what the
            figure is back at. NaN in a relative rule.
        min_group: a smaller denominator is skipped.
        steps: judged cells in a row that must breach before the alert fires (`for` in the file); 1 if sequential.
        segment: dimension and value, value `*` for every value by itself; None for all users.
        to: targets of notifications.
        figure: one of `metrics.query.FIGURES`.
        measure: which figure of its answer, see `alerts.measures`.
        parameters: further parameters of the figure, by their names in the API, in order of their names.
        side: where the figure is bad.
        drop: of a relative rule, by which share (0.15) the figure may fall (or rise) from its baseline; else None.
        baseline: of a relative rule.
        test: how it is judged.
        false_alarms: the budget; None with test threshold.
        overdispersion: rho, where it is given and not estimated.
        no_data: periods in a row without a group large enough after which the alert has no data.
        flapping: so many firings within so many judged steps make an alert flap.
        sending: how it is told.
        overlap: what to do instead where a budget of false alarms is not kept, since each cell is mostly of what the
            one before is of.
    """

    name: str
    definition: str
    grain: Grain
    index: int
    below: float
    resolve: float
    min_group: int = 100
    steps: int = 1
    segment: tuple[str, str] | None = None
    to: tuple[str, ...] = ("console",)
    figure: str = "retention"
    measure: str = "rate"
    parameters: tuple[tuple[str, str], ...] = ()
    side: Side = Side.BELOW
    drop: float | None = None
    baseline: Baseline | None = None
    test: Test = Test.THRESHOLD
    false_alarms: FalseAlarms | None = None
    overdispersion: float | None = None
    no_data: int = 3
    flapping: tuple[int, int] = (3, 20)
    sending: Sending = field(default_factory=Sending)
    overlap: str | None = None

    @property
    def promise(self) -> str | None:
        """The budget of false alarms as it was written; None where there is none, or it is not kept."""
        return None if self.false_alarms is None or self.overlap is not None else self.false_alarms.text

    @property
    def doubt(self) -> str | None:
        """What its author should know of a rule that is valid; None: nothing."""
        if self.false_alarms is None or self.overlap is None:
            return None
        return (
            f"rule {self.name!r}: false_alarms: {self.false_alarms.text} is not promised: each {self.grain.value} is "
            f"judged on nearly what the one before was judged on; {self.overlap}, or write test: threshold with `for` "
            "and no false_alarms"
        )

    @cached_property
    def fingerprint(self) -> str:
        """Changes with everything that changes a judgement; neither with who is told how, nor with the segments."""
        judged: list[object] = [self.definition, self.grain, self.index, self.below, self.resolve, self.min_group,
                                self.steps]  # fmt: skip
        more = {
            "figure": (self.figure, "retention"),
            "measure": (self.measure, "rate"),
            "parameters": (self.parameters, ()),
            "side": (self.side, Side.BELOW),
            "drop": (self.drop, None),
            "baseline": (None if self.baseline is None else vars(self.baseline), None),
            "test": (self.test, Test.THRESHOLD),
            "false_alarms": (self.false_alarms and [self.false_alarms.count, self.false_alarms.days], None),
            "overdispersion": (self.overdispersion, None),
            "flapping": (self.flapping, (3, 20)),
        }
        # Only what is not as usual, so that a rule of an earlier version is the same rule.
        unusual = {name: value for name, (value, usual) in more.items() if value != usual}
        return hashlib.sha256(orjson.dumps([*judged, unusual] if unusual else judged)).hexdigest()[:16]

    def watches(self, segment: Mapping[str, str]) -> bool:
        """Whether this rule judges that segment (`{}` is all users), whether or not it has data."""
        if self.segment is None:
            return not segment
        dimension, value = self.segment
        return dimension in segment and value in (EVERY, segment[dimension])


@dataclass(frozen=True)
class Quality:
    """The alerts on the event stream itself.

    Attributes:
        to: targets; empty: those of all rules.
        volume: a closed day with less than this share of its usual active users is an outage of the stream; None: off.
        stalled: seconds of the wall clock in which the watermark did not move; None: off.
        behind: seconds that the watermark may be behind the wall clock; None: off.
        sending: how they are told.
    """

    to: tuple[str, ...] = ()
    volume: float | None = 0.5
    stalled: float | None = 7200.0
    behind: float | None = None
    sending: Sending = field(default_factory=Sending)


@dataclass(frozen=True)
class RuleSet:
    """What a rules file says."""

    rules: tuple[Rule, ...] = ()
    quality: Quality = field(default_factory=Quality)

    @property
    def doubts(self) -> tuple[str, ...]:
        """What the author of the rules should know of them, a sentence each."""
        return tuple(rule.doubt for rule in self.rules if rule.doubt is not None)

    def told(self, name: str) -> tuple[Sending, tuple[str, ...], str | None]:
        """How the alerts of a rule or of the stream are told: sending, targets and promise.

        Of a rule that is not there it says nothing: its alerts go out as they were to.
        """
        if name in STREAM_ALERTS:
            return self.quality.sending, self.quality.to or self.targets, None
        for rule in self.rules:
            if rule.name == name:
                return rule.sending, rule.to, rule.promise
        return Sending(), (), None

    @property
    def targets(self) -> tuple[str, ...]:
        """Every target that is named, in the order of the file."""
        named = [target for rule in self.rules for target in rule.to]
        return tuple(dict.fromkeys((*named, *self.quality.to)))
