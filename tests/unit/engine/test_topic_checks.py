"""What topics must be like, and what is doubtful about them."""

from __future__ import annotations

import pytest

from stream_app.engine.topic_checks import Found, doubtful, wrong, wrong_sources
from stream_app.engine.topics import Topics

NAMES = Topics(
    "visits", "purchases", "users", "partials", "closings", "alerts", "letters", "states", "outbox", "control"
)
STATE = {"cleanup.policy": "compact", "max.message.bytes": "1048588"}


def doubts(brokers: int = 1, **topics: Found) -> list[str]:
    return doubtful(NAMES, NAMES.compacted, topics, brokers)


def test_nothing_is_wrong_with_what_the_broker_does_not_tell():
    found = {"visits": Found(4), "users": Found(4)}
    assert wrong_sources(NAMES.sources, found) is None
    assert wrong({"visits": 4, "users": 4, "partials": 1}, NAMES.compacted, found) is None
    assert doubtful(NAMES, NAMES.compacted, found, 1) == []


def test_topics_as_the_service_makes_them_are_beyond_doubt():
    safe = Found(4, 3, {**STATE, "min.insync.replicas": "2"})
    events = Found(4, 3, {"cleanup.policy": "delete", "retention.ms": "604800000", "min.insync.replicas": "2"})
    assert wrong({"users": 4}, NAMES.compacted, {"users": safe}) is None
    assert doubts(3, users=safe, visits=events) == []


def test_batches_that_a_topic_of_state_would_not_take_are_refused():
    found = {"partials": Found(1, 1, STATE | {"max.message.bytes": "100000"})}
    assert "topic partials: its max.message.bytes is 100000 and must be 600000 or more" in wrong(
        {"partials": 1}, NAMES.compacted, found
    )


@pytest.mark.parametrize(
    ("topic", "found", "brokers", "words"),
    [
        ("visits", Found(4, 1, {"cleanup.policy": "compact"}), 1, "topic visits: its cleanup.policy is 'compact'"),
        (
            "purchases", Found(4, 1, {"cleanup.policy": "delete", "retention.ms": "3600000"}), 1,
            "topic purchases: its retention.ms is 3600000",
        ),
        ("alerts", Found(1, 1, {"cleanup.policy": "compact"}), 1, "topic alerts: its cleanup.policy is 'compact'"),
        ("letters", Found(1, 1, {"cleanup.policy": "compact,delete"}), 1, "topic letters: its cleanup.policy"),
        ("users", Found(4, 3, {"min.insync.replicas": "1"}), 3, "topic users: its min.insync.replicas is 1"),
        ("users", Found(4, 2, {"min.insync.replicas": "3"}), 3, "topic users: its min.insync.replicas is 3 and"),
        ("outbox", Found(1, 1), 3, "topic outbox: it has one replica"),
        ("outbox", Found(1, 1, {"max.message.bytes": "1048588"}), 1, "topic outbox: its max.message.bytes is 1048588"),
        (
            "visits", Found(4, 1, {"unclean.leader.election.enable": "true"}), 1,
            "topic visits: its unclean.leader.election.enable is true",
        ),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_said_by_topic_and_setting(topic, found, brokers, words):
    (said,) = doubts(brokers, **{topic: found})
    assert said.startswith(words)


def test_events_that_are_kept_for_good_are_no_doubt():
    assert doubts(visits=Found(4, 1, {"cleanup.policy": "delete", "retention.ms": "-1"})) == []
