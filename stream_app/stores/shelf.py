"""The alerts in Redis: those there are now, the silences, and what happened."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts.change import Change
from stream_app.stores.base import Alerts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

    from stream_app.stores.base import Wanted
    from stream_app.stores.layout import Keys

#: How many rows of the history are kept, and how many of them are shown beside the present alerts.
KEPT = 10_000
LATEST = 100
#: How many are read at once while the history is searched.
_PAGE = 500

#: What a write contained, to be named when it is done: how much had been put, and the ids of changes.
Written = tuple[int, tuple[str, ...]]


class AlertShelf:
    """What was put here and is not yet known to be written is written with the next transaction.

    Args:
        keys: the names of the keys.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._now: bytes | None = None  # None: nothing was put yet, and what is there is another process's
        self._silences = b"[]"
        self._lines: dict[str, tuple[bytes, int]] = {}  # of each row of the history by its id: JSON, instant (ms)
        self._unwritten: dict[str, None] = {}
        self._puts = self._settled = 0

    @property
    def owed(self) -> bool:
        """Something was put that is not known to be written."""
        return self._settled < self._puts

    def put(
        self,
        now: Iterable[Mapping[str, Any]],
        changes: Iterable[Mapping[str, Any]],
        silences: Iterable[Mapping[str, Any]],
    ) -> None:
        """Take the present alerts and silences instead of the former, and what happened besides what there is."""
        self._now, self._silences = orjson.dumps(list(now)), orjson.dumps(list(silences))
        for change in changes:
            name = str(change["id"])
            if name not in self._lines:  # what happened does not change, and all that happened may be given each time
                line = orjson.dumps(change, option=orjson.OPT_SORT_KEYS)
                self._lines[name] = line, _milliseconds(change["at"])
                self._unwritten[name] = None
        for oldest in list(self._lines)[: max(len(self._lines) - KEPT, 0)]:
            del self._lines[oldest]
            self._unwritten.pop(oldest, None)
        self._puts += 1

    def write(self, pipe: Pipeline, *, everything: bool = False) -> Written:
        """Add what is owed to a transaction, or everything there is. A change that is there already is there once.

        Returns:
            What `settled` is to be told when the transaction is done.
        """
        if self._now is not None:
            pipe.set(self._keys.alerts_now, self._now)
            pipe.set(self._keys.silences, self._silences)
        names = tuple(self._lines if everything else self._unwritten)
        if names:
            pipe.zadd(self._keys.alerts_past, dict(self._lines[name] for name in names))
            pipe.zremrangebyrank(self._keys.alerts_past, 0, -KEPT - 1)
        return self._puts, names

    def settled(self, written: Written) -> None:
        """A transaction is done; what was put while it was under way is still owed."""
        self._settled = max(self._settled, written[0])
        for name in written[1]:
            self._unwritten.pop(name, None)

    async def read(self, client: Redis) -> Alerts:
        """The present alerts, the silences, and what happened last."""
        async with client.pipeline(transaction=True) as pipe:
            pipe.get(self._keys.alerts_now)
            pipe.get(self._keys.silences)
            pipe.zrevrange(self._keys.alerts_past, 0, LATEST - 1)
            now, silences, past = await pipe.execute()
        return Alerts(orjson.loads(now or b"[]"), orjson.loads(silences or b"[]"), _distinct(_read_all(past)))

    async def history(self, client: Redis, wanted: Wanted, last: int) -> list[dict[str, Any]]:
        """The latest so many rows that are asked for, latest first."""
        high = "+inf" if wanted.end is None else f"({wanted.end}"
        low = "-inf" if wanted.begin is None else str(wanted.begin)
        found: list[dict[str, Any]] = []
        for start in range(0, KEPT, _PAGE):
            lines: Any = await client.zrevrangebyscore(self._keys.alerts_past, high, low, start, _PAGE)
            found = _distinct([*found, *filter(wanted.fits, await asyncio.to_thread(_read_all, lines))])
            if len(lines) < _PAGE or len(found) >= last:
                break
        return found[:last]


def _read_all(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Rows as this version writes them, whichever wrote them."""
    rows = map(orjson.loads, lines)
    return [row if "ends" in row else Change.from_json(row).to_json() for row in rows]


def _distinct(changes: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that another version wrote, too: they have the same id."""
    return list({str(change["id"]): change for change in changes}.values())


def _milliseconds(instant: str) -> int:
    return int(dt.datetime.fromisoformat(instant).timestamp() * 1000)
