"""What every notifier promises. A new one joins by a harness in `support.notifiers` or `support.receivers`.

A receiver that cannot be asked what it has (`findable` is False) is sent a repeat under the same identity. It is told
once where it drops what it has, and the harnesses count so.
"""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

import orjson
import pytest
from support import receivers
from support.notifiers import Harness, harness
from support.notify import Clock, closed, opened

from stream_app.notifiers import Delivery, NotifierError, Outbox, OutcomeUnknown, Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from stream_app.notifiers import Entry


@pytest.fixture(params=["console", "slack", *receivers.HARNESSES])
async def subject(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)  # slack_sdk sends everything through them, also to loopback
    made = receivers.harness if request.param in receivers.HARNESSES else harness
    async for one in made(request.param):
        yield one


class Store:
    """What survives a crash: entries by key, as JSON."""

    def __init__(self) -> None:
        self.rows: dict[str, bytes] = {}
        self.fail_at: Status | None = None

    async def save(self, entry: Entry) -> None:
        if self.fail_at is not None and entry.status is self.fail_at:
            self.fail_at = None
            raise ConnectionError("the store is gone")
        self.rows[entry.key] = orjson.dumps(entry.to_json())

    def load(self) -> Outbox:
        return Outbox.from_json({"entries": [orjson.loads(row) for row in self.rows.values()]})


def delivery(subject: Harness, store: Store, clock: Clock, notifier=None) -> Delivery:
    kind = subject.target.partition(":")[0]
    return Delivery(store.load(), {kind: notifier or subject.restart()}, save=store.save, now=clock)


async def settle(running: Delivery, clock: Clock) -> None:
    """Lets time pass until nothing is owed."""
    for _ in range(20):
        await running.run_due()
        wake = running.outbox.wake_at()
        if wake is None:
            return
        clock.now = max(clock.now, wake)
    raise AssertionError(f"still owed: {running.outbox.open}")


def findable(subject: Harness) -> bool:
    return getattr(subject, "findable", True)


async def test_tells_once_and_says_where(subject: Harness):
    one = opened(to=(subject.target,))
    receipt = await subject.notifier.send(one, subject.target)
    assert receipt.ts
    assert subject.told(one.id, one.rule) == 1
    assert await subject.notifier.find(one.id, subject.target) == (receipt if findable(subject) else None)


async def test_finds_nothing_where_nothing_was_told(subject: Harness):
    assert await subject.notifier.find(opened(7).id, subject.target) is None


async def test_a_reply_is_told_and_found_too(subject: Harness):
    first = await subject.notifier.send(opened(1), subject.target)
    done = closed(2, opened(1), rule="the-reply")
    receipt = await subject.notifier.send(done, subject.target, thread=first)
    assert subject.told(done.id, done.rule) == 1
    found = await subject.notifier.find(done.id, subject.target, thread=first)
    assert found == (receipt if findable(subject) else None)


async def test_says_that_the_outcome_is_unknown_when_the_connection_drops(subject: Harness):
    subject.drop_after_accepting()
    with pytest.raises(OutcomeUnknown):
        await subject.notifier.send(opened(), subject.target)
    assert subject.told(opened().id, opened().rule) == 1
    assert (await subject.notifier.find(opened().id, subject.target) is not None) == findable(subject)


@pytest.mark.parametrize("dropped", ["after", "before"])
async def test_never_tells_twice_when_the_connection_drops(subject: Harness, dropped: str):
    store, clock = Store(), Clock()
    running = delivery(subject, store, clock)
    getattr(subject, f"drop_{dropped}_accepting")()
    await running.owe(opened(to=(subject.target,)))
    await settle(running, clock)
    assert subject.told(opened().id, opened().rule) == 1
    assert running.outbox.entries[0].status is Status.SENT
    assert running.outbox.entries[0].receipt is not None


class _Crash(BaseException):
    """The process is gone: nothing after it runs."""


class _CrashingNotifier:
    def __init__(self, inner, where: str) -> None:
        self.inner, self.where = inner, where

    async def send(self, *args, **kwargs):
        if self.where == "intent stored":
            raise _Crash
        await self.inner.send(*args, **kwargs)
        raise _Crash


@pytest.mark.parametrize("where", ["intent stored", "post accepted", "result not stored", "intent not stored"])
async def test_a_crash_at_any_point_tells_once(subject: Harness, where: str):
    store, clock = Store(), Clock()
    first = delivery(subject, store, clock)
    if where in ("intent stored", "post accepted"):
        first = delivery(subject, store, clock, _CrashingNotifier(subject.notifier, where))
    await first.owe(opened(to=(subject.target,)))
    store.fail_at = {"result not stored": Status.SENT, "intent not stored": Status.POSTING}.get(where)
    with pytest.raises((_Crash, ConnectionError)):
        await first.run_due()

    clock.now += 1
    second = delivery(subject, store, clock)
    await second.owe(opened(to=(subject.target,)))  # the change is read again too
    await settle(second, clock)
    assert second.outbox.entries[0].status is Status.SENT
    # What a terminal shows cannot be dropped by its reader.
    twice = where in ("post accepted", "result not stored") and findable(subject) and not subject.findable_after_crash
    assert subject.told(opened().id, opened().rule) == (2 if twice else 1)


async def test_leaks_no_secret(subject: Harness, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture):
    caplog.set_level(logging.DEBUG)
    seen = [repr(subject.notifier), str(vars(subject.notifier))]
    for fault in (lambda: None, subject.drop_after_accepting, subject.drop_before_accepting):
        fault()
        try:
            await subject.notifier.send(opened(), subject.target)
        except NotifierError as error:
            seen += [repr(error), *traceback.format_exception(error)]
    try:
        await subject.notifier.send(opened(), "slack:#nowhere")
    except NotifierError as error:
        seen += [repr(error), *traceback.format_exception(error)]
    captured = capsys.readouterr()
    seen += [caplog.text, captured.out, captured.err]
    assert subject.secret not in "\n".join(seen)
