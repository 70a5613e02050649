"""Answers that no counter gives: each a census of all workers, counted once for all who ask the same."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from stream_app.domain.errors import UnansweredError
from stream_app.domain.metrics import figures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.tally import Tally

    #: Gives the tally of all users, given the epoch of each partition's counters. Raises UnansweredError.
    Ask = Callable[[Asked, Mapping[int, int]], Awaitable[Tally]]

#: An answer is kept for at least so many seconds, and for so many times as long as it took to count.
_LEAST_SECONDS, _TIMES = 2.0, 10.0
#: How many bytes of answers are kept.
_KEPT_BYTES = 32 * 1024 * 1024


@dataclass(slots=True)
class _Kept:
    """An answer, or one that is being counted."""

    number: int
    work: asyncio.Task[bytes]
    until: float = float("inf")


class Censuses:
    """Counts, and remembers.

    Args:
        ask: asks all workers.
        observe: is told the figure, the outcome (answered, unanswered, failed) and the seconds of each.
    """

    def __init__(self, ask: Ask, observe: Callable[[str, str, float], None]) -> None:
        self._ask, self._observe = ask, observe
        self._kept: OrderedDict[Query, _Kept] = OrderedDict()

    async def body(self, number: int, asked: Asked, epochs: Mapping[int, int]) -> bytes:
        """The JSON of an answer.

        The answer to the same question is taken where nothing was published since it was asked, or where it is so young
        that counting again would cost more than a tenth of a worker's time.

        Args:
            number: of the snapshot; changes with it.
            asked: the question, at the watermark of the snapshot.
            epochs: of the owners of the partitions, as the snapshot has them.

        Raises:
            UnansweredError: not every partition was counted in time.
        """
        known = self._kept.get(asked.query)
        if known is None or (known.number != number and time.monotonic() >= known.until):
            known = _Kept(number, asyncio.create_task(self._count(asked, epochs)))
            self._kept[asked.query] = known
            known.work.add_done_callback(lambda _, kept=known: self._settle(asked.query, kept))  # type: ignore[misc]
        self._kept.move_to_end(asked.query)
        return await asyncio.shield(known.work)

    async def _count(self, asked: Asked, epochs: Mapping[int, int]) -> bytes:
        figure, started, outcome = asked.query.figure, time.monotonic(), "failed"
        try:
            tally = await self._ask(asked, epochs)
            body = await asyncio.to_thread(lambda: orjson.dumps(figures.answer(asked, tally)))
            outcome = "answered"
        except UnansweredError:
            outcome = "unanswered"
            raise
        finally:
            took = time.monotonic() - started
            self._observe(figure, outcome, took)
        known = self._kept.get(asked.query)
        if known is not None:
            known.until = time.monotonic() + max(_LEAST_SECONDS, _TIMES * took)
        return body

    def _settle(self, query: Query, done: _Kept) -> None:
        """Keeps an answer as long as there is room; asks again where it failed."""
        if done.work.cancelled() or done.work.exception() is not None:
            if self._kept.get(query) is done:
                del self._kept[query]
            return
        ended = [one for one, kept in self._kept.items() if kept.work.done() and kept.work.exception() is None]
        total = sum(len(self._kept[one].work.result()) for one in ended)
        for oldest in ended[:-1]:
            if total <= _KEPT_BYTES:
                break
            total -= len(self._kept.pop(oldest).work.result())

    async def close(self) -> None:
        """Ends what is being counted."""
        tasks = [kept.work for kept in self._kept.values() if not kept.work.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def etag(body: bytes) -> str:
    """Names an answer by what it says."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
