"""`stream-app demo` as a newcomer runs it: the real purchase log through a broker into figures and an alert."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import servers
from support.command import interrupt, stream_app
from support.demo import demo_process, said

from stream_app.demo import cdnow

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "cdnow_monthly.json").read_text())["cohorts"]
LONGEST = 120.0
QUICKLY = 10.0


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `analyze` prints of the purchase log as a file."""
    file = tmp_path_factory.mktemp("log") / "purchases.jsonl"
    file.write_bytes(b"\n".join(value for _, value in cdnow.events()))
    done = stream_app(
        "analyze", file, "--definition", "repurchase", "--grain", "month", "--until", "1998-07-01", "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def analyzed(printed: str) -> dict[str, Any]:
    return json.loads(printed)


def test_analyze_gives_the_logs_matrix_cell_by_cell(analyzed: dict[str, Any]) -> None:
    assert {name: analyzed[name] for name in ("definition", "grain", "kind", "timezone", "as_of")} == {
        "definition": "repurchase",
        "grain": "month",
        "kind": "classic",
        "timezone": "UTC",
        "as_of": "1998-07-01T00:00:00Z",
    }
    (everyone,) = analyzed["segments"]
    assert everyone["segment"] == {}
    cells = [
        cohort["retained"][: len(e["classic_counts"])] for cohort, e in zip(everyone["cohorts"], EXPECTED, strict=True)
    ]
    assert cells == [e["classic_counts"] for e in EXPECTED]
    assert all(cohort["size"] == cohort["retained"][0] for cohort in everyone["cohorts"])


def test_the_demo_ends_with_figures_and_an_alert() -> None:
    begun = time.monotonic()
    done = stream_app("demo", "--once", settings={"web_port": 0}, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < LONGEST
    assert done.stderr == ""
    assert f"{cdnow.ROWS:,} purchases" in done.stdout
    assert "0 dead-lettered, 0 dropped" in done.stdout
    assert "firing   pro-day-7 (plan=pro)" in done.stdout
    assert done.stdout.count("Retention fell: pro-day-7") == 1  # told once
    assert f"1997-01-01  {EXPECTED[0]['classic_counts'][0]:,}" in done.stdout


def test_the_demos_json_is_the_same_document(printed: str) -> None:
    done = stream_app("demo", "--once", "--json", settings={"web_port": 0}, timeout=LONGEST)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


def test_a_broker_of_the_users_gives_the_same(printed: str, kafka_broker: servers.KafkaBroker) -> None:
    done = stream_app(
        "demo", "--once", "--json", "--kafka", kafka_broker.bootstrap, settings={"web_port": 0}, timeout=LONGEST
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed


@pytest.fixture
def running() -> Iterator[subprocess.Popen[str]]:
    with demo_process() as process:
        yield process


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


@pytest.mark.parametrize("moment", ["Starting the service", "The page:", "The page stays up"])
def test_ctrl_c_ends_the_demo_at_any_moment_and_leaves_nothing_behind(
    running: subprocess.Popen[str], moment: str
) -> None:
    said(running, moment)
    helpers = children(running.pid)
    assert helpers, "the broker runs beside it"
    told = time.monotonic()
    interrupt(running)
    assert running.stdout is not None
    rest = running.stdout.read()
    assert running.wait(QUICKLY) == 0, rest
    assert time.monotonic() - told < QUICKLY, rest
    assert "Traceback" not in rest
    assert " ERROR " not in rest
    assert [pid for pid in helpers if Path(f"/proc/{pid}").exists()] == []


def test_a_killed_demo_leaves_nothing_behind(running: subprocess.Popen[str]) -> None:
    said(running, "The page:")
    helpers = children(running.pid)
    assert len(helpers) == 2  # broker and Redis
    running.kill()
    running.wait(10)
    servers.eventually_sync(lambda: not any(Path(f"/proc/{pid}").exists() for pid in helpers), 10, "they are gone")
