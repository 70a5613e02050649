"""The benchmark's one command runs, and its contenders agree. Nothing is said about time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import servers

ROOT = Path(__file__).parents[2]
PART_MISSING = 3


@pytest.mark.kafka
def test_one_command_prints_the_contenders_side_by_side_and_they_agree():
    command = [sys.executable, "-m", "tests.benchmarks", "--short", "--events", "20000", "--users", "4000"]
    done = subprocess.run(
        [*command, "--sample", "1000"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode == PART_MISSING:
        servers.missing(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found the same daily matrix as plain Python" in done.stdout
    for row in ("idiomatic Faust", "stream-app, durable", "aiokafka, reading only", "CPU s per million", "to Faust"):
        assert row in done.stdout, done.stdout


def test_every_stage_of_the_hot_path_is_timed():
    command = [sys.executable, "-m", "tests.benchmarks.stages", "--events", "40000", "--users", "2000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for stage in ("unpack", "decode", "advance", "apply", "events/s"):
        assert stage in done.stdout
