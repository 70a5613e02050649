"""The mean of a retention matrix over its cohorts, with the interval it lies in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.metrics.wilson import wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def mean_of(retained: Ints, denominators: Ints, observed: NDArray[np.bool_], mean: str = "weighted") -> dict[str, Any]:
    """The `mean` block of an answer: one value an index.

    Empty cohorts drop out, cohorts at 0 % stay. Rows of empty cohorts or of unobserved cells change no digit.

    Args:
        retained: users who returned, by cohort and index, shape (n, k).
        denominators: of how many, shape (n, k) or what broadcasts to it.
        observed: which cells count, shape (n, k).
        mean: `weighted` by the denominators, with the Wilson interval of the pooled counts, or `simple`: of the
            cohorts' rates, without an interval.

    Returns:
        `rate`, `low` and `high`: null where no cohort is observed; `users`: the sum of the denominators; `cohorts`: how
        many there are. Each is a list of k.
    """
    counts = observed & (denominators > 0)
    of = np.where(counts, denominators, 0)
    users, cohorts = of.sum(axis=0), counts.sum(axis=0)
    pooled = np.where(counts, retained, 0).sum(axis=0)
    if mean == "simple":
        rates = np.where(counts, retained, 0) / np.maximum(of, 1)
        # fsum: whatever else is in the columns, and in whatever order.
        rate = [math.fsum(column) / count if count else None
                for column, count in zip(rates.T.tolist(), cohorts.tolist(), strict=True)]  # fmt: skip
        low = high = [None] * len(rate)
        return {"rate": rate, "low": low, "high": high, "users": users.tolist(), "cohorts": cohorts.tolist()}
    return weighted(pooled, users, cohorts)


def weighted(pooled: Ints, users: Ints, cohorts: Ints) -> dict[str, Any]:
    """The weighted mean of sums over cohorts: `pooled` of `users` returned, in so many `cohorts`; each shape (k,)."""
    some, divisors = cohorts > 0, np.maximum(users, 1)
    rate = nullable(pooled / divisors, some)
    low, high = (nullable(bound, some) for bound in wilson(pooled, divisors))
    return {"rate": rate, "low": low, "high": high, "users": users.tolist(), "cohorts": cohorts.tolist()}


def nullable(values: NDArray[Any], shown: NDArray[np.bool_]) -> list[Any]:
    """The values as Python's, None where they are not shown; shape (n,) or (n, k)."""
    found = values.astype(object)
    found[~shown] = None
    listed: list[Any] = found.tolist()
    return listed
