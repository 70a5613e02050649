"""Censuses of the partitions of this worker, one after the other."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from stream_app.domain.errors import UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally

#: The longest rest (s) after a census: events go first, but who asks waits too.
_LONGEST_REST = 1.0


class Countable(Protocol):
    """A source partition as far as it is counted for a question."""

    epoch: int
    ready: bool

    async def census(self, asked: Asked) -> Tally:
        """Counts its users; nothing changes under it meanwhile. Raises UnansweredError where it is given away."""


class Counted(NamedTuple):
    """A partition's tally, and under which owner's epoch it was counted."""

    epoch: int
    tally: Tally


class Counting:
    """Counts the partitions of this worker.

    A partition reads no events while its users are counted, and every census runs on the event loop. So there is one at
    a time, and after each a rest, as long as it took and at most a second: however much is asked, events are read.

    Args:
        owned: the partitions of this worker, by number.
    """

    def __init__(self, owned: Callable[[], Mapping[int, Countable]]) -> None:
        self._owned = owned
        self._one = asyncio.Lock()
        self._rested_at = float("-inf")

    def has(self, number: int, epoch: int = 0) -> bool:
        """Whether this worker owns a partition, has recovered it, and is not an owner of before `epoch`."""
        source = self._owned().get(number)
        return source is not None and source.ready and source.epoch >= epoch

    async def count(self, number: int, asked: Asked, *, wanted: Callable[[], bool] = lambda: True) -> Counted | None:
        """The tally of a partition.

        Args:
            number: the partition.
            asked: what its users are counted for.
            wanted: asked when its turn has come.

        Returns:
            None where it is not, or no more, this worker's to count, or nobody waits for it any more.
        """
        async with self._one:
            await asyncio.sleep(max(self._rested_at - time.monotonic(), 0))
            source = self._owned().get(number)
            if source is None or not source.ready or not wanted():
                return None
            epoch, started = source.epoch, time.monotonic()
            try:
                return Counted(epoch, await source.census(asked))
            except UnansweredError:  # it went to another worker in the middle
                return None
            finally:
                ended = time.monotonic()
                self._rested_at = ended + min(ended - started, _LONGEST_REST)
