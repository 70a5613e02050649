"""The Kaplan-Meier estimate of how many are left after so many days, though not all could be watched to the end."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.wilson import Z

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Closer to one half than this, a product of floats does not tell on which side it is.
_NEAR = 1e-9


def kaplan_meier(days: Ints, died: Ints, censored: Ints) -> dict[str, Any]:
    """The estimate, as of E. L. Kaplan and P. Meier in JASA 53 (1958), with the bounds that lifelines gives by default.

    Those are at 95 %, by Greenwood's variance of log(-log S): they never leave 0 to 1. Who is censored on a day was at
    risk on it.

    Args:
        days: since the start, rising, int64 (n,).
        died: how many events there were on that day, int64 (n,).
        censored: how many were last seen on that day, int64 (n,).

    Returns:
        `size`, `events`, `censored`; `median`: the first day by which no more than half are left, None where more are;
        and by day with events: `days`, `at_risk`, `died`, `survival`, `low` and `high`.
    """
    size, events = int(died.sum() + censored.sum()), int(died.sum())
    left = size - np.cumsum(died + censored) + died + censored
    at = died > 0
    days, at_risk, died = days[at], left[at], died[at]
    survival = np.cumprod((at_risk - died) / at_risk, dtype=np.float64)
    low, high = _bounds(at_risk, died, survival)
    return {
        "size": size,
        "events": events,
        "censored": size - events,
        "median": _median(days, at_risk, died, survival),
        "days": days.tolist(),
        "at_risk": at_risk.tolist(),
        "died": died.tolist(),
        "survival": survival.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def _bounds(at_risk: Ints, died: Ints, survival: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """The bounds; where nobody is left they are 0 both."""
    some = survival > 0
    at_risk, died, logarithm = at_risk[some], died[some], np.log(survival[some])
    variance = np.cumsum(died / (at_risk * (at_risk - died)))
    spread = Z * np.sqrt(variance) / logarithm
    found = []
    for away in (-spread, spread):
        bound = np.zeros(survival.size)
        bound[some] = np.exp(-np.exp(np.log(-logarithm) + away))
        found.append(bound)
    return tuple(found)


def _median(days: Ints, at_risk: Ints, died: Ints, survival: NDArray[np.float64]) -> int | None:
    for place in np.flatnonzero(survival <= 0.5 + _NEAR).tolist():
        if survival[place] < 0.5 - _NEAR or _left(at_risk[: place + 1], died[: place + 1]) <= Fraction(1, 2):
            return int(days[place])
    return None


def _left(at_risk: Ints, died: Ints) -> Fraction:
    """The estimate of the last day, without rounding."""
    left = Fraction(1)
    for risk, dead in zip(at_risk.tolist(), died.tolist(), strict=True):
        left *= Fraction(risk - dead, risk)
    return left
