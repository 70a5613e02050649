"""The checks see what is wrong, and the paths do what they say."""

from __future__ import annotations

import asyncio
import copy
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from faults.checks import Findings, compare
from faults.expected import Expected
from faults.load import Event, Load
from faults.paths import Paths
from faults.telling import Desk, told

LOAD = Load(seed=3, events=400, partitions=2, days=20, users=50)


@pytest.fixture(scope="module")
def answers() -> list[dict[str, Any]]:
    expected = Expected(timezone="UTC", week_start="monday", inactivity_days=7)
    expected.add(record for record in LOAD.arrivals() if isinstance(record, Event))
    of: Any = {"definition": "engagement", "dimension": "plan", "watermark": LOAD.end}
    return [expected.retention(grain="day", kind="classic", **of), expected.churn(days=10, **of)]


def test_equal_answers_have_no_wrong_cell(answers: list[dict[str, Any]]) -> None:
    for answer in answers:
        cells, wrong = compare(answer, copy.deepcopy(answer))
        assert cells > 40
        assert wrong == []


def test_every_wrong_cell_is_named(answers: list[dict[str, Any]]) -> None:
    retention, churn = copy.deepcopy(answers)
    row = retention["segments"][1]["cohorts"][2]
    row["retained"][1] += 1
    row["size"] -= 1
    assert [place[1:] for place, _, _ in compare(answers[0], retention)[1]] == [
        (row["start"], "size"),
        (row["start"], 1),
    ]
    del churn["segments"][0]["days"][3]
    assert len(compare(answers[1], churn)[1]) == 4  # the date, and three figures of it
    retention["as_of"] = "2023-01-01T00:00:00Z"
    assert (("as_of",), "2023-01-01T00:00:00Z", answers[0]["as_of"]) in compare(answers[0], retention)[1]


def test_zero_and_not_yet_observed_are_not_the_same(answers: list[dict[str, Any]]) -> None:
    retention = copy.deepcopy(answers[0])
    rows = [row["retained"] for segment in retention["segments"] for row in segment["cohorts"] if 0 in row["retained"]]
    rows[0][rows[0].index(0)] = None
    assert len(compare(answers[0], retention)[1]) == 1


TARGET = "slack:#growth"
#: A silence of rule `fell` that was stored at instant 1,000 and ended at 9,000 (ms).
SILENCED = {"command": {"id": "s", "action": "silence", "at": 1_000, "author": "ada", "rule": "fell"},
            "begins": 1_000, "ends": 9_000}  # fmt: skip


def _change(name: str, state: str, rule: str = "fell") -> dict[str, Any]:
    return {
        "id": name, "rule": rule, "segment": {"plan": "pro"}, "state": state, "at": "2026-01-01T00:00:00Z",
        "definition": "engagement", "grain": "day", "index": 1, "cohort": "2026-01-01", "value": 0.1, "threshold": 0.3,
        "group": 100, "count": 10, "reason": "below", "began": None, "ends": None, "to": [TARGET],
    }  # fmt: skip


def _record(key: str, value: Any, timestamp: int) -> Any:
    return SimpleNamespace(key=json.dumps(key).encode(), value=json.dumps(value).encode(), timestamp=timestamp)


def _found(lines: list[tuple[dict[str, Any], int]], messages: list[str], owed: list[Any] = []) -> Findings:  # noqa: B006
    found = Findings()
    records = [_record(change["id"], change, at) for change, at in lines]
    told(Desk([_record("\0silence s", SILENCED, 1_000)]), records, owed, [(TARGET, one) for one in messages], found)
    return found


def test_what_a_silence_held_until_it_had_passed_may_be_withheld() -> None:
    lines = [(_change("a", "firing"), 5_000), (_change("b", "resolved"), 6_000), (_change("c", "firing"), 9_500)]
    found = _found(lines, ["c"])
    assert (found.problems, found.withheld) == ([], 2)


@pytest.mark.parametrize(
    ("lines", "messages", "problem"),
    [
        ([(_change("a", "firing"), 5_000)], ["a", "a"], "told twice"),
        ([(_change("a", "firing"), 5_000)], [], "never told: ['a']"),  # it fires to this day
        ([(_change("a", "firing"), 500), (_change("b", "resolved"), 5_000)], ["a"], "never told: ['b']"),
        ([(_change("a", "firing"), 12_000), (_change("b", "resolved"), 12_500)], [], "never told: ['a']"),
        ([(_change("a", "firing", "other"), 5_000), (_change("b", "resolved", "other"), 6_000)], [], "never told"),
        ([(_change("a", "firing"), 5_000)], ["a", "x"], "there are none of"),
    ],
)
def test_a_change_that_was_told_twice_or_wrongly_never_is_named(
    lines: list[tuple[dict[str, Any], int]], messages: list[str], problem: str
) -> None:
    assert problem in str(_found(lines, messages).problems)


def test_a_firing_that_was_told_though_it_was_silenced_is_named() -> None:
    entry = {"id": "a", "status": "owed", "attempts": 0, "notice": {"changes": [_change("a", "firing")]}}
    lines = [(_change("a", "firing"), 500)]
    assert _found(lines, ["a"], [_record("a", entry, 600)]).problems == []
    (problem,) = _found(lines, ["a"], [_record("a", entry, 5_000)]).problems
    assert "though silenced: ['a']" in problem


async def test_a_cut_path_holds_back_what_is_sent_and_lets_it_arrive_once_it_is_mended() -> None:
    paths = Paths(1)
    inner = paths._paths[0].inner
    server = await asyncio.start_server(_echo, "127.0.0.1", inner)
    paths.start()
    try:
        host, port = paths.address(0).split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"before\n")
        assert await asyncio.wait_for(reader.readline(), 10) == b"before\n"
        paths.cut()
        writer.write(b"meanwhile\n")
        held = asyncio.create_task(reader.readline())
        done, _ = await asyncio.wait({held}, timeout=0.3)
        assert not done
        with socket.create_connection((host, int(port)), 5):  # a new connection is neither refused nor served
            paths.mend()
            assert await asyncio.wait_for(held, 10) == b"meanwhile\n"
        writer.close()
    finally:
        server.close()
        paths.stop()


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
    writer.close()
