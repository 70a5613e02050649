"""The short form of `python -m promises`: the promise is kept, drops are found, and a broken test would be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from promises.__main__ import main
from promises.measured import measure
from promises.scenes import CHAPTERS
from promises.worlds import World

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = (1, 2)
STREAMS = 30


def alarms(world: World, detector: str = "sequential", streams: int = STREAMS) -> int:
    return sum(measure(world, detector, streams=streams, seeds=SEEDS).alarms)


@pytest.mark.parametrize("group", [50, 200, 10_000])
def test_a_quiet_year_at_the_bound_itself_keeps_within_the_budget(group: int) -> None:
    assert alarms(World("at the bound", group, level=1.0)) <= len(SEEDS)


@pytest.mark.parametrize(
    "world",
    [
        World("weekends", weekend=0.2),
        World("shocks", shocks=(0.5, 0.1)),
        World("growth", growth=10.0),
        World("above", 200, bound=0.02, rule="above", level=1.0, rho=0.01),
        World("high", bound=0.9, level=1.0, rho=0.02),
        World("weekdays", rule="like weekdays", weekend=0.2),
        World("control", rule="control"),
        World("outages", outages=(150, 151, 220, 300)),
    ],
    ids=lambda world: world.name,
)
def test_so_does_a_year_of_a_segment_that_is_as_real_ones_are(world: World) -> None:
    assert alarms(world, streams=15) <= len(SEEDS)


@pytest.mark.parametrize("detector", ["threshold", "wilson"])
def test_others_alarm_all_the_time(detector: str) -> None:
    assert alarms(World("10 % above", 1000), detector) > 100 * len(SEEDS)


def test_a_test_that_takes_cohorts_for_coin_tosses_would_be_seen() -> None:
    assert alarms(World("coins", 10_000, level=1.0, assumed=0.0)) > 20 * len(SEEDS)


def test_outages_that_nobody_sees_would_be_seen() -> None:
    assert alarms(World("outages", outages=(150, 151, 220, 300), told=False), streams=15) > 2 * len(SEEDS)


@pytest.mark.parametrize(
    ("drop", "group", "median"), [(0.2, 1000, 15), (0.2, 10_000, 12), (0.4, 50, 20), (0.4, 200, 10), (0.4, 10_000, 4)]
)
def test_a_drop_is_found(drop: float, group: int, median: int) -> None:
    found = measure(World("falls", group, drop=drop), "sequential", streams=STREAMS, seeds=SEEDS)
    assert found.found is not None
    assert found.found > 0.95
    assert found.delay() <= median
    assert sum(found.alarms) <= len(SEEDS)


@pytest.mark.parametrize("known", [0, 2, 4, 6])
def test_a_drop_of_a_segment_of_which_little_is_known_is_found(known: int) -> None:
    found = measure(World("young", drop=0.4, history=known), "sequential", streams=STREAMS, seeds=SEEDS)
    assert found.found == 1.0
    assert found.delay() <= 20


def test_what_is_new_alarms_no_more_than_what_is_known() -> None:
    assert alarms(World("from the first cohort on", level=1.0, history=0)) <= len(SEEDS)


@pytest.mark.parametrize(("drop", "group"), [(0.2, 200), (0.4, 200), (0.4, 2000)])
def test_the_end_of_a_drop_is_told_and_only_the_end(drop: float, group: int) -> None:
    world = World("ends", group, drop=drop, lasts=200, again=1.1)
    found = measure(world, "sequential", streams=15, seeds=SEEDS)
    assert found.slips <= 0.2
    assert found.recovery() <= 15
    assert found.recovery(0.9) <= 30


@pytest.mark.parametrize("rule", ["earlier", "like weekdays", "control"])
def test_a_relative_drop_is_found(rule: str) -> None:
    found = measure(World(rule, rule=rule, drop=0.4), "sequential", streams=15, seeds=SEEDS)
    assert found.found is not None
    assert found.found > 0.95
    assert found.delay() <= 15


def test_a_segment_of_a_seed_is_always_the_same() -> None:
    world = World("again", 200, drop=0.4)
    first, second = (measure(replace(world), "sequential", streams=5, seeds=(3,)) for _ in range(2))
    assert first == second


def test_the_command_prints_its_tables_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    to = tmp_path / "promise.png"
    main(["--streams", "2", "--seeds", "1", "--chapter", "1", "--chapter", "5", "--png", str(to)])
    printed = capsys.readouterr().out
    titles = list(CHAPTERS)
    assert f"### {titles[0]}" in printed
    assert f"### {titles[4]}" in printed
    assert f"### {titles[1]}" not in printed
    assert "| at the bound, n = 50 | 0 |" in printed
    assert to.read_bytes().startswith(b"\x89PNG")
