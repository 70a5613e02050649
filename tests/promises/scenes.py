"""What is simulated, in chapters."""

from __future__ import annotations

from itertools import product

from promises.detectors import DETECTORS
from promises.worlds import YEAR, World

GROUPS = (50, 200, 1000, 10_000)
DROPS = (0.1, 0.2, 0.4)
_OUTAGES = (150, 151, 220, 300)

Chapter = tuple[tuple[World, str], ...]


def _chapter(*worlds: World, by: tuple[str, ...] = ("sequential",)) -> Chapter:
    return tuple((world, detector) for world in worlds for detector in by)


#: A year in which nothing happens.
QUIET = _chapter(
    *(World(f"{where}, n = {n}", n, level=level) for (where, level), n in
      product((("at the bound", 1.0), ("10 % above", 1.1)), GROUPS)),
    by=DETECTORS,
)  # fmt: skip
#: A drop to so much below the bound.
FALLS = _chapter(
    *(World(f"falls {drop * 100:.0f} % below, n = {n}", n, drop=drop) for drop, n in product(DROPS, GROUPS)),
    by=DETECTORS,
)
#: A year in which nothing happens to a segment that is not as the promise assumes.
BENT = _chapter(
    World("weekends 20 % lower", weekend=0.2),
    World("weekends 20 % lower, at the bound", weekend=0.2, level=1.0),
    World("shocks of days (0.5)", shocks=(0.5, 0.1)),
    World("shocks of days (0.5), at the bound", shocks=(0.5, 0.1), level=1.0),
    World("shocks of weeks (0.9)", shocks=(0.9, 0.1)),
    World("shocks of weeks (0.9), at the bound", shocks=(0.9, 0.1), level=1.0),
    World("groups grow tenfold", growth=10.0),
    World("groups grow tenfold, at the bound", growth=10.0, level=1.0),
    World("falls by a third over the year", trend=1.5),
    World("1 day in 100 a third lower", rare=0.01),
    World("above 2 %, at the bound, n = 200, rho 0.01", 200, bound=0.02, rule="above", level=1.0, rho=0.01),
    World("above 5 %, at the bound, rho 0.01", bound=0.05, rule="above", level=1.0, rho=0.01),
    World("below 90 %, at the bound, rho 0.02", bound=0.9, level=1.0, rho=0.02),
    World("rho is said to be 0, n = 10000, at the bound", 10_000, level=1.0, assumed=0.0),
    World("outages, seen", outages=_OUTAGES),
    World("outages, not seen", outages=_OUTAGES, told=False),
)
#: Relative rules, which allow 10 %; `drop` is from the usual mean.
RELATIVE = _chapter(
    World("earlier: no drop", rule="earlier"),
    World("earlier: weekends 20 % lower", rule="earlier", weekend=0.2),
    World("like weekdays: weekends 20 % lower", rule="like weekdays", weekend=0.2),
    World("earlier: falls by a third over the year", rule="earlier", trend=1.5),
    World("control: no drop", rule="control"),
    *(World(f"control: 10 % lower all along, n = {n}", n, rule="control", arm=0.1) for n in (50, 200, 1000, 10_000)),
    *(World(f"{rule}: falls 10 %", rule=rule, drop=0.1) for rule in ("earlier", "like weekdays")),
    *(World(f"{rule}: falls {drop * 100:.0f} %", rule=rule, drop=drop)
      for rule, drop in product(("earlier", "like weekdays", "control"), (0.2, 0.4))),
)  # fmt: skip
#: What makes a drop hard to find.
HARD = _chapter(
    World("falls 20 % below", drop=0.2),
    World("falls 20 % below, for the second time", drop=0.2, former=True),
    World("falls 20 % below, rho 0", drop=0.2, rho=0.0),
    World("falls 20 % below, rho 0.02", drop=0.2, rho=0.02),
)
#: A drop, or a quiet year, of a segment of which little is known.
YOUNG = _chapter(
    World("no drop, from the first cohort on, at the bound", level=1.0, history=0),
    World("no drop, from the first cohort on, at the bound, rho 0.02", level=1.0, history=0, rho=0.02),
    *(World(f"falls {drop * 100:.0f} % below after {known} cohorts", drop=drop, history=known)
      for drop, known in product((0.2, 0.4), (0, 2, 4, 6, 8, 12))),
)  # fmt: skip
#: A drop that ends.
ENDS = _chapter(
    *(World(f"falls {drop * 100:.0f} % below, ends {where}, n = {n}", n, drop=drop, lasts=YEAR, again=again)
      for (where, again), drop, n in product((("10 % above", 1.1), ("at the bound", 1.0)), DROPS, (200, 2000))),
)  # fmt: skip
CHAPTERS: dict[str, Chapter] = {
    "A year without a drop": QUIET,
    "Drops": FALLS,
    "Where the promise bends": BENT,
    "Relative rules (10 % allowed)": RELATIVE,
    "What makes a drop hard to find": HARD,
    "When little is known": YOUNG,
    "The end of a drop": ENDS,
}
