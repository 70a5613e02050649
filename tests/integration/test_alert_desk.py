"""The desk on real Kafka: one message for many segments, silences, acknowledgements, new rules, kills in between."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
import servers
from slack_server import SlackServer
from support.product import Played

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from support.cluster import Cluster
    from support.workers import Worker

INDEX = 2
PLANS = ("free", "pro", "team")
TOKEN = "api-token-only-for-this-test"
RULE = (
    "{{name: {name}, definition: engagement, grain: day, index: 2, segment: {{plan: '*'}}, below: {below},"
    " min_group: 10, to: ['slack:#retention']}}"
)


class Plans(Played):
    """A product with three plans; the cohorts of some days do not come back, in some of the plans."""

    def __init__(self, cluster: Cluster, slack: SlackServer) -> None:
        super().__init__(cluster, _file(RULE.format(name="day-2", below=0.5)))
        self.bad: dict[int, tuple[str, ...]] = {}
        cluster.settings |= {
            "rules_interval": 0.2,
            "slack_token": slack.token,
            "slack_url": slack.url,
            "slack_signing_secret": slack.signing_secret,
            "api_token": TOKEN,
        }

    def write_rules(self, *rules: str) -> None:
        self.rules.write_text(_file(*rules))

    def _day(self, day: int) -> Iterator[tuple[bytes, bytes]]:
        for plan in PLANS:
            yield from self._of_plan(plan, day, INDEX, bad=plan in self.bad.get(day - INDEX, ()))

    async def told_of(self) -> list[tuple[str, str, str]]:
        """The lines of the alerts topic that have targets: plan, state, cohort."""
        return [(c["segment"]["plan"], c["state"], c["cohort"][-2:]) for c in await self.changes() if c["to"]]


def _file(*rules: str) -> str:
    return f"quality: off\nrules: [{', '.join(rules)}]"


def asked(worker: Worker, method: str, path: str, body: dict[str, Any] | None = None, token: str = TOKEN) -> Any:
    """The status and the JSON of a request that changes something."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{worker.port}{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


async def test_one_message_for_many_segments_and_each_change_once_over_a_kill(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Plans(cluster, slack)
    product.bad = {3: ("free", "pro"), 4: ("team",)}
    cluster.start(2)
    await cluster.shared_out()
    await product.through(5)
    await servers.eventually(lambda: len(slack.told()) == 2, 60, "both plans to be told")
    (first,) = slack.messages
    assert "plan = free" in json.dumps(first.blocks, ensure_ascii=False) or "free" in first.text
    for worker in cluster.workers:
        worker.kill()
        worker.start()
    await cluster.shared_out()
    await product.through(7)
    changes = await product.told_of()
    assert sorted(changes) == [
        ("free", "firing", "04"), ("free", "resolved", "05"), ("pro", "firing", "04"), ("pro", "resolved", "05"),
        ("team", "firing", "05"), ("team", "resolved", "06"),
    ]  # fmt: skip
    await servers.eventually(lambda: len(slack.told()) == len(changes), 60, "every change to be told")
    assert len(set(slack.told())) == len(changes)
    assert {message.thread_ts for message in slack.messages} == {None, first.ts}
    history = cluster.get("/api/v1/alerts/history?segment=plan:team")
    assert [line["state"] for line in history["history"]] == ["resolved", "firing"]


async def test_a_silence_holds_messages_and_what_still_fires_is_told_when_it_ends(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Plans(cluster, slack)
    product.bad = {3: ("pro", "team"), 4: ("pro",), 5: ("pro",)}
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(4)
    body = {"rule": "day-2", "for": "1h", "reason": "a migration", "author": "ada"}
    assert asked(worker, "POST", "/api/v1/silences", body, "wrong")[0] == 401
    status, answer = asked(worker, "POST", "/api/v1/silences", body)
    assert status == 202
    await servers.eventually(
        lambda: [s["id"] for s in worker.get("/api/v1/silences")["silences"]] == [answer["id"]], 20, "the silence"
    )
    await product.through(6)
    await servers.eventually(
        lambda: [a["held"] for a in worker.get("/api/v1/alerts")["current"]] == ["silenced"], 20, "pro to be held"
    )
    assert slack.posts == 0
    worker.kill()
    worker.start()
    await servers.eventually(lambda: worker.ready, 60, "the worker to be back")
    ended = asked(worker, "DELETE", f"/api/v1/silences/{answer['id']}", {"author": "bob"})
    assert ended[0] == 202
    await servers.eventually(lambda: len(slack.told()) == 1, 30, "what still fires to be told")
    fired = [alert["id"] for alert in worker.get("/api/v1/alerts")["current"]]
    assert slack.told() == fired  # team fired and recovered meanwhile: nobody is told


async def test_a_pressed_button_acknowledges_once_and_the_message_shows_it(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Plans(cluster, slack)
    product.bad = {2: ("pro",), 3: ("pro",)}
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(4)
    await servers.eventually(lambda: slack.messages, 60, "a message")
    address = f"http://127.0.0.1:{worker.port}/slack/actions"
    for _ in range(2):  # Slack posts again what it had no answer to in time
        await slack.press(slack.messages[0], "stream_app_acknowledge", address, action_ts="1700000000.000100")
    await servers.eventually(
        lambda: (worker.get("/api/v1/alerts")["current"][0]["acknowledged"] or {}).get("author"), 30, "the name"
    )
    await servers.eventually(lambda: "cknowledged" in json.dumps(slack.messages[0].blocks), 30, "the message to say so")
    assert len(slack.messages) == 1


async def test_new_rules_are_taken_without_a_restart_and_bad_ones_change_nothing(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Plans(cluster, slack)
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(5)
    product.rules.write_text("rules: [{name: broken, below: 2}]")
    await servers.eventually(
        lambda: worker.get("/readyz")["parts"]["rules"]["state"] == "degraded", 20, "the bad file to be noticed"
    )
    assert "rules[0].grain" in worker.get("/readyz")["parts"]["rules"]["detail"]
    assert slack.posts == 0
    product.write_rules(RULE.format(name="day-2", below=0.5), RULE.format(name="high", below=0.8))
    await servers.eventually(lambda: len(slack.told()) == len(PLANS), 30, "the new rule to fire on what has closed")
    assert len(slack.messages) == 1
    assert worker.get("/readyz")["parts"]["rules"]["state"] == "ok"
    product.write_rules(RULE.format(name="day-2", below=0.5))
    await servers.eventually(lambda: len(slack.told()) == 2 * len(PLANS), 30, "its alerts to be withdrawn")
    await asyncio.to_thread(worker.stop)


async def test_a_figure_that_takes_a_census_is_judged_over_all_workers(cluster: Cluster, slack: SlackServer) -> None:
    product = Plans(cluster, slack)
    product.write_rules(
        "{name: sticky, figure: stickiness, definition: engagement, grain: day, segment: {plan: '*'}, below: 0.99,"
        " min_group: 10, to: ['slack:#retention']}"
    )
    cluster.start(2)
    await cluster.shared_out()
    await product.through(3)
    await servers.eventually(lambda: len(slack.told()) == len(PLANS), 60, "every plan to be told")
    lines = await product.changes()
    answer = cluster.get("/api/v1/stickiness?segment=plan")
    days = {
        (entry["segment"]["plan"], day["date"]): (day["dau"], day["mau"], day["stickiness"])
        for entry in answer["segments"] for day in entry["days"]
    }  # fmt: skip
    fired = [line for line in lines if line["state"] == "firing"]
    assert {line["segment"]["plan"] for line in fired} == set(PLANS)
    for line in fired:
        counted = (line["count"], line["group"], line["value"])
        assert counted == days[line["segment"]["plan"], line["cohort"]]
