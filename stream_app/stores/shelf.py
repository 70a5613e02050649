"""The alerts in Redis: those that are firing or pending, and what happened to them lately."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from stream_app.stores.layout import Keys

#: How many past changes are kept.
KEPT = 200


class AlertShelf:
    """What was put here and is not yet known to be written is written with the next transaction.

    Args:
        keys: the names of the keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._now: list[Mapping[str, Any]] | None = None
        self._changes: dict[str, Mapping[str, Any]] = {}
        self.owed = False

    def put(self, now: Iterable[Mapping[str, Any]], changes: Iterable[Mapping[str, Any]]) -> None:
        """Take the present alerts instead of the former, and the changes besides those owed."""
        self._now = list(now)
        for change in changes:
            self._changes[str(change["id"])] = change
        for oldest in list(self._changes)[:-KEPT]:
            del self._changes[oldest]
        self.owed = True

    def write(self, pipe: Pipeline) -> None:
        """Add what there is to a transaction. A change that is there already is not there twice."""
        if self._now is not None:
            pipe.set(self._keys.alerts_now, orjson.dumps(self._now))
        if self._changes:
            lines = {
                orjson.dumps(change, option=orjson.OPT_SORT_KEYS): _milliseconds(change["at"])
                for change in self._changes.values()
            }
            pipe.zadd(self._keys.alerts_past, lines)
            pipe.zremrangebyrank(self._keys.alerts_past, 0, -KEPT - 1)

    def settled(self) -> None:
        """The transaction is done."""
        self._changes.clear()
        self.owed = False

    async def read(self, client: Redis) -> list[dict[str, Any]]:
        """Present alerts with `"current": true`, then past changes, latest first, with `"current": false`."""
        async with client.pipeline(transaction=True) as pipe:
            pipe.get(self._keys.alerts_now)
            pipe.zrevrange(self._keys.alerts_past, 0, -1)
            now, past = await pipe.execute()
        current = [{**alert, "current": True} for alert in orjson.loads(now or b"[]")]
        return current + [{**orjson.loads(line), "current": False} for line in past]


def _milliseconds(instant: str) -> int:
    return int(dt.datetime.fromisoformat(instant).timestamp() * 1000)
