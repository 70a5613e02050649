from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.notify import Clock, closed, opened

from stream_app.notifiers import (
    Delivery,
    Misconfigured,
    Outbox,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
    Status,
    Unavailable,
)
from stream_app.notifiers.delivery import unserved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stream_app.notifiers import Entry

FAILURES: dict[str, Any] = {
    "rejected": Rejected("refused"),
    "rate_limited": RateLimited("wait", 70.0),
    "unavailable": Unavailable("down"),
    "misconfigured": Misconfigured("no such channel"),
    "unknown_before": OutcomeUnknown("dropped"),
    "unknown_after": OutcomeUnknown("dropped"),
    "crash_before": None,
    "crash_after": None,
}


class Crash(BaseException):
    pass


class Channel:
    """A notifier and what stands in its channel; `script` says what becomes of each call."""

    def __init__(self, script: Iterator[str] | None = None) -> None:
        self.messages: list[tuple[str, Receipt | None]] = []
        self.looked: list[str] = []
        self.script = script or iter(())

    async def send(self, notice_, target: str, *, thread: Receipt | None = None) -> Receipt:
        await asyncio.sleep(0)
        fate = next(self.script, "ok")
        if fate in ("ok", "unknown_after", "crash_after"):
            self.messages.append((notice_.id, thread))
        if fate.startswith("crash"):
            raise Crash
        if fate != "ok":
            raise FAILURES[fate]
        return Receipt(target, f"{len(self.messages)}.0")

    async def find(self, notice_id: str, target: str, *, age: float, thread: Receipt | None = None) -> Receipt | None:
        await asyncio.sleep(0)
        assert age >= 0
        self.looked.append(notice_id)
        fate = next(self.script, "ok")
        if fate.startswith("crash"):
            raise Crash
        if fate not in ("ok", "rejected", "unknown_before", "unknown_after"):
            raise FAILURES[fate]
        for position, (known, _) in enumerate(self.messages, 1):
            if known == notice_id:
                return Receipt(target, f"{position}.0")
        return None


class Process:
    """A delivery over rows that outlive it."""

    def __init__(self, channel: Channel, rows: dict[str, bytes], clock: Clock) -> None:
        self.outcomes: list[tuple[str, str]] = []
        self.rows, self.clock = rows, clock
        outbox = Outbox.from_json({"entries": [orjson.loads(r) for r in rows.values()]})
        self.delivery = Delivery(
            outbox,
            {"slack": channel},
            save=self.save,
            now=clock,
            observe=lambda kind, outcome: self.outcomes.append((kind, outcome)),
        )

    async def save(self, entry: Entry) -> None:
        await asyncio.sleep(0)
        self.rows[entry.key] = orjson.dumps(entry.to_json())

    async def settle(self) -> None:
        for _ in range(200):
            await self.delivery.run_due()
            wake = self.delivery.outbox.wake_at()
            if wake is None:
                return
            self.clock.now = max(self.clock.now, wake)
        raise AssertionError("still owed")


@pytest.fixture
def clock() -> Clock:
    return Clock()


def process(clock: Clock, *fates: str) -> tuple[Process, Channel]:
    channel = Channel(iter(fates))
    return Process(channel, {}, clock), channel


async def test_tells_in_order_and_replies_in_the_thread(clock):
    running, channel = process(clock)
    first = opened(1)
    for one in (first, opened(2), closed(3, first)):
        await running.delivery.owe(one)
    await running.delivery.run_due()
    assert channel.messages == [
        (opened(1).id, None),
        (opened(2).id, None),
        (opened(3).id, Receipt("slack:#retention", "1.0")),
    ]
    assert running.outcomes == [("slack", "sent")] * 3


@pytest.mark.parametrize(
    ("fate", "wait"), [("unavailable", 2), ("rate_limited", 70), ("misconfigured", 2), ("unknown_before", 15)]
)
async def test_waits_after_a_failure_and_then_tells(clock, fate, wait):
    running, channel = process(clock, fate)
    await running.delivery.owe(opened())
    await running.delivery.run_due()
    assert channel.messages == []
    assert running.delivery.outbox.wake_at() == clock.now + wait
    await running.settle()
    assert len(channel.messages) == 1
    assert running.outcomes[-1] == ("slack", "sent")


async def test_an_unknown_outcome_that_is_found_is_not_told_again(clock):
    running, channel = process(clock, "unknown_after")
    await running.delivery.owe(opened())
    await running.settle()
    assert len(channel.messages) == 1
    assert running.outcomes == [("slack", "unknown"), ("slack", "found")]
    assert running.delivery.outbox.entries[0].receipt == Receipt("slack:#retention", "1.0")


async def test_it_is_not_told_again_while_it_cannot_be_looked_for(clock):
    running, channel = process(clock, "unknown_after", "unavailable", "misconfigured", "rate_limited")
    await running.delivery.owe(opened())
    await running.settle()
    assert len(channel.messages) == 1
    assert len(channel.looked) == 4


async def test_a_refusal_for_good_is_an_error_in_the_log_and_lets_the_next_pass(clock, caplog):
    running, channel = process(clock, "rejected")
    await running.delivery.owe(opened(1))
    await running.delivery.owe(opened(2))
    await running.delivery.run_due()
    assert [m[0] for m in channel.messages] == [opened(2).id]
    assert [r.levelno for r in caplog.records if "is lost" in r.message] == [logging.ERROR]


async def test_a_long_outage_fills_no_log(clock, caplog):
    running, _ = process(clock, *["misconfigured"] * 20)
    await running.delivery.owe(opened())
    await running.settle()
    assert [r.levelno for r in caplog.records if "still owed" in r.message] == [logging.ERROR]


async def test_a_target_without_a_notifier_stays_owed_and_says_what_to_set(clock, caplog):
    running, _ = process(clock)
    running.delivery._notifiers = {}
    for target in ("slack:#a", "webhook:crm", "email:a@b.example", "alertmanager"):
        await running.delivery.owe(opened(to=(target,)))
    await running.delivery.run_due()
    assert [e.status for e in running.delivery.outbox.open] == [Status.OWED] * 4
    for setting in ("set slack_token", "the setting webhooks", "set smtp_url and smtp_from", "set alertmanager_url"):
        assert setting in caplog.text


def test_targets_that_nothing_serves_are_named_with_what_to_set():
    assert unserved(["console", "slack:#a", "pager:x"], {"console"}) == [
        "slack:#a: no notifier is configured for it; set slack_token",
        "pager:x: no notifier is configured for it; correct `to` in the rules",
    ]


async def test_a_slow_target_does_not_hold_up_another(clock):
    running, channel = process(clock)
    gate = asyncio.Event()

    class Slow(Channel):
        async def send(self, *args, **kwargs):
            await gate.wait()
            return await super().send(*args, **kwargs)

    slow = Slow()
    running.delivery._notifiers = {"slack": slow, "console": channel}
    for number in range(3):
        await running.delivery.owe(opened(number, to=("slack:#a", "console")))
    task = asyncio.create_task(running.delivery.run_due())
    async with asyncio.timeout(10):
        while len(channel.messages) < 3:
            await asyncio.sleep(0)
    assert slow.messages == []
    gate.set()
    await task
    assert len(slow.messages) == 3


async def test_what_is_owed_or_due_again_while_a_target_hangs_does_not_wait_for_it(clock):
    running, channel = process(clock, "ok", "rate_limited")
    gate = asyncio.Event()

    class Hanging(Channel):
        async def send(self, *args, **kwargs):
            await gate.wait()
            return await super().send(*args, **kwargs)

    hanging = Hanging()
    running.delivery._notifiers = {"slack": hanging, "console": channel}
    running.delivery._look_every = 0.001
    await running.delivery.owe(opened(1, to=("slack:#a", "console")))
    delivering = asyncio.create_task(running.delivery.run_due())
    async with asyncio.timeout(10):
        while not channel.messages:
            await asyncio.sleep(0)
        await running.delivery.owe(opened(2, to=("console",)))
        while ("console", "rate_limited") not in running.outcomes:
            await asyncio.sleep(0)
        clock.now += 70
        while len(channel.messages) < 2:
            await asyncio.sleep(0)
    assert hanging.messages == []
    gate.set()
    await delivering
    assert [notice_id for notice_id, _ in hanging.messages] == [opened(1).id]


async def test_being_cancelled_in_the_middle_of_a_post_leaves_it_to_be_looked_for(clock):
    running, channel = process(clock)
    started = asyncio.Event()

    class Hanging(Channel):
        async def send(self, notice_, target, *, thread=None):
            self.messages.append((notice_.id, thread))
            started.set()
            await asyncio.Event().wait()

    hanging = Hanging()
    running.delivery._notifiers = {"slack": hanging}
    await running.delivery.owe(opened())
    task = asyncio.create_task(running.delivery.run_due())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    channel.messages = hanging.messages
    again = Process(channel, running.rows, clock)
    await again.settle()
    assert len(channel.messages) == 1
    assert again.outcomes == [("slack", "found")]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(["ok", *FAILURES]), max_size=25), st.integers(1, 4))
def test_whatever_fails_and_whenever_it_crashes_each_notice_is_told_once_and_in_order(fates, count):
    async def play() -> None:
        clock, rows, channel = Clock(), {}, Channel(iter(fates))
        running = Process(channel, rows, clock)
        for _ in range(len(fates) + 1):
            try:
                for number in range(count):  # the topic is read again from its beginning
                    await running.delivery.owe(opened(number, to=("slack:#a",)))
                await running.settle()
                break
            except Crash:
                clock.now += 1
                running = Process(channel, rows, clock)
        told = [notice_id for notice_id, _ in channel.messages]
        refused = [e.id for e in running.delivery.outbox.entries if e.status is Status.REJECTED]
        assert running.delivery.outbox.open == ()
        assert sorted(told + refused) == [opened(n).id for n in range(count)]
        assert told == sorted(told)

    asyncio.run(play())


async def test_a_search_that_is_limited_waits_as_long_as_is_asked(clock):
    running, _ = process(clock, "unknown_after", "rate_limited")
    await running.delivery.owe(opened())
    await running.delivery.run_due()
    clock.now += 15
    await running.delivery.run_due()
    assert running.delivery.outbox.wake_at() == clock.now + 70


async def test_after_an_unforeseen_error_the_same_process_goes_on_by_looking(clock):
    running, channel = process(clock, "crash_after")
    await running.delivery.owe(opened())
    with pytest.raises(Crash):
        await running.delivery.run_due()
    await running.settle()
    assert len(channel.messages) == 1
    assert running.outcomes == [("slack", "found")]


class Broken(Channel):
    """A notifier with an error: it cannot write some messages, and cannot look for others."""

    def __init__(self, *unwritable: str, unreadable: bool = False, error: type[Exception] = ValueError) -> None:
        super().__init__()
        self.unwritable, self.unreadable, self.error = unwritable, unreadable, error

    async def send(self, notice_, target, *, thread=None):
        if notice_.id in self.unwritable:
            raise self.error("hunter2 is no number")
        return await super().send(notice_, target, thread=thread)

    async def find(self, *args, **kwargs):
        if self.unreadable:
            raise KeyError("hunter2")
        return await super().find(*args, **kwargs)


@pytest.mark.parametrize("unreadable", [False, True])
async def test_a_message_that_an_error_of_ours_keeps_from_going_out_is_given_up_and_the_next_passes(
    clock, caplog, unreadable
):
    running, _ = process(clock)
    broken = Broken(opened(1).id, unreadable=unreadable)
    running.delivery._notifiers = {"slack": broken}
    await running.delivery.owe(opened(1))
    await running.delivery.owe(opened(2))
    await running.settle()
    assert [told for told, _ in broken.messages] == [opened(2).id]
    assert [outcome for _, outcome in running.outcomes] == ["unknown", "unknown", "rejected", "sent"]
    lost, sent = running.delivery.outbox.entries
    assert (lost.status, sent.status) == (Status.REJECTED, Status.SENT)
    said = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.getMessage().split(":")[0].split(" ", 2)[2] for record in said] == [
        "is still owed", "is still owed", "is lost, it was tried 3 times",
    ]  # fmt: skip
    assert "ValueError in test_delivery.py:" in said[0].getMessage()
    assert "hunter2" not in caplog.text + str(lost.note)


async def test_an_error_of_ours_that_passes_loses_nothing(clock):
    running, _ = process(clock)
    broken = Broken(opened().id)
    running.delivery._notifiers = {"slack": broken}
    await running.delivery.owe(opened())
    await running.delivery.run_due()
    broken.unwritable = ()
    await running.settle()
    assert [told for told, _ in broken.messages] == [opened().id]


async def test_an_error_of_the_system_is_never_given_up(clock):
    running, _ = process(clock)
    broken = Broken(opened().id, error=ConnectionError)
    running.delivery._notifiers = {"slack": broken}
    await running.delivery.owe(opened())
    for _ in range(10):
        await running.delivery.run_due()
        clock.now += 3600
    assert not broken.messages
    broken.unwritable = ()
    await running.settle()
    assert [told for told, _ in broken.messages] == [opened().id]


async def test_what_took_too_long_to_store_is_not_posted_but_looked_for(clock):
    running, channel = process(clock)
    running.delivery._post_within = 0.0
    await running.delivery.owe(opened())
    await running.delivery.run_due()
    assert channel.messages == []
    assert running.outcomes == [("slack", "unknown")]
    running.delivery._post_within = 10.0
    await running.settle()
    assert len(channel.messages) == 1
    assert channel.looked == [opened().id]


async def test_a_post_that_is_not_answered_in_time_is_given_up_and_looked_for(clock):
    running, channel = process(clock)

    class Hanging(Channel):
        async def send(self, notice_, target, *, thread=None):
            self.messages.append((notice_.id, thread))
            await asyncio.Event().wait()

    hanging = Hanging()
    running.delivery._notifiers, running.delivery._post_within = {"slack": hanging}, 0.01
    await running.delivery.owe(opened())
    await running.delivery.run_due()
    assert running.outcomes == [("slack", "unknown")]
    assert running.delivery.outbox.wake_at() == clock.now + 15
    await running.settle()
    assert len(hanging.messages) == 1
    assert channel.messages == []


async def test_a_process_that_was_frozen_while_it_connected_posts_nothing_when_it_goes_on(clock):
    """The connection is there and the deadline over when it goes on; were it to write now, a successor could have."""
    running, _ = process(clock)
    near, far = socket.socketpair()
    near.setblocking(False)

    class Connecting(Channel):
        async def send(self, notice_, target, *, thread=None):
            await asyncio.get_running_loop().sock_recv(near, 1)
            self.messages.append((notice_.id, thread))
            return Receipt(target, "1")

    def freeze() -> None:
        far.send(b"x")  # the connection stands just now
        time.sleep(0.05)  # a process that is stopped runs nothing

    connecting = Connecting()
    running.delivery._notifiers, running.delivery._post_within = {"slack": connecting}, 0.03
    await running.delivery.owe(opened())
    delivering = asyncio.create_task(running.delivery.run_due())
    await asyncio.sleep(0.01)
    asyncio.get_running_loop().call_soon(freeze)
    await delivering
    assert connecting.messages == []
    assert running.outcomes == [("slack", "unknown")]
    near.close()
    far.close()
