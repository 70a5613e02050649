"""The likelihoods and e-values, beside scipy, ville and exact enumeration."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import betabinom, binom
from ville.proportions import BernoulliTest

from stream_app.domain.alerts.rule import Side
from stream_app.domain.alerts.sequential import DROPS, Evidence, advance, alternatives, log_pmf, mean_of, recovering

MEANS, RHOS = (0.02, 0.3, 0.9), (0.0, 0.001, 0.01, 0.2)


def pmf(count: int, group: int, mean: float, rho: float) -> float:
    return math.comb(group, count) * math.exp(log_pmf(count, group, mean, rho))


def chances(group: int, mean: float, rho: float) -> np.ndarray:
    return np.array([pmf(x, group, mean, rho) for x in range(group + 1)])


@pytest.mark.parametrize(("mean", "rho"), product(MEANS, RHOS))
def test_probabilities_are_those_of_scipy(mean: float, rho: float) -> None:
    group = 60
    strength = (1 - rho) / rho if rho else math.inf
    other = binom(group, mean) if rho == 0 else betabinom(group, mean * strength, (1 - mean) * strength)
    np.testing.assert_allclose(chances(group, mean, rho), other.pmf(np.arange(group + 1)), rtol=1e-8)


@given(
    st.integers(1, 10_000_000),
    st.floats(0, 1),
    st.floats(1e-9, 1 - 1e-9),
    st.sampled_from([0.0, 1e-12, 1e-9, 1e-6, 0.01, 0.5]),
)
def test_no_count_is_too_extreme(group: int, part: float, mean: float, rho: float) -> None:
    count = round(part * group)
    evidence = advance(
        Evidence(), 1, count, group, null=mean, alternatives=alternatives(mean, Side.BELOW, rho), rho=rho
    )
    assert all(map(math.isfinite, evidence.logs))
    assert math.isfinite(evidence.log_e)


@pytest.mark.parametrize("group", [1_000, 1_000_000, 10_000_000])
def test_where_overdispersion_becomes_negligible_nothing_jumps(group: int) -> None:
    count = round(0.29 * group)
    ratios = [
        log_pmf(count, group, 0.27, rho) - log_pmf(count, group, 0.3, rho)
        for rho in (0.999e-3 / group, 1.001e-3 / group)
    ]
    assert ratios[0] == pytest.approx(ratios[1], rel=2e-3)


def test_large_groups_lose_no_digits() -> None:
    group, count, rho = 1_000_000, 250_000, 1e-6
    a, b = (mean * (1 - rho) / rho for mean in (0.3, 0.7))
    steps = np.arange(group, dtype=np.float64)
    exact = math.fsum(np.log(a + steps[:count])) + math.fsum(np.log(b + steps[: group - count]))
    assert log_pmf(count, group, 0.3, rho) == pytest.approx(exact - math.fsum(np.log(a + b + steps)), abs=1e-6)


@given(
    st.lists(st.sampled_from([0, 1]), min_size=1, max_size=80),
    st.floats(0.05, 0.95),
    st.floats(0.5, 0.95),
    st.floats(0.01, 0.5),
)
def test_an_e_value_is_the_one_of_ville(users: list[int], null: float, left: float, rho: float) -> None:
    """Its beta-binomial mixture against one proportion is our alternative against a binomial null."""
    mean, strength = left * null, (1 - rho) / rho
    other = BernoulliTest(null, prior=(mean * strength, (1 - mean) * strength)).fit(users)
    ours = log_pmf(sum(users), len(users), mean, rho) - log_pmf(sum(users), len(users), null, 0.0)
    assert ours == pytest.approx(other.log_e_values_[-1], abs=1e-8)


def worth(side: Side, null: float, rho: float, true_mean: float, true_rho: float) -> float:
    """The most that a step of a CUSUM is worth on average, over groups and alternatives."""
    seen = []
    for group, law in product((1, 5, 40), alternatives(null, side, rho)):
        counts = range(group + 1)
        ratio = [math.exp(log_pmf(x, group, *law) - log_pmf(x, group, null, rho)) for x in counts]
        seen.append(float(chances(group, true_mean, true_rho) @ np.array(ratio)))
    return max(seen)


@pytest.mark.parametrize(
    ("side", "null", "rho"), product(Side, (0.02, 0.1, 0.3, 0.5, 0.51, 0.9, 0.98), (0.0, 0.003, 0.05, 0.3))
)
def test_a_step_is_worth_at_most_one_on_average_where_nothing_is_wrong(side: Side, null: float, rho: float) -> None:
    """Neither with a better mean nor where cohorts vary by less than the test allows for."""
    assert worth(side, null, rho, null, rho) == pytest.approx(1.0, abs=1e-9)
    for part in (0.1, 0.5):
        better = null + (1 - null) * part if side is Side.BELOW else null * (1 - part)
        assert worth(side, null, rho, better, rho) < 1.0
    assert max(worth(side, null, rho, null, less) for less in (0.0, rho / 10, rho / 2)) <= 1.0 + 1e-9


def test_one_rho_for_both_would_not_be_safe_beyond_one_half() -> None:
    """The mass at the edge makes the middle look like the alternative."""
    ratio = [math.exp(log_pmf(x, 40, 0.72, 0.3) - log_pmf(x, 40, 0.9, 0.3)) for x in range(41)]
    assert chances(40, 0.9, 0.0) @ np.array(ratio) > 1.1


@pytest.mark.parametrize(("group", "rho", "true"), product((1, 4, 8), (0.0, 0.05), (0.3, 0.36)))
def test_the_chance_of_an_alarm_is_within_its_bound_exactly(group: int, rho: float, true: float) -> None:
    """All paths of ten steps, by dynamic programming over the CUSUMs."""
    alpha, null, chance = 1 / 40, 0.3, chances(group, true, rho)
    means = alternatives(null, Side.BELOW, rho)
    at, alarms = {Evidence(): 1.0}, 0.0
    for step in range(1, 11):
        after: dict[Evidence, float] = {}
        for evidence, weight in at.items():
            for count in range(group + 1):
                new = advance(evidence, step, count, group, null=null, alternatives=means, rho=rho)
                if new.log_e >= math.log(1 / alpha):
                    alarms += weight * chance[count]
                    continue
                # Where it says nothing, every CUSUM begins anew: how far below does not matter.
                key = Evidence(tuple(round(max(log, 0.0), 1 if group > 4 else 6) + 0.0 for log in new.logs), (0,) * 5)
                after[key] = after.get(key, 0.0) + weight * chance[count]
        at = after
        assert alarms <= step * alpha
    assert sum(at.values()) + alarms == pytest.approx(1.0)


def test_what_speaks_for_a_rise_lies_above_and_below_one() -> None:
    assert [mean for mean, _ in alternatives(0.1, Side.ABOVE, 0.01)] == pytest.approx([0.1 / left for left in DROPS])
    assert alternatives(0.3, Side.BELOW, 0.01) == tuple((0.3 * left, 0.01) for left in DROPS)
    assert all(0.9 < mean <= 0.95 for mean, _ in alternatives(0.9, Side.ABOVE, 0.01))


@pytest.mark.parametrize(("null", "side"), [(0.9, Side.BELOW), (0.02, Side.ABOVE), (0.6, Side.ABOVE)])
def test_the_far_parameter_stays_where_one_rho_would_not_be_safe(null: float, side: Side) -> None:
    for mean, rho in alternatives(null, side, 0.02):
        far, before = (1 - mean, 1 - null) if side is Side.BELOW else (mean, null)
        assert far * (1 - rho) / rho == pytest.approx(before * 49)


def test_a_bound_of_nothing_or_all_can_be_judged() -> None:
    assert 0 < mean_of(0.0) < mean_of(1.0) < 1
    for bound, side in ((0.0, Side.BELOW), (1.0, Side.ABOVE)):
        null = mean_of(bound)
        evidence = advance(Evidence(), 1, 5, 10, null=null, alternatives=alternatives(null, side, 0.01), rho=0.01)
        assert evidence.log_e < math.log(2)


def test_the_start_is_where_the_strongest_cusum_left_zero() -> None:
    evidence = Evidence()
    for at, count in enumerate([40, 35, 33, 20, 18, 21]):
        evidence = advance(evidence, at, count, 100, null=0.3, alternatives=alternatives(0.3, Side.BELOW, 0.0), rho=0.0)
    assert evidence.start == 3
    assert evidence.suspected == 3
    good = advance(evidence, 6, 90, 100, null=0.3, alternatives=alternatives(0.3, Side.BELOW, 0.0), rho=0.0)
    assert good.suspected is None


def test_evidence_survives_json() -> None:
    evidence = advance(Evidence(), 7, 20, 100, null=0.3, alternatives=alternatives(0.3, Side.BELOW, 0.0), rho=0.01)
    assert Evidence.from_json(evidence.to_json()) == evidence


def test_a_recovery_begins_anew_after_a_relapse() -> None:
    down = Evidence(recovery=recovering(Evidence(), 10, 100, good=(0.3, 0.0), bad=(0.15, 0.0)))
    assert down.recovery < 0
    fresh = recovering(Evidence(), 30, 100, good=(0.3, 0.0), bad=(0.15, 0.0))
    assert recovering(down, 30, 100, good=(0.3, 0.0), bad=(0.15, 0.0)) == fresh


def test_gamma_is_the_one_of_scipy() -> None:
    np.testing.assert_allclose(
        [math.lgamma(x) for x in (1e-9, 0.3, 5e5, 1e10)], gammaln([1e-9, 0.3, 5e5, 1e10]), rtol=1e-12
    )
