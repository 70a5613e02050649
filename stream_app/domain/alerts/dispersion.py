"""Overdispersion: how much more the shares of cohorts vary than those of coin tosses, with an upper bound.

A test that holds cohorts for coin tosses alarms on every large group, because real cohorts differ by more than chance.
With x of n in cohort i, mean m and overdispersion rho, Var(x) = n m (1 - m) (1 + (n - 1) rho). Pearson's statistic
with this variance is close to a chi-square of its degrees of freedom; the bound is the largest rho that leaves it at
the lower quantile `LOW` (an inverted test, as in Williams, "Extra-binomial variation in logistic linear models", 1982).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.alerts.observation import Observation

#: Cells that must be there before a bound is had.
LEAST = 8
#: Cells that are looked at, the latest: thirteen weeks of days, so that what is long past does not count.
MOST = 91
#: A stream of fewer cells may have dropped while it was learnt: a step of its mean is taken out.
YOUNG = 2 * LEAST
#: F of a step that is beyond doubt, at many degrees of freedom; about the 0.1 % quantile.
_STEP = 12.0
#: The chance that the bound is below the truth, about.
LOW = 0.05
_Z = NormalDist().inv_cdf(LOW)
_HIGHEST = 0.5
_ROUNDS = 40


def chi_square_low(freedom: int) -> float:
    """The `LOW` quantile of chi-square (Wilson and Hilferty 1931); within 2 % from 7 on."""
    part = 2.0 / (9.0 * freedom)
    return float(freedom * max(1.0 - part + _Z * math.sqrt(part), 1e-3) ** 3)


def overdispersion(cells: Sequence[Observation], season: int = 1, *, stepped: bool = False) -> float | None:
    """The upper bound of rho from closed cells; None: there are too few of them.

    Args:
        cells: of one stream, shares with their counts.
        season: cohorts so many periods apart are alike and have a mean of their own.
        stepped: the mean may have made a step; without a season only.
    """
    freedom = len(cells) - min(season, len(cells))
    if freedom < LEAST - 1:
        return None
    count = np.array([cell.count for cell in cells], np.float64)
    group = np.array([cell.group for cell in cells], np.float64)
    if season == 1:
        step = _step(count, group) if stepped else len(cells)
        kind = (np.arange(len(cells)) >= step).astype(np.intp)
        freedom -= 2 * int(kind[-1])  # a further mean, and where the step is
    else:
        kinds, kind = np.unique([cell.cohort % season for cell in cells], return_inverse=True)
        freedom = len(cells) - len(kinds)
    mean = ((np.bincount(kind, count) + 0.5) / (np.bincount(kind, group) + 1.0))[kind]
    pearson = (count - group * mean) ** 2 / (group * mean * (1.0 - mean))
    return largest(pearson, group - 1.0, freedom)


def _step(count: NDArray[np.float64], group: NDArray[np.float64]) -> int:
    """Where the mean makes a step that is beyond doubt: the place of the first cell after it; their number for none."""
    cells = len(count)
    counts, groups = np.cumsum(count), np.cumsum(group)
    mean = counts[-1] / groups[-1]
    # By place: what a step there explains of the sum of squares.
    explained = (counts[:-1] - mean * groups[:-1]) ** 2 * groups[-1] / (groups[:-1] * (groups[-1] - groups[:-1]))
    best = int(explained.argmax())
    rest = float((group * (count / group - mean) ** 2).sum()) - float(explained[best])
    # Never less than coin tosses vary: few cells may be alike by chance.
    noise = max(rest / (cells - 2), mean * (1.0 - mean))
    return best + 1 if explained[best] > _STEP / (1.0 - 4.0 / (cells - 2)) * noise else cells


def largest(pearson: NDArray[np.float64], weight: NDArray[np.float64], freedom: int) -> float:
    """The largest rho that leaves sum(pearson / (1 + weight rho)) at the quantile; 0 if it is below it already.

    Args:
        pearson: squared residuals over the variance without overdispersion, float64 (cells,).
        weight: what rho adds to that variance, as a share of it, float64 (cells,).
        freedom: degrees of freedom.
    """
    goal = chi_square_low(freedom)
    rho = 0.0
    for _ in range(_ROUNDS):
        spread = 1.0 + weight * rho
        shares = pearson / spread
        rest = float(shares.sum())
        if rest <= goal:
            break
        # Newton's step on 1 / rest, which is concave in rho: it never goes too far, and is exact for equal groups.
        slope = float((shares * weight / spread).sum())
        if slope <= 0.0:
            break
        gain = (rest / goal - 1.0) * rest / slope
        rho += gain
        if rho >= _HIGHEST:
            return _HIGHEST
        if gain <= 1e-6 * rho:
            break
    return rho
