"""The judgement of one observation."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import cell, cells, rule

from stream_app.domain.alerts import Baseline, FalseAlarms, Observation, Reason, Rule, Side, Test
from stream_app.domain.alerts.dispersion import LEAST, overdispersion
from stream_app.domain.alerts.sequential import Evidence, alternatives, log_pmf
from stream_app.domain.alerts.verdict import Verdict, judge, log_needed
from stream_app.domain.periods import Grain

YEARLY = FalseAlarms(1, 365, "1 per year")
NAN = float("nan")


def sequential(**changes: Any) -> Rule:
    return rule(**{"resolve": 0.3, "test": Test.SEQUENTIAL, "false_alarms": YEARLY} | changes)


def relative(**changes: Any) -> Rule:
    return rule(**{"below": NAN, "resolve": NAN, "drop": 0.2, "baseline": Baseline(last=28)} | changes)


def wavering(days: int, mean: float = 0.34, group: int = 1000, seed: int = 1) -> list[Observation]:
    rng = np.random.default_rng(seed)
    return [
        cell(i, int(x), group) for i, x in enumerate(rng.binomial(group, rng.beta(199 * mean, 199 * (1 - mean), days)))
    ]


def course(watched: Rule, past: list[Observation], then: list[Observation], **more: Any) -> list[Verdict]:
    """The verdicts on `then`, one after the other, as the life cycle asks for them."""
    verdicts, evidence, firing = [], None, False
    for i, now in enumerate(then):
        verdict = judge(watched, now, [*past, *then[:i]], evidence=evidence, streams=1, firing=firing, **more)
        firing = not verdict.recovered if firing else bool(verdict.breach)
        evidence = verdict.evidence
        verdicts.append(verdict)
    return verdicts


def after(past: list[Observation], *shares: float, group: int = 1000) -> list[Observation]:
    return [cell(len(past) + i, round(share * group), group) for i, share in enumerate(shares)]


# Threshold


@pytest.mark.parametrize(
    ("count", "firing", "breach", "recovered", "reason"),
    [
        (29, False, True, False, Reason.BELOW),
        (30, False, False, False, Reason.NOT_BELOW),
        (29, True, True, False, Reason.STILL_BELOW),
        (31, True, False, False, Reason.NOT_YET_RECOVERED),
        (33, True, False, True, Reason.RECOVERED),
    ],
)
def test_a_value_is_compared_with_its_bound(
    count: int, firing: bool, breach: bool, recovered: bool, reason: Reason
) -> None:
    verdict = judge(rule(), cell(0, count), (), evidence=None, streams=1, firing=firing)
    assert (verdict.breach, verdict.recovered, verdict.reason, verdict.threshold) == (breach, recovered, reason, 0.3)
    assert (verdict.evidence, verdict.log10_e, verdict.baseline) == (None, None, None)


def test_above_is_the_mirror_of_below() -> None:
    above = rule(side=Side.ABOVE, below=0.1, resolve=0.08)
    seen = [
        judge(above, cell(0, x), (), evidence=None, streams=1, firing=f)
        for x, f in [(11, False), (10, False), (9, True), (8, True)]
    ]
    assert [one.breach for one in seen] == [True, False, False, False]
    assert [one.recovered for one in seen] == [False, False, False, True]


def test_values_that_are_no_shares_have_thresholds_only() -> None:
    worth = Observation(1, "", 0, 0, 500, None, 12.5)
    assert judge(rule(below=13.0, resolve=14.0), worth, (), evidence=None, streams=1, firing=False).breach
    with pytest.raises(ValueError, match="use test: threshold"):
        judge(sequential(overdispersion=0.01), worth, (), evidence=None, streams=1, firing=False)


def test_a_relative_threshold_follows_its_baseline_and_waits_for_one() -> None:
    past = cells(*[50] * 20)
    verdict = judge(relative(), cell(20, 39), past, evidence=None, streams=1, firing=False)
    assert (verdict.breach, verdict.threshold, verdict.baseline) == (True, pytest.approx(0.4), 0.5)
    assert not judge(relative(), cell(20, 41), past, evidence=None, streams=1, firing=False).breach
    early = judge(relative(), cell(5, 39), past[:5], evidence=None, streams=1, firing=False)
    assert (early.breach, early.reason) == (None, Reason.LEARNING)


def test_a_long_drop_does_not_become_its_own_baseline() -> None:
    past = [cell(i, 50) for i in range(28)]
    low = [cell(28 + i, 35) for i in range(40)]
    verdicts = course(relative(), past, [*low, cell(68, 45)])
    assert {one.baseline for one in verdicts} == {0.5}
    assert [one.recovered for one in verdicts] == [False] * 40 + [True]
    assert all(one.breach for one in verdicts[:-1])


def test_a_rise_is_relative_too() -> None:
    up = relative(side=Side.ABOVE, drop=0.2)
    verdict = judge(up, cell(28, 31), cells(*[25] * 28), evidence=None, streams=1, firing=False)
    assert (verdict.breach, verdict.threshold) == (True, pytest.approx(0.3))


def test_another_segment_is_compared_cohort_by_cohort() -> None:
    beside = relative(baseline=Baseline(("arm", "control")))
    alike = cells(50, 60, 40)
    seen = [judge(beside, cell(i, 39), (), evidence=None, streams=1, firing=False, alike=alike) for i in range(3)]
    assert [one.threshold for one in seen] == pytest.approx([0.4, 0.48, 0.32])
    assert [one.breach for one in seen] == [True, True, False]
    missing = judge(beside, cell(3, 39), (), evidence=None, streams=1, firing=False, alike=alike)
    small = judge(beside, cell(0, 39), (), evidence=None, streams=1, firing=False, alike=[cell(0, 5, 10)])
    assert [(one.breach, one.reason) for one in (missing, small)] == [(None, Reason.GROUP_TOO_SMALL)] * 2


# Sequential


def test_the_budget_is_split_over_steps_and_streams() -> None:
    assert log_needed(sequential(), 1) == pytest.approx(math.log(365))
    assert log_needed(sequential(), 200) == pytest.approx(math.log(365 * 200))
    assert log_needed(sequential(grain=Grain.WEEK), 10) == pytest.approx(math.log(365 / 7 * 10))
    assert log_needed(sequential(false_alarms=FalseAlarms(4, 365, "4 per year")), 1) == pytest.approx(math.log(365 / 4))


def test_a_large_budget_still_wants_evidence() -> None:
    assert log_needed(sequential(false_alarms=FalseAlarms(500, 30, "500 per month")), 1) == pytest.approx(math.log(20))


def test_a_drop_is_found_with_its_start() -> None:
    past = wavering(60)
    verdicts = course(sequential(), past, after(past, *[0.22] * 10))
    fired = next(i for i, one in enumerate(verdicts) if one.breach)
    assert fired <= 5
    assert verdicts[fired].reason is Reason.BELOW
    assert verdicts[fired].began == past[-1].cohort + 1
    assert verdicts[fired].log10_e is not None
    assert verdicts[fired].log10_e >= math.log10(365)
    assert verdicts[0].reason is Reason.NOT_ENOUGH_EVIDENCE


def test_more_streams_want_more_evidence() -> None:
    past = wavering(60)
    then = after(past, *[0.22] * 25)
    found = []
    for streams in (1, 10_000):
        evidence = None
        for i, now in enumerate(then):
            verdict = judge(sequential(), now, [*past, *then[:i]], evidence=evidence, streams=streams, firing=False)
            evidence = verdict.evidence
            if verdict.breach:
                found.append(i)
                break
    assert found[0] < found[1]


def test_the_same_groups_that_vary_more_prove_less() -> None:
    calm, wild = wavering(60, group=100_000), [cell(i, 30_000 + 8000 * (i % 2), 100_000) for i in range(60)]
    now = after(calm, 0.27, group=100_000)[0]
    seen = [judge(sequential(), now, past, evidence=None, streams=1, firing=False) for past in (calm, wild)]
    assert [one.breach for one in seen] == [False, False]
    assert seen[0].log10_e is not None
    assert seen[1].log10_e is not None
    assert seen[0].log10_e > seen[1].log10_e
    assert judge(sequential(overdispersion=0.0), now, (), evidence=None, streams=1, firing=False).breach


def test_nothing_is_judged_before_enough_is_known() -> None:
    past = wavering(LEAST)
    now = after(past, 0.1)[0]
    verdict = judge(sequential(), now, past[1:], evidence=None, streams=1, firing=False)
    assert (verdict.breach, verdict.reason, verdict.threshold, verdict.evidence) == (None, Reason.LEARNING, 0.3, None)
    assert judge(sequential(), now, past, evidence=None, streams=1, firing=False).breach is not None
    assert judge(sequential(overdispersion=0.01), now, (), evidence=None, streams=1, firing=False).breach is not None


def test_a_drop_soon_after_the_start_is_found_all_the_same() -> None:
    past = wavering(LEAST)
    assert any(one.breach for one in course(sequential(), past, after(past, *[0.15] * 30)))


def test_the_drop_does_not_widen_the_test_that_looks_for_it() -> None:
    past = wavering(60, group=20_000)
    then = after(past, *[0.28] * 40, group=20_000)
    verdicts = course(sequential(), past, then)
    # Every one of the equal cells adds as much as the second one did, because rho stays what it was.
    gains = np.diff([max(one.evidence.logs) for one in verdicts if one.evidence is not None and not one.breach])
    assert len(gains) > 3
    assert gains.min() > 0
    assert gains[1:] == pytest.approx(gains[1], rel=1e-6)


@pytest.mark.parametrize("watched", [sequential(), sequential(below=NAN, resolve=NAN, drop=0.1, baseline=Baseline())])
def test_neither_bound_nor_width_depends_on_the_count_that_is_judged(watched: Rule) -> None:
    past = wavering(60)
    seen = [
        judge(watched, after(past, share)[0], past, evidence=None, streams=1, firing=False) for share in (0.1, 0.3, 0.5)
    ]
    assert len({one.threshold for one in seen}) == 1
    logs = [one.evidence.logs for one in seen if one.evidence is not None]
    count = np.array([100, 300, 500])
    # With one rho for all three, the likelihood ratio is the one of exactly that rho.
    rho, bound = overdispersion(past), seen[0].threshold
    assert rho is not None
    assert bound is not None
    for log, x in zip(logs, count, strict=True):
        expected = [
            log_pmf(x, 1000, *law) - log_pmf(x, 1000, bound, rho) for law in alternatives(bound, Side.BELOW, rho)
        ]
        assert log == pytest.approx(expected)


def test_a_recovery_needs_evidence_and_ends_all_of_it() -> None:
    past = wavering(60, group=200)
    verdicts = course(sequential(), past, after(past, *[0.24] * 40, *[0.31] * 25, group=200))
    fired = next(i for i, one in enumerate(verdicts) if one.breach)
    over = next(i for i, one in enumerate(verdicts) if one.recovered)
    assert fired < 39
    assert over > 40  # one good cell is not enough
    assert verdicts[over].evidence == Evidence()
    assert {one.reason for one in verdicts[fired + 1 : 40]} == {Reason.STILL_BELOW}
    assert {one.reason for one in verdicts[40:over]} == {Reason.NOT_YET_RECOVERED}
    assert verdicts[over].reason is Reason.RECOVERED
    assert {one.began for one in verdicts[fired:over]} == {past[-1].cohort + 1}


def test_a_drop_that_lasts_does_not_recover() -> None:
    past = wavering(60)
    rng = np.random.default_rng(2)
    verdicts = course(sequential(), past, after(past, *rng.beta(40, 160, 200)))
    assert not any(one.recovered for one in verdicts)


@pytest.mark.parametrize("side", [Side.BELOW, Side.ABOVE])
def test_half_of_the_way_back_is_not_the_way_back(side: Side) -> None:
    low = side is Side.BELOW
    past = wavering(60, mean=0.36 if low else 0.24)
    bound = 0.3
    deep, half, good = (0.15, 0.26, 0.34) if low else (0.45, 0.34, 0.26)
    shares = [deep] * 10 + [half] * 60 + [good] * 20
    verdicts = course(sequential(side=side, below=bound, resolve=bound), past, after(past, *shares))
    assert any(one.breach for one in verdicts[:10])
    assert not any(one.recovered for one in verdicts[:70])
    assert any(one.recovered for one in verdicts[70:])


def test_a_good_cohort_in_a_new_drop_is_no_recovery_however_long_it_was_nearly_good() -> None:
    past = wavering(60, group=2000)
    watched = sequential(resolve=0.32, overdispersion=0.002)
    shares = [0.15] * 10 + [0.315] * 60 + [0.25] * 5 + [0.32] + [0.25] * 5
    assert not any(one.recovered for one in course(watched, past, after(past, *shares, group=2000)))


@pytest.mark.parametrize("seed", range(20))
def test_no_cohort_on_the_bad_side_ends_an_alert(seed: int) -> None:
    rng = np.random.default_rng(seed)
    past = wavering(60, group=200, seed=seed)
    shares = np.concatenate([rng.beta(24, 76, 20), rng.beta(30, 70, 60)])
    watched = sequential(resolve=0.32)
    then = after(past, *shares, group=200)
    ended = [now.value for now, one in zip(then, course(watched, past, then), strict=True) if one.recovered]
    assert ended
    assert all(value >= 0.32 for value in ended)


@pytest.mark.parametrize("before", range(13))
@pytest.mark.parametrize("group", [240, 1000])
def test_a_drop_while_the_stream_is_learnt_is_found(before: int, group: int) -> None:
    rng = np.random.default_rng(before)
    shares = [*rng.beta(71, 126, before), *rng.beta(36, 164, 30)]
    verdicts = course(sequential(), [], after([], *shares, group=group))
    fired = next((i for i, one in enumerate(verdicts) if one.breach), None)
    assert fired is not None
    assert before <= fired <= before + 20


def test_a_rise_is_found_above() -> None:
    past = wavering(60, mean=0.04)
    up = sequential(side=Side.ABOVE, below=0.05, resolve=0.05)
    verdicts = course(up, past, [*after(past, *[0.09] * 15), *[cell(75 + i, 40, 1000) for i in range(30)]])
    assert any(one.breach for one in verdicts[:15])
    assert any(one.recovered for one in verdicts[15:])


def test_a_relative_test_keeps_its_baseline_while_the_drop_lasts() -> None:
    past = wavering(80, mean=0.4)
    watched = sequential(below=NAN, resolve=NAN, drop=0.1, baseline=Baseline(last=28))
    verdicts = course(watched, past, after(past, *[0.28] * 60))
    assert any(one.breach for one in verdicts)
    assert len({one.baseline for one in verdicts}) == 1
    assert not any(one.recovered for one in verdicts)


def test_a_weekday_is_compared_with_its_like() -> None:
    rng = np.random.default_rng(3)
    shares = [0.25 if day % 7 >= 5 else 0.4 for day in range(140)]
    seen = [cell(day, int(rng.binomial(5000, share)), 5000) for day, share in enumerate(shares)]
    watched = sequential(below=NAN, resolve=NAN, drop=0.1, baseline=Baseline(last=8, season=7))
    verdicts = course(watched, seen[:70], seen[70:])
    assert [one.baseline for one in verdicts] == pytest.approx(shares[70:], abs=0.02)
    assert not any(one.breach for one in verdicts)
    low = [cell(one.cohort - seen[0].cohort, round(one.count * 0.7), 5000) for one in seen[70:]]  # type: ignore[operator]
    assert any(one.breach for one in course(watched, seen[:70], low)[:3])


def test_an_arm_is_judged_beside_its_control() -> None:
    rng = np.random.default_rng(4)
    shares = rng.beta(60, 140, 90)  # both have the same good and bad days
    arm, control = ([cell(i, int(x), 2000) for i, x in enumerate(rng.binomial(2000, shares))] for _ in range(2))
    beside = sequential(below=NAN, resolve=NAN, drop=0.05, baseline=Baseline(("arm", "control")))
    assert not any(one.breach for one in course(beside, arm[:60], arm[60:], alike=control))
    low = [cell(i, round(0.8 * one.count), 2000) for i, one in enumerate(arm)][60:]  # type: ignore[operator]
    assert any(one.breach for one in course(beside, arm[:60], low, alike=control))
    given = sequential(below=NAN, resolve=NAN, drop=0.05, baseline=Baseline(("arm", "control")), overdispersion=0.0)
    assert judge(given, low[0], (), evidence=None, streams=1, firing=False, alike=control).breach is not None


def test_nothing_is_too_large_or_too_small_to_be_judged() -> None:
    for group in (1, 10_000_000):
        for count in (0, group):
            for bound in (1e-6, 0.3, 1 - 1e-6):
                watched = sequential(below=bound, resolve=bound, overdispersion=0.001)
                evidence, firing = None, False
                for position in range(20):
                    now = cell(position, count, group)
                    verdict = judge(watched, now, (), evidence=evidence, streams=1, firing=firing)
                    evidence, firing = verdict.evidence, bool(verdict.breach)
                    assert verdict.log10_e is not None
                    assert math.isfinite(verdict.log10_e)


def test_it_is_a_function_of_its_arguments() -> None:
    past = wavering(60)
    now = after(past, 0.2)[0]
    first, second = (judge(sequential(), now, tuple(past), evidence=None, streams=3, firing=False) for _ in range(2))
    assert first == second
    assert not inspect.iscoroutinefunction(judge)


SHARES = st.tuples(st.sampled_from([1, 7, 500, 10_000_000]), st.floats(0, 1)).map(
    lambda one: (round(one[0] * one[1]), one[0])
)
RULES = [
    sequential(min_group=1),
    sequential(min_group=1, side=Side.ABOVE),
    *(
        sequential(min_group=1, below=NAN, resolve=NAN, drop=0.1, baseline=baseline, side=side)
        for baseline in (Baseline(last=4), Baseline(last=2, season=3), Baseline(("arm", "control")))
        for side in Side
    ),
]


@given(st.sampled_from(RULES), st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=30))
def test_whatever_the_history_a_verdict_is_sound(watched: Rule, counts: list[Any]) -> None:
    own, alike = ([cell(i, *pair[side]) for i, pair in enumerate(counts)] for side in (0, 1))
    for one in course(watched, [], own, alike=alike):
        assert one.breach is None or one.log10_e is not None
        assert one.log10_e is None or math.isfinite(one.log10_e)
        assert one.evidence is None or Evidence.from_json(one.evidence.to_json()) == one.evidence
        assert (one.breach is None) == (one.reason in (Reason.LEARNING, Reason.GROUP_TOO_SMALL))
