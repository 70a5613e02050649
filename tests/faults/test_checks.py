"""The checks see what is wrong, and the paths do what they say."""

from __future__ import annotations

import asyncio
import copy
import socket
from typing import Any

import pytest

from faults.checks import compare
from faults.expected import Expected
from faults.load import Event, Load
from faults.paths import Paths

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
