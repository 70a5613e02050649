"""What a relative rule compares with: earlier cohorts of the same segment, or another segment's same cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.alerts.dispersion import LEAST, MOST, largest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts.observation import Observation
    from stream_app.domain.alerts.rule import Baseline

#: Fewer cohorts of a season than this make no baseline.
_FEWEST = 2


def settled(past: Sequence[Observation], suspected: int | None, least: int) -> Sequence[Observation]:
    """The past before a suspected drop, which must not hide itself; never less than its `least` oldest."""
    if suspected is None:
        return past
    known = len(past)
    while known > least and past[known - 1].cohort >= suspected:
        known -= 1
    return past[:known]


def usual(baseline: Baseline, cohort: int, past: Sequence[Observation]) -> float | None:
    """The pooled figure of the latest cohorts that are like this one; None: half of them are not there yet."""
    alike = [cell for cell in past if (cohort - cell.cohort) % baseline.season == 0] if baseline.season > 1 else past
    alike = alike[-baseline.last :]
    if len(alike) < max(min(_FEWEST, baseline.last), baseline.last / 2):
        return None
    group = sum(cell.group for cell in alike)
    if any(cell.count is None for cell in alike):
        return sum(cell.value * cell.group for cell in alike) / group
    return sum(cell.count or 0 for cell in alike) / group


def concurrent(cohort: int, alike: Sequence[Observation]) -> Observation | None:
    """The other segment's cell of the same cohort; None: it has none."""
    for cell in reversed(alike):
        if cell.cohort <= cohort:
            return cell if cell.cohort == cohort else None
    return None


def shared_overdispersion(past: Sequence[Observation], alike: Sequence[Observation]) -> float | None:
    """The upper bound of rho of a segment beside another one; None: too few cohorts have both.

    It is estimated from the residuals of pairs, so that what strikes both segments alike (a weekday, a season, a
    holiday) cancels. `rho m (1 - m)` is then the variance of a pair's difference beyond that of both counts.
    """
    others = {cell.cohort: cell for cell in alike}
    pairs = [(cell, others[cell.cohort]) for cell in past if cell.cohort in others][-MOST:]
    if len(pairs) < LEAST:
        return None
    count, group, other_count, other_group = np.array(
        [(one.count, one.group, other.count, other.group) for one, other in pairs], np.float64
    ).T
    mean = (count.sum() + 0.5) / (group.sum() + 1.0)
    other_mean = (other_count.sum() + 0.5) / (other_group.sum() + 1.0)
    ratio = mean / other_mean
    tosses = mean * (1.0 - mean) / group + ratio**2 * other_mean * (1.0 - other_mean) / other_group
    residual = count / group - ratio * other_count / other_group
    return largest(residual**2 / tosses, mean * (1.0 - mean) / tosses, len(pairs) - 1)


def widened(rho: float, bound: float, group: int, factor: float, other: Observation, *, own: bool) -> float:
    """Rho of a cell whose bound is `factor` times another segment's share, which has an uncertainty of its own.

    Args:
        rho: of the cell (of both segments if `own`; of pairs otherwise).
        bound: the bound, in (0, 1).
        group: users of the cell.
        factor: what the bound is of the other's share.
        other: the other segment's cell.
        own: the other segment has the same rho of its own.
    """
    share = other.value
    spread = 1.0 + (other.group - 1) * rho if own else 1.0
    uncertain = factor**2 * share * (1.0 - share) * spread / other.group
    # Var(x / n) = T (1 - T) (1 + (n - 1) rho) / n, and the bound's variance on top.
    added = uncertain / (bound * (1.0 - bound)) * group / max(group - 1, 1)
    return min(rho + added, 0.9)
