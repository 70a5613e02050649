"""The whole protocol under simulated faults, and the proof that the simulation would see it broken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulation.campaign import campaign, first_failure
from simulation.protocol import BROKEN
from simulation.schedules import play

#: A minute's work for two idle cores. Elsewhere than in CI a tenth of it will do.
SCHEDULES = 3_000 if os.environ.get("CI") else 1_000
#: Within so many schedules each broken protocol must be found.
FOUND_WITHIN = 1_500
#: A simulation in which none of these happens would prove nothing.
KINDS = (
    "kills", "freezes", "thaws", "evictions", "rebalances", "takeovers", "commits", "transactions undone",
    "writes refused", "chunks lost", "chunks repeated", "compactions", "told", "found", "found missing",
    "outcomes unknown", "refused by Slack", "ends by the watch", "told together", "silences", "withheld",
    "acknowledged", "acknowledgements in the history", "commands repeated",
)  # fmt: skip


@pytest.mark.timeout(1200)
def test_every_cell_is_right_and_every_change_is_told_once_after_every_schedule() -> None:
    report = campaign(range(SCHEDULES))
    print(report)
    assert not report.failures, str(report)
    assert not [kind for kind in KINDS if report.seen[kind] < SCHEDULES / 200], str(report)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_protocol_is_found(name: str) -> None:
    assert first_failure(range(FOUND_WITHIN), BROKEN[name]) is not None


def test_a_seed_replays_step_by_step() -> None:
    for seed in range(40):
        first, again = list[str](), list[str]()
        play(seed, trace=first)
        play(seed, trace=again)
        assert first == again
        assert len(first) > 5


def test_a_seed_replays_in_another_process_whatever_its_hash_seed() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-m", "simulation", "--seed", "12"],
            cwd=Path(__file__).parents[1],
            env=os.environ | {"PYTHONHASHSEED": hashes, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hashes in ("1", "2", "3")
    }
    assert len(found) == 1
    assert "seed 12: right" in found.pop()
