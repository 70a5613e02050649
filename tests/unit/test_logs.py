"""What of the libraries' complaints an operator gets to see."""

from __future__ import annotations

import logging

import pytest

from stream_app.logs import ClientComplaints, configure_logging


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def record(name: str = "aiokafka.consumer.fetcher", level: int = logging.ERROR) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 1, "Failed fetch messages from %d: %s", (1, "gone"), None)


def test_trouble_that_lasts_is_told_once_a_minute_as_a_warning(clock: Clock) -> None:
    complaints = ClientComplaints(clock)
    told = []
    for second in range(150):
        clock.now = 1_000.0 + second
        lines = [record() for _ in range(100)]
        told += [(second, line) for line in lines if complaints.filter(line)]
    assert [second for second, _ in told] == [3, 63, 123]
    line = told[1][1]
    assert line.levelname == "WARNING"
    said = "Kafka's client has had trouble for 63 s and goes on trying; its latest: Failed fetch messages from 1: gone"
    assert line.getMessage() == said


def test_what_passes_at_once_is_not_told(clock: Clock) -> None:
    complaints = ClientComplaints(clock)
    for _ in range(5):
        assert not complaints.filter(record())
        clock.now += 30  # quiet in between: each is a new trouble
    assert not complaints.filter(record(level=logging.WARNING))


def test_new_trouble_is_told_of_after_an_old_one_has_passed(clock: Clock) -> None:
    complaints = ClientComplaints(clock)
    for _ in range(2):
        assert not complaints.filter(record())
        clock.now += 5
        assert complaints.filter(record())
        clock.now += 100


def test_a_connection_whose_making_was_cancelled_is_not_told_of(clock: Clock) -> None:
    said = logging.LogRecord("asyncio", logging.ERROR, "", 1, "Unclosed AIOKafkaConnection\nconn: <...>", (), None)
    assert not ClientComplaints(clock).filter(said)


def test_others_are_left_alone(clock: Clock) -> None:
    complaints = ClientComplaints(clock)
    assert all(complaints.filter(record("stream_app.engine", level)) for level in (logging.INFO, logging.ERROR))
    assert complaints.filter(record("aiokafkaesque"))


@pytest.mark.parametrize(("level", "filters"), [("info", 1), ("error", 1), ("debug", 0)])
def test_everything_is_told_only_where_it_is_asked_for(level: str, filters: int) -> None:
    root = logging.getLogger()
    before, level_before = root.handlers[:], root.level
    try:
        configure_logging(level)
        (handler,) = root.handlers
        assert len(handler.filters) == filters
        assert root.level == getattr(logging, level.upper())
    finally:
        root.handlers, root.level = before, level_before
