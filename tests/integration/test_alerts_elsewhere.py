"""From events in Kafka to a webhook, a mailbox and Debian's Alertmanager at once, over a worker that is killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
import servers
from support.product import FIRED, RESOLVED, USERS, Product
from support.receivers import SECRET, SENDER, mail_server, receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.cluster import Cluster

TARGETS = ("webhook:crm", "email:growth@example.com", "alertmanager")


async def test_a_drop_and_its_end_reach_every_target(
    cluster: Cluster, alertmanager_server: Callable[..., servers.AlertmanagerServer]
) -> None:
    alertmanager = alertmanager_server({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]})
    product = Product(cluster, TARGETS, "labels: {severity: page}, note: see the runbook")
    async with receiver() as hook, mail_server("plain") as mail:
        cluster.settings |= {
            "webhooks": orjson.dumps([{"name": "crm", "url": hook.url, "secret": SECRET}]).decode(),
            "smtp_url": f"smtp+plain://127.0.0.1:{mail.port}",
            "smtp_from": SENDER,
            "alertmanager_url": alertmanager.url,
        }
        hook.answer(500)  # the first post
        (worker,) = cluster.start()
        await cluster.shared_out()
        await product.through(FIRED)

        await servers.eventually(alertmanager.alerts, 60, "the alert to fire in Alertmanager")
        (alert,) = alertmanager.alerts()
        assert {"alertname": "day-7", "plan": "pro", "severity": "page"}.items() <= alert["labels"].items()
        await servers.eventually(lambda: mail.messages, 60, "the mail")
        await servers.eventually(lambda: hook.posts, 60, "the post that is tried again")
        (fired,) = await product.changes()
        (told,) = hook.posts
        assert told.json["type"] == "alert.opened"
        assert told.headers["webhook-id"] == fired["id"]
        assert [change["id"] for change in told.json["data"]["changes"]] == [fired["id"]]
        assert (told.json["data"]["changes"][0]["group"], told.json["data"]["note"]) == (USERS, "see the runbook")

        worker.kill()
        worker.start()
        await servers.eventually(lambda: worker.ready, 60, "the worker to be back")
        await product.through(RESOLVED)
        await servers.eventually(lambda: not alertmanager.alerts(), 60, "the alert to end in Alertmanager")
        await servers.eventually(lambda: len(mail.messages) == 2, 60, "the second mail")
        await servers.eventually(lambda: len(hook.posts) == 2, 60, "the second post")
        fell, back = mail.messages
        assert back["In-Reply-To"] == fell["Message-ID"]
        assert [part.get_content_type() for part in fell.walk()].count("image/png") == 1
        closed = hook.posts[1].json
        assert (closed["type"], closed["data"]["group"]) == ("alert.closed", fired["id"])
        assert "Traceback" not in worker.log
        assert SECRET not in worker.log
