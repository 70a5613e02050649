"""What an operator can get wrong: each ends with exit code 2 and one message that names the thing and the fix."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import servers
from support.cluster import PARTITIONS, Cluster
from support.command import stream_app, the_message
from support.workers import Worker, produce, visit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

SERVING = ("run", "check", "demo")
RULES = """\
rules:
  - name: pro-day-7
    definition: engagement
    grain: day
    index: 7
    segment: {plan: pro}
    below: 0.30
    min_group: 100
    to: [console]
"""


def refused(*arguments: str | Path, within: float = 30.0, **settings: object) -> str:
    """The message of a command that must refuse."""
    begun = time.monotonic()
    done = stream_app(*arguments, settings={"web_port": 0, **settings})
    assert done.returncode == 2, done.stderr
    assert time.monotonic() - begun < within
    message = the_message(done)
    assert message.endswith(("\n", "")), message
    return message


def named(message: str, *words: object) -> None:
    for word in words:
        assert str(word) in message, f"{word!r} is not in: {message}"


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@contextmanager
def silent_server() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


# -- the configuration file


@pytest.mark.parametrize("command", SERVING)
def test_a_missing_configuration_file(command: str) -> None:
    named(refused(command, "--config", "/nowhere/stream-app.yml"), "/nowhere/stream-app.yml", "correct the path")


def test_a_configuration_file_that_is_no_yaml(tmp_path: Path) -> None:
    file = written(tmp_path / "config.yml", "timezone: UTC\ndimensions: [plan\n")
    named(refused("run", "--config", file), file, "line 3", "is not YAML")


def test_an_unknown_setting_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    file = written(tmp_path / "config.yml", "broker: 127.0.0.1:9092\ntimezon: UTC\n")
    named(refused("run", "--config", file), "timezon:", f"{file} line 2", "did you mean timezone?")


def test_an_unknown_environment_variable() -> None:
    named(refused("run", timezon="UTC"), "STREAM_APP_TIMEZON:", "did you mean STREAM_APP_TIMEZONE?")


def test_all_wrong_values_are_told_at_once(tmp_path: Path) -> None:
    file = written(tmp_path / "config.yml", "timezone: Mars/Olympus\ncurrency: DOLLAR\n")
    named(refused("run", "--config", file), "timezone: 'Mars/Olympus'", "line 1", "currency: 'DOLLAR'", "line 2")


# -- the rules


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_rules_file_with_a_typo(command: str, tmp_path: Path) -> None:
    file = written(tmp_path / "rules.yml", RULES.replace("below", "belwo"))
    message = refused(command, "--rules", file, dimensions="plan")
    named(message, file, "line 7", "rules[0].belwo", "did you mean 'below'?")


def test_rules_that_are_wrong_in_several_places_name_each(tmp_path: Path) -> None:
    text = RULES.replace("index: 7", "index: seven").replace("grain: day", "grain: fortnight")
    message = refused("run", "--rules", written(tmp_path / "rules.yml", text), dimensions="plan")
    named(message, "line 4, rules[0].grain", "fortnight", "line 5, rules[0].index", "seven")


def test_a_rule_for_a_dimension_that_is_not_kept(tmp_path: Path) -> None:
    file = written(tmp_path / "rules.yml", RULES)
    named(refused("run", "--rules", file, dimensions="country"), file, "line 6", "rules[0].segment", "plan", "country")
    named(refused("run", "--rules", file), "line 6, rules[0].segment", "set `dimensions`")


def test_a_rules_file_that_is_missing() -> None:
    named(refused("run", "--rules", "/nowhere/rules.yml"), "/nowhere/rules.yml", "correct the path")


# -- connections


@pytest.mark.parametrize("arguments", [("run", "--broker"), ("demo", "--once", "--kafka")])
def test_a_broker_that_is_not_there(arguments: tuple[str, ...]) -> None:
    closed = f"127.0.0.1:{servers.free_port()}"
    named(refused(*arguments, closed), f"broker: {closed} does not answer", "Start it", "--broker HOST:PORT")


def test_a_broker_that_never_answers() -> None:
    with silent_server() as port:
        named(refused("run", "--broker", f"127.0.0.1:{port}"), f"127.0.0.1:{port} does not answer within 15 s")


def test_a_redis_that_is_not_there() -> None:
    url = f"redis://127.0.0.1:{servers.free_port()}/0"
    named(refused("run", "--redis", url), f"redis: '{url}' does not answer", "start the server or correct the URL")


def test_a_redis_that_never_answers() -> None:
    with silent_server() as port:
        named(refused("run", "--redis", f"redis://127.0.0.1:{port}/0"), f"127.0.0.1:{port}", "does not answer")


def test_the_password_of_a_redis_is_not_shown() -> None:
    done = refused("run", "--redis", f"redis://me:s3cret@127.0.0.1:{servers.free_port()}/0")
    assert "s3cret" not in done


@pytest.mark.parametrize("command", ["run", "demo"])
def test_a_port_in_use(command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(command, web_port=port)
    named(message, f"web: 127.0.0.1:{port} cannot be listened on", "address already in use", "web_port", "--port")


async def test_topics_with_differing_partition_counts(
    kafka_broker: servers.KafkaBroker, topic: Callable[..., Awaitable[str]]
) -> None:
    visits = await topic(servers.unique("visits"), 4)
    purchases = await topic(servers.unique("purchases"), 3)
    topics = {"visits_topic": visits, "purchases_topic": purchases, "broker": kafka_broker.bootstrap}
    for command in ("run", "check"):
        message = refused(command, app_id=servers.unique("differing"), **topics)
        named(message, f"{visits} (4 partitions)", f"{purchases} (3 partitions)", "the same number of partitions")


async def test_an_internal_topic_that_does_not_keep_state(
    kafka_broker: servers.KafkaBroker, topic: Callable[..., Awaitable[str]]
) -> None:
    app = servers.unique("deleting")
    await topic(f"{app}-users-changelog", 4, {"cleanup.policy": "delete"})
    message = refused("run", broker=kafka_broker.bootstrap, app_id=app, visits_topic=app, purchases_topic=app)
    named(message, f"topic {app}-users-changelog", "cleanup.policy", "must be 'compact'")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"timezone": "Europe/Berlin"}, ('timezone was "UTC" and is "Europe/Berlin"',)),
        ({"dimensions": "plan,country"}, ("dimensions not kept so far: plan, country",)),
    ],
)
async def test_state_that_was_counted_under_another_configuration(
    cluster: Cluster, changed: dict[str, Any], words: tuple[str, ...]
) -> None:
    (worker,) = cluster.start()
    await cluster.shared_out()
    await produce(cluster.bootstrap, cluster.visits, [(b"u", visit("u", "1998-07-01T00:00:00Z", 0))])
    await cluster.read(1)
    assert worker.stop() == 0
    settings = {**cluster.settings, "session_timeout": 3, **changed}
    message = refused("run", within=60, **settings)
    named(message, "another configuration", *words, "Restore the earlier settings, or count anew with `stream-app rebu")


# -- check

#: What is checked last: where alerts may go besides Slack.
ELSEWHERE = ("webhooks", "mail", "alertmanager")


async def test_check_says_what_it_found(
    kafka_broker: servers.KafkaBroker, redis_url: str, topic: Callable[..., Awaitable[str]], tmp_path: Path
) -> None:
    app = await topic(servers.unique("checked"), PARTITIONS)
    file = written(tmp_path / "rules.yml", RULES)
    settings = {"visits_topic": app, "purchases_topic": app, "app_id": app, "dimensions": "plan"}
    done = stream_app(
        "check", "--broker", kafka_broker.url, "--redis", redis_url, "--rules", file, settings=settings
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "rules: ok, 1 rules",
        f"broker: ok, {kafka_broker.bootstrap}, {PARTITIONS} partitions, transactions: with, state: none yet",
        f"redis: ok, {redis_url}",
        *(f"{name}: ok, not used" for name in ("slack", *ELSEWHERE)),
    ]


@pytest.mark.parametrize(
    ("wrong", "told", "fine"),
    [
        ("broker", "broker: 127.0.0.1:{port} does not answer", ("rules", "redis", "slack")),
        ("redis", "redis: 'redis://127.0.0.1:{port}/0' does not answer", ("rules", "broker", "slack")),
        ("rules", "rules[0].belwo", ("broker", "redis")),
        ("slack_token", "slack_token: it is not set, and rules notify slack:#", ("rules", "broker", "redis")),
        (
            "slack",
            "cannot connect to Slack (ClientConnectorError); see that slack_url",
            ("rules", "broker", "redis"),
        ),
    ],
)
def test_check_tells_what_is_wrong_and_goes_on(
    wrong: str, told: str, fine: tuple[str, ...], kafka_broker: servers.KafkaBroker, redis_url: str, tmp_path: Path
) -> None:
    closed = servers.free_port()
    text = RULES.replace("below", "belwo") if wrong == "rules" else RULES
    text = text.replace("[console]", '["slack:#retention"]') if wrong.startswith("slack") else text
    settings: dict[str, object] = {
        "broker": f"127.0.0.1:{closed}" if wrong == "broker" else kafka_broker.bootstrap,
        "redis": f"redis://127.0.0.1:{closed}/0" if wrong == "redis" else redis_url,
        "rules": written(tmp_path / "rules.yml", text),
        "dimensions": "plan",
        "app_id": servers.unique("checked"),
    }
    if wrong == "slack":
        settings |= {"slack_token": "xoxb-s3cret", "slack_url": f"http://127.0.0.1:{closed}/api/"}
    done = stream_app("check", settings=settings)
    assert done.returncode == 2
    named(the_message(done), told.format(port=closed))
    elsewhere = () if wrong == "rules" else ELSEWHERE  # without rules nobody knows who is told
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [*fine, *elsewhere]
    assert "s3cret" not in done.stdout + done.stderr


# -- analyze


def test_a_file_of_events_that_is_not_there() -> None:
    named(refused("analyze", "/nowhere/events.jsonl"), "/nowhere/events.jsonl", "cannot be read", "- for stdin")


def test_a_file_without_one_event(tmp_path: Path) -> None:
    file = written(tmp_path / "prose.txt", "It was a dark and stormy night;\nthe rain fell in torrents.\n")
    named(refused("analyze", file), file, "user_id: no such column", "--map user_id=COLUMN")
    lines = refused("analyze", file, "--format", "jsonl")
    named(lines, file, "none of its 2 records is an event", "line 1", "not_json")


def test_an_end_that_is_no_instant(tmp_path: Path) -> None:
    file = written(tmp_path / "events.jsonl", visit("u", 0, 0).decode())
    named(refused("analyze", file, "--until", "1998-06-31"), "--until: '1998-06-31'", "1998-07-01")
    named(refused("analyze", file, "--until", "1998-07-01T00:00:00"), "--until", "1998-07-01T00:00:00Z")


def test_a_value_that_an_option_does_not_take(tmp_path: Path) -> None:
    done = stream_app("analyze", written(tmp_path / "events.jsonl", ""), "--grain", "fortnight")
    assert done.returncode == 2
    named(done.stderr, "--grain", "fortnight", "day")
    assert "Traceback" not in done.stderr


def test_one_bad_record_among_good_ones_is_told_and_the_others_are_counted(tmp_path: Path) -> None:
    lines = [visit("u", "1998-07-01T00:00:00Z", 0).decode(), "{", visit("u", "1998-07-02T00:00:00Z", 1).decode()]
    done = stream_app("analyze", written(tmp_path / "events.jsonl", "\n".join(lines)))
    assert done.returncode == 0
    named(done.stderr, "line 2", "1 of 3 records could not be counted")


# -- a worker that needs more than a message


async def test_a_second_worker_on_the_first_ones_port_ends_and_leaves_the_first_alone(cluster: Cluster) -> None:
    (worker,) = cluster.start()
    await cluster.shared_out()
    second = Worker(cluster.folder, **{**cluster.settings, "web_port": worker.port}).start()
    assert second.process is not None
    assert second.process.wait(30) == 2
    assert worker.partitions == list(range(PARTITIONS))
