"""What a relative rule compares with."""

import numpy as np
import pytest
from support.alerts import cell, cells

from stream_app.domain.alerts import Baseline, Observation
from stream_app.domain.alerts.dispersion import LEAST, overdispersion
from stream_app.domain.alerts.relative import concurrent, settled, shared_overdispersion, usual, widened


def test_the_usual_share_is_pooled_over_the_latest_cohorts() -> None:
    past = [cell(0, 90, 100), cell(1, 10, 100), cell(2, 150, 300)]
    assert usual(Baseline(last=2), past[-1].cohort + 1, past) == 160 / 400


def test_with_a_season_only_cohorts_of_its_kind_count() -> None:
    past = [cell(i, 40 if i % 7 == 3 else 20) for i in range(28)]
    baseline = Baseline(last=8, season=7)
    assert usual(baseline, past[0].cohort + 31, past) == 0.4
    assert usual(baseline, past[0].cohort + 30, past) == 0.2


def test_half_of_the_cohorts_make_a_baseline_and_fewer_do_not() -> None:
    past = cells(*[30] * 14)
    assert usual(Baseline(last=28), past[-1].cohort + 1, past) == pytest.approx(0.3)
    assert usual(Baseline(last=28), past[-1].cohort + 1, past[1:]) is None
    assert usual(Baseline(last=2), past[-1].cohort + 1, past[:1]) is None
    assert usual(Baseline(last=1), past[-1].cohort + 1, past[:1]) == pytest.approx(0.3)


def test_values_are_weighted_by_their_groups() -> None:
    past = [Observation(i, "", 0, 0, group, None, value) for i, (group, value) in enumerate([(100, 2.0), (300, 4.0)])]
    assert usual(Baseline(last=2), 2, past) == 3.5


def test_a_suspected_drop_is_no_part_of_what_was_before_it() -> None:
    past = cells(*[30] * 20)
    assert settled(past, past[15].cohort, least=14) == past[:15]
    assert settled(past, None, least=14) == past
    # Or a short history would never be enough again.
    assert settled(past, past[15].cohort, least=18) == past[:18]
    assert settled(past, past[0].cohort, least=50) == past


def test_the_other_segments_cell_is_the_one_of_the_same_cohort() -> None:
    alike = [one for one in cells(1, 2, 3, 4, 5) if one.count != 3]
    assert concurrent(alike[1].cohort, alike) == alike[1]
    assert concurrent(alike[1].cohort + 1, alike) is None
    assert concurrent(alike[0].cohort - 1, alike) is None


def both(rng: np.random.Generator, days: int, group: int) -> tuple[list[Observation], list[Observation]]:
    """An arm 10 % below its control; what strikes a day strikes both."""
    shares = 0.3 * (1 + 0.2 * rng.standard_normal(days).clip(-2, 2))
    return tuple(  # type: ignore[return-value]
        [cell(i, int(count), group) for i, count in enumerate(rng.binomial(group, part * shares))]
        for part in (0.9, 1.0)
    )


def test_what_strikes_both_segments_cancels() -> None:
    arm, control = both(np.random.default_rng(1), 60, 5000)
    alone, paired = overdispersion(arm), shared_overdispersion(arm, control)
    assert alone is not None
    assert paired is not None
    assert paired < alone / 20


def test_what_strikes_one_of_them_does_not() -> None:
    rng = np.random.default_rng(2)
    arm, control = (
        [cell(i, int(count), 5000) for i, count in enumerate(rng.binomial(5000, rng.beta(30, 70, 60)))]
        for _ in range(2)
    )
    paired = shared_overdispersion(arm, control)
    assert paired is not None
    assert 2 / 101 < paired < 2 * 2 / 101


def test_pairs_are_needed() -> None:
    arm, control = both(np.random.default_rng(3), 30, 1000)
    assert shared_overdispersion(arm, control[: LEAST - 1]) is None
    assert shared_overdispersion(arm, control[:LEAST]) is not None


@pytest.mark.parametrize("own", [False, True])
def test_the_width_is_that_of_the_difference(own: bool) -> None:
    rho, group, factor, other = 0.01, 400, 0.85, cell(0, 90, 300)
    bound = factor * 0.3
    wide = widened(rho, bound, group, factor, other, own=own)
    arm = bound * (1 - bound) * (1 + (group - 1) * rho) / group
    beside = factor**2 * 0.3 * 0.7 * (1 + (300 - 1) * rho if own else 1) / 300
    assert bound * (1 - bound) * (1 + (group - 1) * wide) / group == pytest.approx(arm + beside)
