"""What is posted to Alertmanagers, when it begins and ends there, and what a member hears that was away."""

from __future__ import annotations

import datetime as dt
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
from support.notify import START, Clock, change, closed, notice, opened, resolved
from support.receivers import Receiver, receiver

from stream_app.domain.alerts import Health, Notice, NoticeKind, Reason, Standing, State
from stream_app.notifiers.alertmanager import ENDED_FOR, TARGET, AlertmanagerNotifier
from stream_app.notifiers.alertmanager_json import alerts
from stream_app.notifiers.base import Misconfigured, OutcomeUnknown, Rejected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TO = {"to": (TARGET,)}


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def cluster() -> AsyncIterator[list[Receiver]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(receiver()) for _ in range(2)]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def notifier(cluster: list[Receiver], clock: Clock) -> AlertmanagerNotifier:
    return AlertmanagerNotifier(",".join(member.url for member in cluster), now=clock)


def ms(text: str) -> float:
    return dt.datetime.fromisoformat(text).timestamp()


def latest(member: Receiver) -> list[dict[str, Any]]:
    return list(member.posts[-1].json)


async def test_every_member_is_told(notifier, cluster):
    await notifier.send(opened(**TO), TARGET)
    assert [post.path for member in cluster for post in member.posts] == ["/api/v2/alerts"] * 2


async def test_what_fires_ends_by_itself_a_day_after_the_last_post(notifier, cluster, clock):
    await notifier.send(opened(**TO), TARGET)
    (alert,) = latest(cluster[0])
    assert ms(alert["endsAt"]) == START + 86_400
    assert alert["startsAt"] == "2026-03-09T00:00:00Z"
    clock.now += 60
    await notifier.refresh([opened(**TO)])
    (alert,) = latest(cluster[0])
    assert ms(alert["endsAt"]) == START + 86_460


async def test_what_has_recovered_ends_where_its_cell_closed(notifier, cluster):
    await notifier.send(closed(2, opened(1, **TO)), TARGET)
    (alert,) = latest(cluster[0])
    assert alert["endsAt"] == "2026-03-13T00:00:00Z"
    assert alert["startsAt"] <= alert["endsAt"]


async def test_an_end_ahead_of_the_clock_is_one_already(notifier, cluster, clock):
    clock.now = ms("2026-03-12T00:00:00Z")
    await notifier.send(closed(2, opened(1, **TO)), TARGET)
    (alert,) = latest(cluster[0])
    assert alert["endsAt"] == alert["startsAt"] == "2026-03-12T00:00:00Z"


async def test_all_of_a_group_is_posted_as_it_stands(notifier, cluster):
    fired = [change(n, segment={"plan": f"p{n}"}, **TO) for n in (1, 2, 3)]
    back = resolved(4, fired[1])
    one = notice(
        back, kind=NoticeKind.CHANGED, root="a", standing=(Standing(fired[0]), Standing(fired[2]), Standing(back))
    )
    await notifier.send(one, TARGET)
    found = {alert["labels"]["plan"]: ms(alert["endsAt"]) > START for alert in latest(cluster[0])}
    assert found == {"p1": True, "p2": False, "p3": True}


def test_labels_are_those_of_the_rule_and_the_segment_wins():
    one = notice(change(segment={"plan": "pro", "team": "x"}), labels=(("team", "growth"), ("severity", "page")))
    (alert,) = alerts(one)
    assert alert.labels == {
        "alertname": "pro-day-7", "rule": "pro-day-7", "plan": "pro", "team": "x", "severity": "page",
    }  # fmt: skip


def test_an_acknowledgement_and_a_silence_are_annotations():
    seen = {"author": "anna", "reason": "looking", "at": 0}
    silence = {"id": "s", "author": "bo", "reason": "launch", "ends": 1_773_100_000_000}
    one = notice(kind=NoticeKind.EDITED, id="e", root="a", standing=(Standing(change(), seen, silence),))
    (alert,) = alerts(one)
    assert alert.annotations["acknowledged"] == "Acknowledged by anna: looking"
    assert alert.annotations["silenced"].endswith("by bo: launch")


def test_what_was_said_of_an_alerts_health_ends_with_a_change_that_is_not_about_it():
    missing = change(1, state=State.INACTIVE, health=Health.NO_DATA, reason=Reason.NO_DATA, value=None, count=None)
    (first,) = (one for one in alerts(notice(missing)) if one.ends is None)
    fired = change(2, at="2026-03-10T00:00:00Z")
    for one in (fired, resolved(3, fired)):
        told = alerts(notice(one, kind=NoticeKind.CHANGED, root="a", over=(missing,)))
        (over,) = (alert for alert in told if "health" in alert.labels)
        assert over.key == first.key
        assert over.ends == 1000 * ms(one.at)
    again = Notice.from_json(notice(fired, over=(missing,)).to_json())
    assert again.over == (missing,)


async def test_alerts_that_cannot_be_written_do_not_keep_the_others_from_being_posted_again(notifier, cluster, caplog):
    for _ in range(2):
        await notifier.refresh([opened(1, at="never", **TO), opened(2, **TO)])
    assert [len(post.json) for post in cluster[0].posts] == [1, 1]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_what_is_only_pending_is_no_alert():
    assert alerts(opened(state=State.PENDING)) == []


async def test_one_member_that_takes_it_is_enough(notifier, cluster, caplog):
    cluster[0].answer(500)
    cluster[0].answer(500)
    await notifier.send(opened(1, **TO), TARGET)
    await notifier.send(opened(2, **TO), TARGET)
    assert len(cluster[1].posts) == 2
    said = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1, "once until it is well again"
    assert "alertmanager (1 of 2): HTTP 500" in said[0].getMessage()


@pytest.mark.parametrize(("status", "kind"), [(500, OutcomeUnknown), (400, Rejected), (404, Misconfigured)])
async def test_where_none_takes_it_it_stays_owed(notifier, cluster, status, kind):
    for member in cluster:
        member.answer(status)
    with pytest.raises(kind, match=r"^alertmanager \(1 of 2\)"):
        await notifier.send(opened(**TO), TARGET)


async def test_an_end_is_posted_again_for_a_while(notifier, cluster, clock):
    await notifier.send(closed(2, opened(1, **TO)), TARGET)
    clock.now += ENDED_FOR - 1
    await notifier.refresh([])
    assert [alert["endsAt"] for alert in latest(cluster[0])] == ["2026-03-13T00:00:00Z"]
    clock.now += 1
    await notifier.refresh([])
    assert len(cluster[0].posts) == 2


async def test_a_member_that_was_away_longer_hears_of_the_end_when_it_is_back(notifier, cluster, clock):
    cluster[0].answers += ["drop_before"] * 2
    await notifier.send(closed(2, opened(1, **TO)), TARGET)
    clock.now += 10 * ENDED_FOR
    await notifier.refresh([])
    clock.now += 10 * ENDED_FOR
    await notifier.refresh([])
    assert [[alert["endsAt"] for alert in post.json] for post in cluster[0].posts] == [["2026-03-13T00:00:00Z"]]
    clock.now += 1
    await notifier.refresh([])
    assert len(cluster[0].posts) == 1, "it knows of it now"


async def test_a_reminder_that_was_overtaken_by_the_end_does_not_fire_again(notifier, cluster):
    first = opened(1, **TO)
    await notifier.send(first, TARGET)
    await notifier.send(closed(2, first), TARGET)
    await notifier.refresh([first])
    assert [alert["endsAt"] for alert in latest(cluster[0])] == ["2026-03-13T00:00:00Z"]


async def test_who_no_longer_tells_does_not_tell_of_ends_either(notifier, cluster):
    await notifier.send(closed(2, opened(1, **TO)), TARGET)
    await notifier.refresh(None)
    await notifier.refresh([])
    assert len(cluster[0].posts) == 1


async def test_what_fires_anew_after_its_end_does(notifier, cluster):
    first = opened(1, **TO)
    again = opened(3, at="2026-03-20T00:00:00Z", **TO)
    await notifier.send(first, TARGET)
    await notifier.send(closed(2, first), TARGET)
    await notifier.refresh([again])
    assert [ms(alert["endsAt"]) > START for alert in latest(cluster[0])] == [True]
    await notifier.send(again, TARGET)
    await notifier.refresh([again])
    assert [ms(alert["endsAt"]) > START for alert in latest(cluster[0])] == [True]


async def test_rules_without_this_target_are_not_posted(notifier, cluster):
    await notifier.refresh([opened(to=("console",))])
    assert cluster[0].posts == []


async def test_a_path_before_the_api_and_a_sign_in_are_kept(cluster):
    url = cluster[0].url.replace("//", "//am:hunter2@") + "/alertmanager/"
    await AlertmanagerNotifier(url, now=Clock()).send(opened(**TO), TARGET)
    (post,) = cluster[0].posts
    assert post.path == "/alertmanager/api/v2/alerts"
    assert post.headers["Authorization"].startswith("Basic ")


async def test_a_check_posts_no_alert_and_names_who_does_not_answer(notifier, cluster):
    cluster[1].answer(404)
    (problem,) = await notifier.check()
    assert problem.startswith("alertmanager (2 of 2): HTTP 404")
    assert latest(cluster[0]) == []
