"""A Faust table whose changes can be waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from faust.tables.table import Table


class DurableTable(Table):
    """A Faust table that remembers the futures of its changelog messages.

    Faust sends a change in the background and may commit the source offset before it is written (`ProducerBuffer.flush`
    can return before publishing). `durable()` waits for the changes themselves.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unwritten: list[asyncio.Future[Any]] = []

    def partition_for_key(self, key: Any) -> int:
        """All keys live in partition 0: these tables hold little and have one owner."""
        return 0

    def send_changelog(self, *args: Any, **kwargs: Any) -> Any:
        """Sends a change and remembers its future."""
        future = super().send_changelog(*args, **kwargs)
        self._unwritten.append(future)
        return future

    async def durable(self) -> None:
        """Returns when every change so far is written. Raises what a write raised."""
        await asyncio.gather(*self._unwritten)
        self._unwritten = [future for future in self._unwritten if not future.done()]

    async def on_rebalance(self, assigned: Any, revoked: Any, newly_assigned: Any, generation_id: int = 0) -> None:
        """Forgets everything when another worker becomes the owner: Faust's memory store would keep it for good."""
        if not any(tp.topic == self.changelog_topic_name and tp.partition == 0 for tp in assigned):
            self.data.data.clear()
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
