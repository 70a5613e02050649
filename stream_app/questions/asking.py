"""Asks for a census of all source partitions: those of this worker directly, the others of their owners."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING
from uuid import uuid4

from stream_app.domain.errors import UnansweredError
from stream_app.domain.metrics.tally import Tally
from stream_app.questions.answering import PATIENCE
from stream_app.questions.question import Question, Reply, parameters
from stream_app.stores.base import StoreUnavailable
from stream_app.stores.connect import EMBEDDED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.events import Definition
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.questions.board import Board
    from stream_app.questions.counting import Counted, Counting

log = logging.getLogger(__name__)

#: Seconds after which the partitions that are missing are asked for again: their owner may be another by then.
AGAIN_SECONDS = 1.0
#: Questions that are asked at a time, and how many more may wait for their turn.
_AT_ONCE, _WAITING = 4, 64


class Asking:
    """Asks, and adds up.

    Args:
        board: where questions and replies are.
        counting: counts the partitions of this worker.
        definitions: those that every worker knows by name.
        worker: the name of this worker.
        fingerprint: of the figures.
        partitions: how many source partitions there are.
        patience: seconds that a question may take.
    """

    def __init__(
        self,
        board: Board,
        counting: Counting,
        definitions: Sequence[Definition],
        *,
        worker: str,
        fingerprint: str,
        partitions: int,
        patience: float = PATIENCE,
    ) -> None:
        self.board, self.counting, self.definitions = board, counting, definitions
        self.worker, self.fingerprint = worker, fingerprint
        self.partitions, self.patience = partitions, patience
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def ask(self, asked: Asked, epochs: Mapping[int, int]) -> Tally:
        """The tally of all users.

        Args:
            asked: what they are counted for.
            epochs: by partition, the epoch of the owner whose counters are in the figures shown. What a former owner
                says is not taken: it may have been frozen while the later one went on.

        Raises:
            UnansweredError: some partition had no answer in time; the message names it.
        """
        if self._waiting >= _WAITING:
            raise UnansweredError("too many questions are asked at the same time; ask again in a while")
        self._waiting += 1
        try:
            async with asyncio.timeout(self.patience):
                await self._turn.acquire()
        except TimeoutError:
            raise UnansweredError("other questions have not been answered yet; ask again in a while") from None
        finally:
            self._waiting -= 1
        try:
            return await _Round(self, asked, epochs).run()
        finally:
            self._turn.release()


class _Round:
    """One question, until every partition has answered."""

    def __init__(self, asking: Asking, asked: Asked, epochs: Mapping[int, int]) -> None:
        self._of, self._asked, self._epochs = asking, asked, epochs
        self._id = uuid4().hex
        self._found: dict[int, Tally] = {}
        self._own: dict[int, asyncio.Task[Counted | None]] = {}
        self._deadline = time.monotonic() + asking.patience
        self._published_at = float("-inf")
        self._trouble: dict[int, str] = {}
        self._news = asyncio.Event()

    @property
    def _missing(self) -> list[int]:
        return [number for number in range(self._of.partitions) if number not in self._found]

    async def run(self) -> Tally:
        """The sum. Raises UnansweredError."""
        listening: asyncio.Task[None] | None = None
        try:
            while self._missing:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    raise UnansweredError(self._silence())
                self._news.clear()
                self._count_own()
                others = [number for number in self._missing if number not in self._own]
                if others and await self._publish(others) and (listening is None or listening.done()):
                    listening = asyncio.create_task(self._listen())
                # In its own time a reply ends the waiting, and else the question is asked again.
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), min(AGAIN_SECONDS, left))
                self._take_own()
        finally:
            for task in (*self._own.values(), *([] if listening is None else [listening])):
                task.cancel()
            if listening is not None:
                await self._of.board.forget(self._id)
        return await asyncio.to_thread(Tally.merged, [self._found[number] for number in sorted(self._found)])

    def _count_own(self) -> None:
        for number in self._missing:
            if number not in self._own and self._of.counting.has(number, self._epochs.get(number, 0)):
                task = self._own[number] = asyncio.create_task(self._of.counting.count(number, self._asked))
                task.add_done_callback(lambda _: self._news.set())

    def _take_own(self) -> None:
        for number, task in list(self._own.items()):
            if task.done():
                del self._own[number]
                counted = task.result()
                if counted is not None:
                    self._take(number, counted.epoch, counted.tally)

    def _take(self, number: int, epoch: int, tally: Tally) -> None:
        if epoch >= self._epochs.get(number, 0):
            self._found.setdefault(number, tally)

    async def _publish(self, others: Sequence[int]) -> bool:
        """Asks the others, unless that was done just now. Returns whether there may be replies."""
        if time.monotonic() - self._published_at < AGAIN_SECONDS:
            return True
        asked = self._asked
        given = parameters(asked.query, self._of.definitions)
        question = Question(
            self._id, self._of.worker, self._of.fingerprint, given, asked.watermark, asked.last_event, tuple(others)
        )
        try:
            await self._of.board.publish(question.to_json())
        except StoreUnavailable as error:
            self._trouble |= dict.fromkeys(others, str(error))
            return False
        self._published_at = time.monotonic()
        return True

    async def _listen(self) -> None:
        """Takes replies until it is cancelled, or the board does not answer."""
        while True:
            try:
                raw = await self._of.board.next_reply(self._id, AGAIN_SECONDS)
            except StoreUnavailable as error:
                log.debug("Replies cannot be read: %s", error)
                return
            if raw is None:
                continue
            try:
                reply = await asyncio.to_thread(Reply.from_bytes, raw)
            except ValueError as error:
                log.warning(
                    "A reply to a question was not understood (%s); is a worker of another version running?", error
                )
                continue
            if reply.tally is None:
                self._trouble[reply.partition] = reply.reason
            else:
                self._take(reply.partition, reply.epoch, reply.tally)
            self._news.set()

    def _silence(self) -> str:
        missing = self._missing
        reasons = dict.fromkeys(self._trouble[number] for number in missing if number in self._trouble)
        if self._of.board.where == EMBEDDED:
            reasons["this worker has a Redis of its own; give all workers one, by the setting redis"] = None
        why = f" ({'; '.join(reasons)})" if reasons else ": their workers are away, recover, or are very busy"
        return f"partitions {missing} did not answer within {self._of.patience:g} s{why}; ask again"
