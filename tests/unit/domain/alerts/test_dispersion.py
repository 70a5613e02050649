"""The upper bound of overdispersion: it holds, and is as tight as the history allows."""

import numpy as np
import pytest
from scipy.stats import chi2
from support.alerts import cell

from stream_app.domain.alerts.dispersion import LEAST, LOW, chi_square_low, overdispersion


def history(rng: np.random.Generator, cells: int, group: int, mean: float, rho: float) -> list:
    strength = (1 - rho) / rho if rho else None
    share = rng.beta(mean * strength, (1 - mean) * strength, cells) if strength else np.full(cells, mean)
    return [cell(i, int(count), group) for i, count in enumerate(rng.binomial(group, share))]


@pytest.mark.parametrize("freedom", [7, 13, 27, 90])
def test_the_quantile_is_that_of_chi_square(freedom: int) -> None:
    assert chi_square_low(freedom) == pytest.approx(chi2.ppf(LOW, freedom), rel=0.02)


@pytest.mark.parametrize(
    ("cells", "group", "mean", "rho"),
    [(14, 200, 0.3, 0.01), (14, 10_000, 0.3, 0.002), (30, 1000, 0.05, 0.01), (91, 50, 0.3, 0.03), (91, 1000, 0.3, 0.0)],
)
def test_the_bound_is_seldom_below_the_truth(cells: int, group: int, mean: float, rho: float) -> None:
    rng = np.random.default_rng(7)
    bounds = [overdispersion(history(rng, cells, group, mean, rho)) for _ in range(600)]
    assert np.mean([bound < rho for bound in bounds if bound is not None]) <= 2 * LOW
    assert len(bounds) == 600


def test_the_bound_comes_near_with_more_history() -> None:
    rng = np.random.default_rng(1)
    short, long = (
        np.median([overdispersion(history(rng, cells, 2000, 0.3, 0.01)) for _ in range(100)]) for cells in (14, 91)
    )
    assert 0.01 < long < 0.015 < short < 0.03


def test_of_equal_groups_it_is_the_closed_form() -> None:
    cells = history(np.random.default_rng(3), 40, 500, 0.3, 0.02)
    counts = np.array([one.count for one in cells])
    mean = (counts.sum() + 0.5) / (40 * 500 + 1)
    pearson = ((counts - 500 * mean) ** 2 / (500 * mean * (1 - mean))).sum()
    assert overdispersion(cells) == pytest.approx((pearson / chi_square_low(39) - 1) / 499, rel=1e-5)


def test_of_unequal_groups_the_bound_leaves_the_statistic_at_the_quantile() -> None:
    rng = np.random.default_rng(4)
    cells = [history(rng, 1, int(group), 0.3, 0.02)[0] for group in np.geomspace(50, 100_000, 60)]
    rho = overdispersion(cells)
    assert rho is not None
    count, group = (np.array([getattr(one, name) for one in cells]) for name in ("count", "group"))
    mean = (count.sum() + 0.5) / (group.sum() + 1)
    left = (count - group * mean) ** 2 / (group * mean * (1 - mean) * (1 + (group - 1) * rho))
    assert left.sum() == pytest.approx(chi_square_low(59), rel=1e-4)


def test_too_little_history_gives_no_bound() -> None:
    cells = history(np.random.default_rng(5), LEAST, 500, 0.3, 0.02)
    assert overdispersion(cells[:-1]) is None
    assert overdispersion(cells) is not None
    assert overdispersion([]) is None
    assert overdispersion(cells, season=12) is None


def test_a_season_that_is_known_is_no_overdispersion() -> None:
    rng = np.random.default_rng(6)
    means = [0.2 if day % 7 >= 5 else 0.35 for day in range(91)]
    cells = [cell(day, int(rng.binomial(5000, mean)), 5000) for day, mean in enumerate(means)]
    known, unknown = overdispersion(cells, season=7), overdispersion(cells)
    assert known is not None
    assert unknown is not None
    assert known < 0.0005 < 0.015 < unknown


@pytest.mark.parametrize("count", [0, 1000])
def test_a_share_that_never_moves_has_no_overdispersion(count: int) -> None:
    assert overdispersion([cell(i, count, 1000) for i in range(30)]) == 0.0


def test_the_wildest_history_has_a_bound() -> None:
    rho = overdispersion([cell(i, 10_000_000 * (i % 2), 10_000_000) for i in range(30)])
    assert rho == 0.5


@pytest.mark.parametrize("rho", [0.0, 0.005, 0.05])
@pytest.mark.parametrize("cells", [8, 12, 15, 40])
def test_looking_for_a_step_makes_the_bound_hardly_less_safe(cells: int, rho: float) -> None:
    rng = np.random.default_rng(11)
    bounds = [overdispersion(history(rng, cells, 500, 0.3, rho), stepped=True) for _ in range(600)]
    assert np.mean([bound is None or bound < rho for bound in bounds]) <= 2 * LOW


@pytest.mark.parametrize("before", [2, 4, 6])
def test_a_step_while_a_stream_is_learnt_is_no_overdispersion(before: int) -> None:
    rng = np.random.default_rng(12)
    both = [*history(rng, before, 1000, 0.36, 0.0), *history(rng, LEAST - before, 1000, 0.2, 0.0)]
    with_step, without = overdispersion(both), overdispersion(both, stepped=True)
    assert with_step is not None
    assert without is not None
    assert without < 0.02 < 0.03 < with_step


def test_a_step_in_cells_that_are_all_alike_is_taken_out_too() -> None:
    cells = [cell(i, 300 if i < 4 else 200, 1000) for i in range(LEAST)]
    assert overdispersion(cells, stepped=True) == 0.0
