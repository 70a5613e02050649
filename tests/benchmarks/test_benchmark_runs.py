"""The benchmark's one command runs, and its contenders agree. Nothing is said about time."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import servers

from tests.benchmarks.contenders import everybody
from tests.benchmarks.options import JAVA
from tests.benchmarks.run import Run
from tests.benchmarks.throughput import WrongMatrixError, agree

ROOT = Path(__file__).parents[2]
PART_MISSING = 3
WRONG_USAGE = 2


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m tests.benchmarks`; without Java the test is skipped."""
    line = [sys.executable, "-m", "tests.benchmarks", *map(str, arguments)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    if done.returncode == PART_MISSING:
        servers.missing(done.stderr.strip())
    return done


@pytest.mark.kafka
def test_one_command_prints_the_contenders_side_by_side_and_they_agree(tmp_path):
    saved = tmp_path / "figures.json"
    drawing = ["--plot", tmp_path / "picture"] if importlib.util.find_spec("matplotlib") else []
    done = command(
        "--short", "--events", 20_000, "--users", 4_000, "--sample", 1_000, "--batch-records", 50,
        "--compression", "lz4", "--json", saved, *drawing,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "found the same daily matrix as plain Python" in done.stdout
    for heading in (
        "events/s",
        "CPU s per million",
        "peak MB",
        "to Faust",
        "of the limit",
        "batches of 50 records, lz4",
    ):
        assert heading in done.stdout, done.stdout
    ran = {row["name"]: row for row in json.loads(saved.read_text())["contenders"]}
    for contender in everybody(workers=1):
        if contender.name not in JAVA:
            here = contender.name in ran and contender.title in done.stdout
            assert here or f"{contender.name} is left out: " in done.stdout, done.stdout
    assert ran["stream-app"]["events"] == ran["aiokafka"]["events"] == 20_000
    assert ran["faust"]["events"] < 2_000
    assert not drawing or (tmp_path / "picture.svg").stat().st_size > 0


@pytest.mark.kafka
@pytest.mark.timeout(600)
def test_the_contenders_in_java_agree_too(tmp_path):
    saved = tmp_path / "figures.json"
    only = ",".join(JAVA)
    done = command("--short", "--only", only, "--events", 20_000, "--users", 4_000, "--json", saved)
    if "Maven" in done.stdout and "left out" in done.stdout:
        servers.missing(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert {row["name"] for row in json.loads(saved.read_text())["contenders"]} >= set(JAVA), done.stdout


def test_a_contender_that_is_not_known_is_refused_with_those_that_are():
    done = command("--only", "stream-app,spark")
    assert done.returncode == WRONG_USAGE
    assert "--only: spark is none of faust, " in done.stderr


def test_a_differing_cell_is_told_with_what_was_expected_and_found():
    matrix = {(10, 0): 5, (10, 1): 3}
    agree(Run(1, 1.0, 1.0, 1, dict(matrix)), matrix, "somebody")
    with pytest.raises(WrongMatrixError, match=r"somebody: 1 of 2 cells differ.*\(10, 1\), 3, 4"):
        agree(Run(1, 1.0, 1.0, 1, {(10, 0): 5, (10, 1): 4}), matrix, "somebody")
    with pytest.raises(WrongMatrixError):
        agree(Run(1, 1.0, 1.0, 1, {}), {}, "who found nothing")


def test_a_day_that_has_not_closed_is_not_asked_of_who_says_so():
    agree(Run(1, 1.0, 1.0, 1, {(10, 0): 5}, until=11), {(10, 0): 5, (10, 1): 3}, "somebody")


def test_every_stage_of_the_hot_path_is_timed():
    line = [sys.executable, "-m", "tests.benchmarks.stages", "--events", "40000", "--users", "2000"]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    for stage in ("unpack", "decode", "advance", "apply", "events/s"):
        assert stage in done.stdout


def test_every_form_of_a_file_is_timed_and_gives_the_same():
    for extra in ([], ["--copies", "3"]):
        line = [sys.executable, "-m", "tests.benchmarks.offline", "--events", "5000", "--users", "500", "--rounds", "1"]
        done = subprocess.run([*line, *extra], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        for form in ["stdin"] if extra else ["jsonl", "mapped", "csv", "parquet"]:
            assert form in done.stdout
