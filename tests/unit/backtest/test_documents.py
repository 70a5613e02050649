"""What docs/alerts/backtest.md shows is what the commands print."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from stream_app.backtest.runs import numbers
from stream_app.backtest.testfile import CASE, CELLS, FILE
from stream_app.cli import main

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "alerts" / "backtest.md").read_text("utf-8")


def block(language: str, after: str = "") -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE[PAGE.index(after) :], re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def test_the_backtest_of_the_purchase_log_is_what_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make, run = block("sh", "whose customers all came").splitlines()
    code = shlex.split(make.rpartition(" > ")[0])[2]
    with (tmp_path / "log.jsonl").open("wb") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, check=True, cwd=ROOT, timeout=60)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    argv = [str(ROOT / word) if word.endswith(".yml") else word for word in shlex.split(run)[1:]]
    assert main(argv) == 0
    assert capsys.readouterr().out == block("text")
    assert (tmp_path / "backtest.png").stat().st_size > 10_000
    assert main([*argv, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shown = json.loads(block("json"))
    assert any(all(row[key] == (pytest.approx(value, abs=5e-4) if key == "value" else value)
                   for key, value in shown.items()) for row in rows)  # fmt: skip


@pytest.mark.parametrize("name", ["shop.yml", "rules_test.yml"])
def test_files_that_are_shown_are_the_ones_that_ship(name: str) -> None:
    text = (ROOT / "docs" / "alerts" / "examples" / name).read_text("utf-8")
    assert block("yaml", f"(examples/{name})") == (text.split("\n", 1)[1] if name == "shop.yml" else text)


@pytest.mark.parametrize(("heading", "keys"), [("The file", FILE), ("A test", CASE), ("Cells", CELLS)])
def test_every_field_of_a_test_file_is_documented_and_no_other(heading: str, keys: tuple[str, ...]) -> None:
    section = PAGE[PAGE.index(f"### {heading}\n") :].split("\n### ")[0].split("\n#", 2)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == set(keys)


def test_the_notation_of_cells_is_as_shown() -> None:
    assert "`1000x20 800 _x3` is twenty cohorts of 1000, one of 800, and three without anybody" in PAGE
    assert numbers("1000x20 800 _x3") == [1000.0] * 20 + [800.0] + [None] * 3
