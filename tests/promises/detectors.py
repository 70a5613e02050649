"""What is compared: the sequential test and the plain threshold as the service runs them, and a daily Wilson test."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from promises.worlds import FIRST, INDEX, World
from stream_app.domain.alerts import Baseline, Course, FalseAlarms, Health, Observation, Reason, Rule, Side, State, Test
from stream_app.domain.alerts.quality import outages
from stream_app.domain.alerts.select import evaluate
from stream_app.domain.metrics.wilson import wilson
from stream_app.domain.periods import EPOCH, Calendar, Grain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.domain.alerts import Outage

DETECTORS = ("sequential", "threshold", "wilson")
BUDGET = FalseAlarms(1, 365, "1 per year")
#: Active users of a whole day.
_VOLUME = 5000
NEVER = 1_000_000


#: From which day (0 is the first cohort) an alert fired, and the day on which it was over.
Firing = tuple[int, int]


def firings(world: World, detector: str, *, streams: int, seed: int) -> list[list[Firing]]:
    """By stream its alerts."""
    rng = np.random.default_rng([seed, world.group])
    if world.rule == "control":
        return _beside_controls(world, rng, streams)
    cells = {("segment", f"{i:04}"): world.stream(rng) for i in range(streams)}
    if detector == "wilson":
        return [_by_wilson(stream, world.bound) for stream in cells.values()]
    last = next(iter(cells.values()))[-1]
    found = _told([_rule(world, detector)], {"rule": Course(cells, last.cohort, last.closed_at)}, _outages(world))
    return [found.get(("rule", name), []) for _, name in cells]


def _rule(world: World, detector: str) -> Rule:
    common = {"name": "rule", "definition": "engagement", "grain": Grain.DAY, "index": INDEX, "min_group": 20,
              "segment": ("segment", "*")}  # fmt: skip
    if detector == "threshold":
        # Of three alarms in 20 days the service would make one.
        return Rule(**common, below=world.bound, resolve=world.bound, flapping=(0, 20))  # type: ignore[arg-type]
    common |= {"test": Test.SEQUENTIAL, "false_alarms": BUDGET, "overdispersion": world.assumed}
    if world.rule in ("below", "above"):
        return Rule(**common, below=world.bound, resolve=world.bound, side=Side(world.rule))  # type: ignore[arg-type]
    season = {"earlier": Baseline(), "like weekdays": Baseline(last=8, season=7)}[world.rule]
    nan = float("nan")
    return Rule(**common, below=nan, resolve=nan, drop=world.allowed, baseline=season)  # type: ignore[arg-type]


def _beside_controls(world: World, rng: np.random.Generator, streams: int) -> list[list[Firing]]:
    """Experiments, each arm with a control of its own, and all of them share one budget."""
    rules, courses = [], {}
    budget = FalseAlarms(BUDGET.count / streams, BUDGET.days, BUDGET.text)
    nan = float("nan")
    for i in range(streams):
        arm, control = world.stream(rng), world.steady.stream(rng)
        series, other = ("arm", "new"), ("arm", "control")
        rule = Rule(
            f"rule-{i}", "engagement", Grain.DAY, INDEX, nan, nan, min_group=20, segment=series,
            drop=world.allowed, baseline=Baseline(other), test=Test.SEQUENTIAL, false_alarms=budget,
        )  # fmt: skip
        rules.append(rule)
        courses[rule.name] = Course({series: arm}, arm[-1].cohort, arm[-1].closed_at, {other: control})
    found = _told(rules, courses, ())
    return [found.get((rule.name, "new"), []) for rule in rules]


def _told(
    rules: Sequence[Rule], courses: dict[str, Course], known: Sequence[Outage]
) -> dict[tuple[str, str], list[Firing]]:
    found: dict[tuple[str, str], list[Firing]] = {}
    for one in evaluate(rules, courses, {}, outages=known):
        change = one.change
        if change is None or change.health is not Health.OK or change.reason is Reason.DATA_BACK:
            continue
        day = (dt.date.fromisoformat(change.cohort) - EPOCH).days - FIRST
        alerts = found.setdefault((change.rule, next(iter(change.segment.values()))), [])
        if change.state is State.FIRING:
            alerts.append((day, NEVER))
        elif change.state is State.RESOLVED:
            alerts[-1] = (alerts[-1][0], day)
    return found


def _outages(world: World) -> list[Outage]:
    """What the service itself finds in the stream's volume."""
    if not (world.outages and world.told):
        return []
    days = range(world.days + INDEX)
    seen = [(FIRST + day, _VOLUME // 3 if day in world.outages else _VOLUME) for day in days]
    return outages(seen, Calendar(), 0.5)


def _by_wilson(cells: Sequence[Observation], bound: float) -> list[Firing]:
    """On as long as the upper end of the 95 % interval is below the bound."""
    _, high = wilson(np.array([cell.count for cell in cells]), np.array([cell.group for cell in cells]))
    edges = np.diff(np.concatenate([[False], high < bound, [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist(), strict=True))
