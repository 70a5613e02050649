"""The judgement of one closed observation: a pure function of it, of what was before it, and of the rule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import Reason
from stream_app.domain.alerts.dispersion import LEAST, MOST, YOUNG, overdispersion
from stream_app.domain.alerts.relative import concurrent, settled, shared_overdispersion, usual, widened
from stream_app.domain.alerts.rule import Side, Test
from stream_app.domain.alerts.sequential import DROPS, Evidence, advance, alternatives, mean_of, recovering
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts.observation import Observation
    from stream_app.domain.alerts.rule import Rule

#: Days of a period, on average.
DAYS = {
    Grain.HOUR: 1 / 24, Grain.DAY: 1.0, Grain.WEEK: 7.0, Grain.MONTH: 30.4375, Grain.QUARTER: 91.3125,
    Grain.HALF_YEAR: 182.625,
}  # fmt: skip
#: A drop is over when that speaks so many times better for the good mean than for the drop's.
RECOVERED_AT = math.log(20.0)
#: What is over is told apart from this drop at least, however deep it was: half of the way back is not the way back.
_SHALLOW = DROPS.index(0.9)
#: However large the budget, an alarm needs evidence of 20 to 1.
_LARGEST_ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """What one observation says.

    Attributes:
        breach: whether it is past its bound (threshold), or whether there is evidence enough (sequential; while the
            alert fires: whether it still is past its bound); None: not judged, `reason` says why.
        recovered: whether a firing alert is over; only asked while it fires.
        threshold: the bound, of a relative rule what its baseline allows; None if there is no baseline.
        baseline: of a relative rule.
        reason: why.
        began: ordinal of the cohort the drop is estimated to have begun at (sequential); None if nothing suggests one.
        evidence: to be remembered and handed to the next judgement, whatever the test.
        log10_e: the e-value (sequential).
    """

    breach: bool | None
    recovered: bool
    threshold: float | None
    baseline: float | None
    reason: Reason
    began: int | None
    evidence: Evidence | None
    log10_e: float | None


@dataclass(frozen=True)
class _Bound:
    """What an observation is compared with: the bound, the baseline, and the other segment's cell."""

    value: float
    baseline: float | None = None
    factor: float = 1.0
    other: Observation | None = None


def judge(
    rule: Rule,
    now: Observation,
    past: Sequence[Observation],
    *,
    evidence: Evidence | None,
    streams: int,
    firing: bool,
    alike: Sequence[Observation] = (),
) -> Verdict:
    """Judges one closed observation.

    Args:
        rule: the rule.
        now: the observation; its group is large enough.
        past: the stream's earlier observations that were judged, oldest first.
        evidence: what the former verdict left; None before the first.
        streams: over how many streams the rule's budget is split.
        firing: whether the alert fires.
        alike: the observations of the segment that the rule compares with, of the same cohort and before.

    Raises:
        ValueError: a sequential test of a figure that is no share of a group.
    """
    bound = _bound(rule, now, past, evidence, alike)
    if isinstance(bound, Reason):
        return Verdict(None, False, None, None, bound, None, evidence, None)
    if rule.test is Test.THRESHOLD:
        return _by_threshold(rule, now, bound, evidence, firing=firing)
    rho = _rho(rule, now, past, evidence, alike, bound)
    if rho is None:
        return Verdict(None, False, bound.value, bound.baseline, Reason.LEARNING, None, evidence, None)
    evidence = evidence or Evidence()
    if firing:
        return _while_firing(rule, now, bound, evidence, rho)
    return _by_evidence(rule, now, bound, evidence, rho, log_needed(rule, streams))


def log_needed(rule: Rule, streams: int) -> float:
    """Log of the evidence at which a stream fires: 1 / alpha, the budget split over steps and streams."""
    budget = rule.false_alarms
    if budget is None:
        raise ValueError(f"rule {rule.name}: a sequential test needs false_alarms")
    steps = max(budget.days / DAYS[rule.grain], 1.0)
    return -math.log(min(budget.count / steps / max(streams, 1), _LARGEST_ALPHA))


def _bound(
    rule: Rule, now: Observation, past: Sequence[Observation], evidence: Evidence | None, alike: Sequence[Observation]
) -> _Bound | Reason:
    if rule.drop is None or rule.baseline is None:
        return _Bound(rule.below)
    factor = 1.0 - rule.drop if rule.side is Side.BELOW else 1.0 + rule.drop
    if rule.baseline.segment is not None:
        other = concurrent(now.cohort, alike)
        if other is None or other.group < rule.min_group:
            return Reason.GROUP_TOO_SMALL
        return _Bound(factor * other.value, other.value, factor, other)
    least = math.ceil(rule.baseline.last / 2) * rule.baseline.season
    baseline = usual(rule.baseline, now.cohort, settled(past, _suspected(evidence), least))
    return Reason.LEARNING if baseline is None else _Bound(factor * baseline, baseline, factor)


def _rho(
    rule: Rule,
    now: Observation,
    past: Sequence[Observation],
    evidence: Evidence | None,
    alike: Sequence[Observation],
    bound: _Bound,
) -> float | None:
    """The overdispersion of this step, from what was before it; None: too little is known."""
    rho, other = rule.overdispersion, bound.other
    own = rho is not None
    if rho is None:
        season = rule.baseline.season if rule.baseline is not None else 1
        least = LEAST + season - 1
        cells = settled(past, _suspected(evidence), least)
        young = season == 1 and len(cells) < YOUNG
        if other is not None:
            rho = shared_overdispersion(cells, alike)
        else:
            rho = overdispersion((past if young else cells)[-MOST:], season, stepped=young)
    if rho is None or other is None:
        return rho
    return widened(rho, mean_of(bound.value), now.group, bound.factor, other, own=own)


def _by_threshold(rule: Rule, now: Observation, bound: _Bound, evidence: Evidence | None, *, firing: bool) -> Verdict:
    resolve, breach = _resolve(rule, bound), _past(rule, now.value, bound.value)
    recovered = firing and not _past(rule, now.value, resolve)
    reason = _reason(breach=breach, firing=firing, recovered=recovered)
    began = evidence.start if evidence is not None else None
    kept = None
    if rule.baseline is not None and (breach or (firing and not recovered)):
        # Remembered, so that the baseline stays what it was before the drop.
        kept = Evidence.since(now.cohort if began is None else began)
    return Verdict(breach, recovered, bound.value, bound.baseline, reason, None, kept, None)


def _by_evidence(rule: Rule, now: Observation, bound: _Bound, evidence: Evidence, rho: float, needed: float) -> Verdict:
    null = mean_of(bound.value)
    evidence = advance(
        evidence, now.cohort, _count(rule, now), now.group, null=null, alternatives=alternatives(null, rule.side, rho),
        rho=rho,
    )  # fmt: skip
    breach = evidence.log_e >= needed
    reason = Reason.NOT_BELOW
    if breach:
        reason = Reason.BELOW
    elif _past(rule, now.value, bound.value):
        reason = Reason.NOT_ENOUGH_EVIDENCE
    return _sequential(bound, evidence, reason, breach=breach)


def _while_firing(rule: Rule, now: Observation, bound: _Bound, evidence: Evidence, rho: float) -> Verdict:
    null, count = mean_of(bound.value), _count(rule, now)
    drops = alternatives(null, rule.side, rho)
    resolve = _resolve(rule, bound)
    bad = drops[max(evidence.strongest, _SHALLOW)]
    recovery = recovering(evidence, count, now.group, good=(mean_of(resolve), rho), bad=bad)
    if recovery >= RECOVERED_AT and not _past(rule, now.value, resolve):
        return _sequential(bound, evidence, Reason.RECOVERED, breach=False, recovered=True)
    if recovery <= 0.0:  # what may be the recovery must not tell how deep the drop was
        evidence = advance(evidence, now.cohort, count, now.group, null=null, alternatives=drops, rho=rho, anew=False)
    breach = _past(rule, now.value, bound.value)
    reason = _reason(breach=breach, firing=True, recovered=False)
    # No more than is needed: what comes after a long time near the bound must weigh, too.
    recovery = min(max(recovery, 0.0), RECOVERED_AT)
    return _sequential(bound, Evidence(evidence.logs, evidence.began, recovery), reason, breach=breach)


def _sequential(bound: _Bound, evidence: Evidence, reason: Reason, *, breach: bool, recovered: bool = False) -> Verdict:
    return Verdict(
        breach,
        recovered,
        bound.value,
        bound.baseline,
        reason,
        evidence.suspected,
        Evidence() if recovered else evidence,
        evidence.log_e / math.log(10.0),
    )


def _reason(*, breach: bool, firing: bool, recovered: bool) -> Reason:
    if firing:
        return Reason.RECOVERED if recovered else Reason.STILL_BELOW if breach else Reason.NOT_YET_RECOVERED
    return Reason.BELOW if breach else Reason.NOT_BELOW


def _suspected(evidence: Evidence | None) -> int | None:
    return None if evidence is None else evidence.suspected


def _resolve(rule: Rule, bound: _Bound) -> float:
    """Where a firing alert is good again; of a relative rule what its baseline allows."""
    return bound.value if math.isnan(rule.resolve) else rule.resolve


def _past(rule: Rule, value: float, bound: float) -> bool:
    """Whether a value is on the bad side of a bound."""
    return value < bound if rule.side is Side.BELOW else value > bound


def _count(rule: Rule, now: Observation) -> int:
    if now.count is None:
        raise ValueError(f"rule {rule.name}: {rule.figure} {rule.measure} is no share of a group; use test: threshold")
    return now.count
