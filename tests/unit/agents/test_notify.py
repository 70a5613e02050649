"""The outbox of each tenure: what is owed, and that a former tenure does not come in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from support.judging import Broker
from support.notify import Clock, opened

from stream_app.agents.alert_rows import HISTORY_TABLE
from stream_app.agents.alert_rows import TABLE as STATES
from stream_app.agents.notify import TABLE, Notify
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Tables, Tenure
from stream_app.notifiers.base import Receipt


class Slow:
    """A target that takes its time, and counts."""

    def __init__(self) -> None:
        self.posts: Counter[str] = Counter()

    async def send(self, notice: Any, target: str, **_: Any) -> Receipt:
        self.posts[notice.id] += 1
        for _turn in range(20):
            await asyncio.sleep(0)
        return Receipt("C", notice.id)

    async def find(self, notice_id: str, target: str, **_: Any) -> Receipt | None:
        return Receipt("C", notice_id) if self.posts[notice_id] else None


async def test_a_judgement_of_an_ended_tenure_owes_nothing_and_nothing_is_posted_twice():
    broker, slow, clock = Broker(), Slow(), Clock()
    tables = Tables(
        {STATES: "states", HISTORY_TABLE: "history", TABLE: "outbox"},
        ledger=broker.ledger, read=broker.read, fail=print,
    )  # fmt: skip
    notify = Notify(tables, {"slack": slow}, clock, lambda *_: None)  # type: ignore[dict-item]
    tables.on_assigned(True, 1)
    first: Tenure = await tables.taken()
    notices = [opened(number) for number in range(5)]
    await first.write(notify.owe(first, notices))
    tables.on_assigned(False, 2)
    tables.on_assigned(True, 5)
    assert await tables.taken() is not first
    delivering = asyncio.create_task(notify.deliver())
    while not slow.posts:
        await asyncio.sleep(0)
    with pytest.raises(Fenced):
        notify.owe(first, [])
    assert len(notify.owed) == 5  # as the watch asks each second
    await delivering
    clock.now += 20
    await notify.deliver()
    assert slow.posts == Counter(notice.id for notice in notices)
    assert notify.owed == []
