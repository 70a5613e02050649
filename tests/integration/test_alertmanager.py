"""Against Debian's Alertmanager: what fires there, what its receivers are told, what is left after a restart."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import servers
from support.notify import change, notice, resolved
from support.receivers import Receiver, receiver

from stream_app.domain.alerts import Health, NoticeKind, Reason, Standing, State
from stream_app.notifiers.alertmanager import TARGET, AlertmanagerNotifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from stream_app.domain.alerts import Notice

    Start = Callable[[Mapping[str, Any]], servers.AlertmanagerServer]

LABELS = (("severity", "page"), ("team", "growth"))


@pytest.fixture
async def told() -> AsyncIterator[Receiver]:
    """Whom Alertmanager tells."""
    async with receiver() as made:
        yield made


@pytest.fixture
def server(alertmanager_server: Start, told: Receiver) -> servers.AlertmanagerServer:
    route = {"receiver": "hook", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"}
    hook = {"name": "hook", "webhook_configs": [{"url": f"{told.url}/", "send_resolved": True}]}
    return alertmanager_server({"route": route, "receivers": [hook]})


def instant(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def fell(number: int, **fields: Any) -> Any:
    return change(number, **({"at": instant(time.time() - 3600), "to": (TARGET,)} | fields))


def of(*changes: Any, **fields: Any) -> Notice:
    return notice(*changes, **({"labels": LABELS, "to": (TARGET,)} | fields))


async def firing(server: servers.AlertmanagerServer) -> dict[str, dict[str, Any]]:
    return {alert["labels"].get("plan", ""): alert for alert in server.alerts()}


async def test_a_drop_fires_there_and_its_end_ends_it_and_its_receivers_hear_of_both(server, told):
    notifier = AlertmanagerNotifier(server.url, now=time.time, public_url="https://r.example")
    first = of(fell(1, segment={"plan": "pro"}), fell(2, segment={"plan": "free"}), note="see the runbook")
    await notifier.send(first, TARGET)
    await servers.eventually(lambda: told.posts, what="Alertmanager to tell of the firing")
    alerts = await firing(server)
    assert set(alerts) == {"pro", "free"}
    pro = alerts["pro"]
    assert pro["labels"] == {
        "alertname": "pro-day-7", "rule": "pro-day-7", "plan": "pro", "severity": "page", "team": "growth",
    }  # fmt: skip
    assert pro["annotations"]["summary"] == "Retention fell: pro-day-7"
    assert pro["annotations"]["description"] == (
        "Day-7 retention of plan = pro fell to 21.0 %, 9.0 points below the threshold of 30.0 %."
    )
    assert pro["annotations"]["note"] == "see the runbook"
    assert pro["startsAt"].startswith(first.at.removesuffix("Z"))
    assert pro["generatorURL"].startswith("https://r.example/#")

    back = resolved(3, first.changes[0], at=instant(time.time() - 5))
    rest = of(back, kind=NoticeKind.CHANGED, root=first.id, standing=(Standing(first.changes[1]), Standing(back)))
    await notifier.send(rest, TARGET)
    assert set(await firing(server)) == {"free"}

    def ended() -> bool:
        heard = [alert for post in told.posts for alert in post.json["alerts"]]
        return any(alert["status"] == "resolved" and alert["labels"]["plan"] == "pro" for alert in heard)

    await servers.eventually(ended, what="Alertmanager to tell of the end")


async def test_posting_again_changes_nothing(server, told):
    notifier = AlertmanagerNotifier(server.url, now=time.time)
    one = of(fell(1))
    await notifier.send(one, TARGET)
    before = server.alerts()
    await notifier.send(one, TARGET)
    await notifier.refresh([one])
    (after,) = server.alerts()
    assert (after["fingerprint"], after["startsAt"]) == (before[0]["fingerprint"], before[0]["startsAt"])


async def test_after_a_restart_it_is_reminded_of_what_fires_and_not_of_what_has_ended(server):
    notifier = AlertmanagerNotifier(server.url, now=time.time)
    stays, ends = fell(1, segment={"plan": "pro"}), fell(2, segment={"plan": "free"})
    back = resolved(3, ends, at=instant(time.time() - 5))
    await notifier.send(of(stays, ends), TARGET)
    await notifier.send(of(back, kind=NoticeKind.CHANGED, standing=(Standing(stays), Standing(back))), TARGET)
    server.kill()
    await notifier.refresh([of(stays)])  # nobody there: it is in the log
    server.start()
    assert await firing(server) == {}
    await notifier.refresh([of(stays)])
    assert set(await firing(server)) == {"pro"}


async def test_a_member_that_was_away_hears_of_an_end(alertmanager_server, told):
    config = {"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}
    near, far = alertmanager_server(config), alertmanager_server(config)
    notifier = AlertmanagerNotifier(f"{near.url},{far.url}", now=time.time)
    first = fell(1)
    await notifier.send(of(first), TARGET)
    assert len(near.alerts()) == len(far.alerts()) == 1
    # Away, and not restarted: it still knows of the firing.
    members = notifier._members
    notifier._members = (members[0], type(members[1])(f"http://127.0.0.1:{servers.free_port()}"))
    await notifier.send(of(resolved(2, first, at=instant(time.time() - 5)), kind=NoticeKind.CLOSED), TARGET)
    await notifier.refresh([])
    assert (near.alerts(), len(far.alerts())) == ([], 1)
    notifier._members = members
    await notifier.refresh([])
    assert far.alerts() == []


async def test_what_cannot_be_judged_is_an_alert_apart(server):
    notifier = AlertmanagerNotifier(server.url, now=time.time)
    fired = fell(1)
    missing = replace(fired, id="2" * 32, health=Health.NO_DATA, reason=Reason.NO_DATA, value=None)
    await notifier.send(of(fired), TARGET)
    await notifier.send(of(missing, kind=NoticeKind.CHANGED), TARGET)
    shown = [(a["labels"].get("health"), a["annotations"]["summary"]) for a in server.alerts()]
    assert sorted(shown, key=str) == [
        ("no_data", "Retention has no data: pro-day-7"),
        (None, "Retention has no data: pro-day-7"),
    ]
    back = replace(missing, id="3" * 32, health=Health.OK, reason=Reason.DATA_BACK, at=instant(time.time() - 5))
    await notifier.send(of(back, kind=NoticeKind.CHANGED), TARGET)
    (left,) = server.alerts()
    assert "health" not in left["labels"]


async def test_a_segment_whose_name_and_value_are_of_any_sign_is_one_alert(server):
    notifier = AlertmanagerNotifier(server.url, now=time.time)
    odd = {"sign-up plan": 'a"b\\c\n{}', "rule": "x", "1st": "ü"}
    first = fell(1, segment=odd)
    await notifier.send(of(first), TARGET)
    (alert,) = server.alerts()
    assert alert["labels"]["sign_up_plan"] == 'a"b\\c\n{}'
    assert (alert["labels"]["rule"], alert["labels"]["segment_rule"], alert["labels"]["_1st"]) == (
        "pro-day-7",
        "x",
        "ü",
    )
    over = resolved(2, first, at=instant(time.time() - 5), state=State.INACTIVE, reason=Reason.RULE_REMOVED)
    await notifier.send(of(over, kind=NoticeKind.CLOSED), TARGET)
    assert server.alerts() == []


async def test_a_check_changes_nothing(server):
    assert await AlertmanagerNotifier(server.url, now=time.time).check() == []
    assert server.alerts() == []
