"""A sequential test for the drop of a share: an e-CUSUM of beta-binomial likelihood ratios.

Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for sequential change detection" (2023).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import lgamma
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.rule import Side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What a drop leaves of a share; one CUSUM each, and their mean is the evidence.
DROPS = (0.5, 0.65, 0.8, 0.9, 0.95)
#: Mean and overdispersion of a beta-binomial.
Law = tuple[float, float]
#: Up to this bound a ratio of likelihoods with one rho is convex in the count.
_CONVEX_TO = 0.5
#: Overdispersion that adds less than this to the variance of a count, as a share of it, is none.
_NEGLIGIBLE = 1e-3
#: How near to 0 and 1 a mean may be.
_EDGE = 1e-9


@dataclass(frozen=True)
class Evidence:
    """What a stream's past says of a drop.

    Attributes:
        logs: log of each CUSUM.
        began: ordinal of the cohort each of them was last begun at.
        recovery: log of the CUSUM for a recovery, while the alert fires.
    """

    logs: tuple[float, ...] = (0.0,) * len(DROPS)
    began: tuple[int | None, ...] = (None,) * len(DROPS)
    recovery: float = 0.0

    @property
    def log_e(self) -> float:
        """Log of the evidence, the mean of the CUSUMs."""
        top = max(self.logs)
        return top + math.log(sum(math.exp(one - top) for one in self.logs) / len(self.logs))

    @property
    def strongest(self) -> int:
        """Position of the CUSUM that says most."""
        return max(range(len(self.logs)), key=self.logs.__getitem__)

    @property
    def start(self) -> int | None:
        """The estimated start of the drop: where the strongest CUSUM was begun. None before any step."""
        return self.began[self.strongest]

    @property
    def suspected(self) -> int | None:
        """The start of the drop, as long as nothing speaks against one; None before any step, too."""
        return self.start if self.logs[self.strongest] >= 0.0 else None

    @classmethod
    def since(cls, cohort: int) -> Evidence:
        """No evidence, but where a drop began: what a threshold test remembers."""
        return cls(began=(cohort,) * len(DROPS))

    def to_json(self) -> dict[str, Any]:
        """Ready for JSON; `from_json` takes it back."""
        return {"logs": list(self.logs), "began": list(self.began), "recovery": self.recovery}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Evidence:
        """The evidence as it was stored."""
        return cls(tuple(data["logs"]), tuple(data["began"]), data["recovery"])


def mean_of(share: float) -> float:
    """A bound as the mean of a distribution: inside of (0, 1), so that a bound of 0 or 1 has a logarithm, too."""
    return min(max(share, _EDGE), 1.0 - _EDGE)


def alternatives(null: float, side: Side, rho: float) -> tuple[Law, ...]:
    """What speaks for a drop (a rise) from `null`, in the order of `DROPS`: means and their overdispersion.

    Downwards it is `r null` with the same rho. A ratio of such likelihoods is worth at most 1 on average, also where
    cohorts vary by less than rho, as long as it is convex in the count: it is up to a bound of one half. Beyond, and
    upwards, the alternative keeps the beta distribution's parameter on the far side instead (of `1 - p` downwards, of
    `p` upwards): then the ratio is convex always, and near the other one where rho is small. Upwards the mean is
    `null / r`, and at most half of the way to 1.
    """
    if side is Side.BELOW:
        means = [null * left for left in DROPS]
        if null <= _CONVEX_TO:
            return tuple((mean, rho) for mean in means)
        return tuple((mean, _with_strength(rho, (1.0 - null) / (1.0 - mean))) for mean in means)
    most = null + (1.0 - null) / 2.0
    means = [min(null / left, most) for left in DROPS]
    return tuple((mean, _with_strength(rho, null / mean)) for mean in means)


def _with_strength(rho: float, times: float) -> float:
    """The rho of so many times the strength `1 / rho - 1`."""
    return rho / (rho + (1.0 - rho) * times)


def log_pmf(count: int, group: int, mean: float, rho: float) -> float:
    """Log P(count of group) of a beta-binomial of this mean (in (0, 1)) and overdispersion rho (0: binomial).

    The binomial coefficient is left out: it cancels in ratios.
    """
    if rho * group < _NEGLIGIBLE:  # the difference of large logarithms would lose more than rho adds
        return count * math.log(mean) + (group - count) * math.log1p(-mean)
    strength = (1.0 - rho) / rho
    a, b = mean * strength, (1.0 - mean) * strength
    return (
        lgamma(count + a) - lgamma(a) + lgamma(group - count + b) - lgamma(b) - lgamma(group + strength)
        + lgamma(strength)
    )  # fmt: skip


def advance(
    evidence: Evidence,
    at: int,
    count: int,
    group: int,
    *,
    null: float,
    alternatives: Sequence[Law],
    rho: float,
    anew: bool = True,
) -> Evidence:
    """One closed observation: each CUSUM begins anew where it says nothing, and takes the likelihood ratio.

    Args:
        evidence: before.
        at: ordinal of the cohort.
        count: users in the numerator.
        group: users in the denominator.
        null: the mean that is still good.
        alternatives: the drops, in the order of `DROPS`.
        rho: overdispersion of the null; must not depend on this observation.
        anew: False: no CUSUM begins anew, since the drop is known to last.
    """
    logs, began = [], []
    base = log_pmf(count, group, null, rho)
    for law, log_m, since in zip(alternatives, evidence.logs, evidence.began, strict=True):
        fresh = since is None or (anew and log_m <= 0.0)
        logs.append((0.0 if fresh else log_m) + log_pmf(count, group, *law) - base)
        began.append(at if fresh else since)
    return Evidence(tuple(logs), tuple(began), evidence.recovery)


def recovering(evidence: Evidence, count: int, group: int, *, good: Law, bad: Law) -> float:
    """Log of the CUSUM for a recovery after one more observation: the law `good` against the law `bad`."""
    gain = log_pmf(count, group, *good) - log_pmf(count, group, *bad)
    return max(evidence.recovery, 0.0) + gain
