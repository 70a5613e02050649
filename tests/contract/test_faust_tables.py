"""Faust's tables, as `engine.tables.DurableTable` uses them."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from faust.tables.base import Collection
from faust.tables.table import Table
from faust.types import TP

from stream_app.engine.app import ServiceApp
from stream_app.engine.tables import DurableTable
from stream_app.engine.topics import Topics


def test_changes_go_through_partition_for_key_and_send_changelog():
    for name in ("on_key_set", "on_key_del"):
        source = inspect.getsource(getattr(Table, name))
        assert "self.send_changelog(" in source, f"Table.{name} no longer sends its change by send_changelog()"
        assert "self.partition_for_key(key)" in source, f"Table.{name} no longer asks partition_for_key()"
    names = list(inspect.signature(Collection.send_changelog).parameters)
    assert names == ["self", "partition", "key", "value", "key_serializer", "value_serializer"]
    assert list(inspect.signature(Collection.on_rebalance).parameters) == list(
        inspect.signature(DurableTable.on_rebalance).parameters
    )


class Sent(asyncio.Future):
    """A change on its way, as Faust's FutureMessage: it is written when the test says so."""

    def __init__(self, partition: int) -> None:
        super().__init__()
        self.message = SimpleNamespace(partition=partition)


class ChangelogTopic:
    """Takes the changes of a table."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any, int]] = []
        self.futures: list[Sent] = []

    def send_soon(self, *, key: Any, value: Any, partition: int, **_: Any) -> Sent:
        self.sent.append((key, value, partition))
        self.futures.append(Sent(partition))
        return self.futures[-1]

    def get_topic_name(self) -> str:
        return "contract-table-changelog"


@pytest.fixture
def table() -> DurableTable:
    names = Topics("visits", "purchases", "changelog", "partials", "closings", "alerts", "dead-letters")
    app = ServiceApp("contract", names, broker="kafka://127.0.0.1:1")
    made = DurableTable(app, name="table", partitions=1)
    made.changelog_topic = ChangelogTopic()
    return made


async def test_durable_waits_for_the_changes_themselves(table: DurableTable) -> None:
    table["a"] = {"state": "firing"}  # outside of a stream: no current event is needed
    del table["a"]
    assert table.changelog_topic.sent == [("a", {"state": "firing"}, 0), ("a", None, 0)]
    waiting = asyncio.create_task(table.durable())
    table.changelog_topic.futures[0].set_result(None)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    table.changelog_topic.futures[1].set_result(None)
    await waiting
    await asyncio.wait_for(table.durable(), 1)


async def test_durable_raises_what_a_write_raised(table: DurableTable) -> None:
    table["a"] = 1
    table.changelog_topic.futures[0].set_exception(OSError("refused"))
    with pytest.raises(OSError, match="refused"):
        await table.durable()


async def test_another_owner_s_changes_do_not_find_old_values(
    table: DurableTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_args: Any) -> None:
        return None

    monkeypatch.setattr(Table, "on_rebalance", nothing)
    table.data.data["a"] = 1  # as recovery fills it
    await table.on_rebalance({TP("contract-table-changelog", 0)}, set(), set(), 4)
    assert dict(table.data.data) == {"a": 1}
    await table.on_rebalance({TP("visits", 0)}, set(), set(), 5)
    assert dict(table.data.data) == {}
