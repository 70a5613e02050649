import logging

import pytest

from stream_app.web.health import HealthBoard, State


def test_expected_parts_are_starting_until_they_report():
    board = HealthBoard(["partitions", "judge"])
    assert not board.ready
    assert board.healthy
    board.set("partitions", State.OK)
    assert board.to_json()["reasons"] == ["judge: has not reported yet"]
    board.set("judge", "ok")
    assert board.ready


def test_without_any_part_it_is_ready():
    assert HealthBoard([]).ready


@pytest.mark.parametrize(
    ("state", "ready", "healthy"),
    [("starting", False, True), ("ok", True, True), ("degraded", True, True), ("failed", False, False)],
)
def test_what_each_state_means(state, ready, healthy):
    board = HealthBoard([])
    board.set("redis", state, "does not answer")
    assert (board.ready, board.healthy) == (ready, healthy)


def test_what_is_degraded_is_listed_apart_from_what_holds_it_up():
    board = HealthBoard([])
    board.set("redis", "degraded", "does not answer; figures are owed")
    board.set("partitions", "starting", "2 of 4 recovered")
    answer = board.to_json()
    assert answer["degraded"] == ["redis: does not answer; figures are owed"]
    assert answer["reasons"] == ["partitions: 2 of 4 recovered"]
    assert answer["parts"]["redis"] == {"state": "degraded", "detail": "does not answer; figures are owed"}


def test_a_part_that_is_gone_is_forgotten():
    board = HealthBoard(["judge"])
    board.remove("judge")
    board.remove("judge")
    assert board.ready


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="fine"):
        HealthBoard([]).set("redis", "fine")


def test_a_change_of_state_is_logged_once(caplog):
    caplog.set_level(logging.INFO)
    board = HealthBoard([])
    for detail in ("one owed", "two owed", "three owed"):
        board.set("slack", "degraded", detail)
    board.set("slack", "ok")
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("WARNING", "Health: slack is degraded, one owed."),
        ("INFO", "Health: slack is ok."),
    ]
