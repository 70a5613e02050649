"""The programs behind the targets run in their short form, and print what they are for. Nothing is said of time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import servers

ROOT = Path(__file__).parents[2]
PART_MISSING = 3


def short(program: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"tests.benchmarks.{program}", "--short", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode == PART_MISSING:
        servers.missing(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.kafka
def test_how_old_the_figures_are_under_load():
    said = short("freshness")
    for word in ("changes seen in the API after", "p50", "p99", "most records waiting"):
        assert word in said


def test_how_long_a_matrix_takes_while_its_figures_change():
    said = short("queries")
    for word in ("p99", "first p99", "a publication took", "byte for byte"):
        assert word in said


def test_what_an_event_costs_as_history_grows():
    said = short("history")
    for word in ("users known", "publish, us", "query, ms", "day 20"):
        assert word in said


@pytest.mark.kafka
def test_what_a_user_takes_and_how_fast_state_is_read_back():
    said = short("footprint")
    for word in ("bytes a user in tables", "bytes a user\n", "users a second", "first figure after"):
        assert word in said
