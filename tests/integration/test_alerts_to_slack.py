"""From events in Kafka to messages in Slack: each change is told exactly once, whatever fails in between."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from typing import TYPE_CHECKING

import pytest
import servers
from slack_server import SlackServer
from support import product
from support.product import FIRED, RESOLVED, USERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from support.cluster import Cluster
    from support.workers import Worker


class Product(product.Product):
    """The product, whose alerts go to Slack."""

    def __init__(self, cluster: Cluster, slack: SlackServer, channels: Iterable[str] = ("retention",)) -> None:
        super().__init__(cluster, [f"slack:#{name}" for name in channels])
        self.slack = slack
        cluster.settings |= {"slack_token": slack.token, "slack_url": slack.url}

    async def told(self, count: int, timeout: float = 60) -> None:
        """Waits until the workers say that so many notifications are delivered."""
        workers = self.cluster.workers
        await servers.eventually(
            lambda: sum(notified(w, "sent") + notified(w, "found") for w in workers if w.running) == count,
            timeout,
            f"{count} notifications to be delivered",
        )

    @property
    def messages(self) -> list[tuple[str, str | None, str | None]]:
        return [(m.channel, m.notice, m.thread_ts) for m in self.slack.messages]


def notified(worker: Worker, outcome: str) -> int:
    """Notifications of this outcome, by the worker's own metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    found = re.search(
        rf'^stream_app_notifications_total\{{outcome="{outcome}",target_kind="slack"\}} (\S+)$', text, re.M
    )
    return int(float(found[1])) if found else 0


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with SlackServer() as server:
        yield server


async def test_a_drop_and_its_end_are_one_message_and_one_reply_over_a_restart(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Product(cluster, slack)
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(FIRED - 1)
    assert slack.posts == 0

    await product.through(FIRED)
    await product.told(1)
    (fired,) = await product.changes()
    assert (fired["state"], fired["rule"], fired["segment"]) == ("firing", "day-7", {"plan": "pro"})
    assert (fired["value"], fired["group"]) == (0.0, USERS)
    assert fired["cohort"] == "2024-01-04"
    assert product.messages == [("C00000001", fired["id"], None)]
    assert "plan = pro" in json.dumps(slack.messages[0].blocks)
    assert [alert["id"] for alert in worker.get("/api/v1/alerts")["current"]] == [fired["id"]]

    assert await asyncio.to_thread(worker.stop) == 0
    worker.start()
    await servers.eventually(lambda: worker.ready, 30, "the worker to be back")
    assert [alert["id"] for alert in worker.get("/api/v1/alerts")["current"]] == [fired["id"]]
    await product.through(RESOLVED)
    await product.told(1)  # by this process
    again, resolved = await product.changes()
    assert again == fired
    assert resolved["state"] == "resolved"
    assert product.messages == [("C00000001", fired["id"], None), ("C00000001", resolved["id"], slack.messages[0].ts)]
    assert worker.get("/api/v1/alerts")["current"] == []


async def test_whatever_slack_answers_each_channel_gets_each_change_once(cluster: Cluster, slack: SlackServer) -> None:
    ways = ("429", "500", "500_after", "internal_error", "drop_before", "drop_after", "garbage_after", "hang_after")
    slack.channels = {f"c{i}": f"C0000000{i}" for i in range(len(ways))}
    slack.retry_after = "1"
    slack.fail(*ways)  # the first post to each channel
    product = Product(cluster, slack, slack.channels)
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(FIRED)
    await servers.eventually(lambda: slack.posts >= len(ways), 30, "every channel to be posted to")
    await product.through(RESOLVED)  # nothing waits for Slack
    # A post that hangs is given up after 10 s and looked for 15 s later: half a minute, and more on a busy machine.
    await product.told(2 * len(ways), 120)
    fired, resolved = [change["id"] for change in await product.changes()]
    assert sorted(m for m in product.messages if m[1] == fired) == [(c, fired, None) for c in slack.channels.values()]
    first = {m.channel: m.ts for m in slack.messages if m.notice == fired}
    assert sorted(m for m in product.messages if m[1] == resolved) == [
        (c, resolved, ts) for c, ts in sorted(first.items())
    ]
    assert notified(worker, "found") == 5  # those that were accepted and not answered
    assert "Traceback" not in worker.log


async def test_a_worker_killed_after_slack_accepted_does_not_post_again(cluster: Cluster, slack: SlackServer) -> None:
    slack.fail("hang_after")
    product = Product(cluster, slack)
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(FIRED - 1)
    playing = asyncio.create_task(product.through(FIRED))
    await servers.eventually(lambda: slack.messages, 60, "Slack to accept")
    worker.kill()
    worker.start()
    await playing
    await product.told(1)
    assert notified(worker, "found") == 1
    ids = {change["id"] for change in await product.changes()}
    assert [m[1] for m in product.messages] == [*ids]

    await product.through(RESOLVED)
    await product.told(2)
    first, reply = product.messages
    assert reply[2] == slack.messages[0].ts
    assert {change["id"] for change in await product.changes()} == {first[1], reply[1]}


async def test_counting_goes_on_while_slack_is_down_and_what_is_owed_is_told_when_it_is_back(
    cluster: Cluster, slack: SlackServer
) -> None:
    product = Product(cluster, slack)
    (worker,) = cluster.start()
    await cluster.shared_out()
    await product.through(FIRED - 1)
    await slack.stop()
    await product.through(FIRED)
    await servers.eventually(lambda: notified(worker, "unavailable") >= 1, 30, "a post to fail")
    await product.through(RESOLVED)
    worker.kill()  # what is owed outlives the worker, too
    worker.start()
    await slack.start()
    await product.told(2)
    fired, resolved = await product.changes()
    assert product.messages == [("C00000001", fired["id"], None), ("C00000001", resolved["id"], slack.messages[0].ts)]
