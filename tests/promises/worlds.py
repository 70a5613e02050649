"""Made-up segments: day cohorts, a share of which is back on day 7, with all that real ones do."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.alerts import Observation
from stream_app.domain.periods import DAY_MS, EPOCH

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The bound that rules have, and the index of the cells they judge.
BOUND, INDEX = 0.30, 7
#: The first cohort (a Monday), how many are there before false alarms are counted, and how many are counted.
FIRST, BEFORE, YEAR = 20_086, 91, 365
#: Cohorts in which a drop must be found.
TIME = 60


@dataclass(frozen=True)
class World:
    """What the segments of a simulated service are like.

    Attributes:
        name: for the table.
        group: users a cohort.
        level: the usual mean, as a share of the bound.
        rho: overdispersion of the cohorts.
        drop: from the end of `BEFORE` on, by how much the mean lies below the bound (below the usual mean, where the
            rule is relative); None: nothing happens for a year.
        bound: the bound.
        rule: what it is judged by: `below` or `above` the bound, `earlier`, `like weekdays`, `control`.
        assumed: the overdispersion that the rule is given; None: it is estimated.
        allowed: the drop that a relative rule allows.
        arm: by how much the segment is below the control it is compared with, all along.
        weekend: by how much Saturdays and Sundays are lower.
        shocks: correlation from day to day, and spread (of the logit), of what strikes a segment for longer.
        growth: what the group is multiplied with over the time.
        trend: what the mean is multiplied with over the time, down to `level`.
        rare: the chance of a day on which the share is a third lower.
        outages: days on which two thirds of all events are lost.
        told: whether the outages are found by the volume of the stream.
        former: there was a drop of 20 % before, of 14 days, 30 days before the drop.
        history: cohorts before the drop, or before false alarms are counted.
        lasts: cohorts of the drop.
        again: the usual mean after the drop, as a share of the bound, for `TIME` cohorts; None: it lasts to the end.
    """

    name: str
    group: int = 1000
    level: float = 1.1
    rho: float = 0.005
    drop: float | None = None
    bound: float = BOUND
    rule: str = "below"
    assumed: float | None = None
    allowed: float = 0.1
    arm: float = 0.0
    weekend: float = 0.0
    shocks: tuple[float, float] | None = None
    growth: float = 1.0
    trend: float = 1.0
    rare: float = 0.0
    outages: tuple[int, ...] = ()
    told: bool = True
    former: bool = False
    history: int = BEFORE
    lasts: int = TIME
    again: float | None = None

    @property
    def steady(self) -> World:
        """The control's world: the same without what happens to the segment."""
        return replace(self, arm=0.0, drop=None if self.drop is None else 0.0)

    @property
    def days(self) -> int:
        """Cohorts in all."""
        if self.drop is None:
            return self.history + YEAR
        return self.history + self.lasts + (0 if self.again is None else TIME)

    def means(self) -> NDArray[np.float64]:
        """The mean of each cohort, before chance."""
        day = np.arange(self.days)
        mean = self.bound * self.level * (1.0 - self.arm) * np.linspace(self.trend, 1.0, self.days)
        if self.weekend:
            kind = np.where(day % 7 >= 5, 1.0 - self.weekend, 1.0)
            mean *= kind / kind[:7].mean()
        if self.drop is not None:
            low = (1.0 - self.drop) * (self.bound if self.rule == "below" else self.bound * self.level)
            mean[self.history :] = low
            if self.former:
                mean[self.history - 44 : self.history - 30] = 0.8 * self.bound
            if self.again is not None:
                mean[self.history + self.lasts :] = self.again * self.bound
        return mean

    def stream(self, rng: np.random.Generator) -> list[Observation]:
        """One segment."""
        mean = self.means()
        if self.shocks is not None:
            back, spread = self.shocks
            noise = rng.normal(0.0, spread, self.days)
            for i in range(1, self.days):
                noise[i] = back * noise[i - 1] + np.sqrt(1.0 - back**2) * noise[i]
            mean = 1.0 / (1.0 + (1.0 / mean - 1.0) * np.exp(-noise))
        if self.rare:
            mean = np.where(rng.random(self.days) < self.rare, mean * 2 / 3, mean)
        strength = (1.0 - self.rho) / self.rho if self.rho else None
        share = rng.beta(mean * strength, (1.0 - mean) * strength) if strength else mean
        group = np.round(self.group * np.geomspace(1.0, self.growth, self.days)).astype(np.int64)
        count = rng.binomial(group, share)
        for day in self.outages:
            judged = day - INDEX  # the cohort whose day 7 it is
            count[judged] = rng.binomial(count[judged], 1 / 3)
        return [observation(FIRST + i, int(x), int(n)) for i, (x, n) in enumerate(zip(count, group, strict=True))]


def observation(cohort: int, count: int, group: int) -> Observation:
    """A cohort's day 7, closed, in UTC."""
    begins = (cohort + INDEX) * DAY_MS
    start = (EPOCH + dt.timedelta(days=cohort)).isoformat()
    return Observation(cohort, start, begins, begins + DAY_MS, group, count, count / group)
