"""Answers what other workers ask: counts the partitions of this worker that are wanted."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.query import parse
from stream_app.questions.question import Question, Reply
from stream_app.stores.base import StoreUnavailable

if TYPE_CHECKING:
    from stream_app.domain.metrics.query import Query
    from stream_app.questions.board import Board
    from stream_app.questions.counting import Counting
    from stream_app.settings import Settings

log = logging.getLogger(__name__)

#: Seconds after which nobody waits any more for the answer to a question.
PATIENCE = 30.0
#: Partitions that may wait to be counted; what is asked beyond is not heard, and asked again.
_MOST_WAITING = 256


class Answering:
    """Listens and answers, until it is closed.

    Args:
        board: where questions and replies are.
        counting: counts the partitions of this worker.
        settings: what is counted by.
        worker: the name of this worker: its own questions are not for it.
        fingerprint: of the figures.
    """

    def __init__(self, board: Board, counting: Counting, settings: Settings, *, worker: str, fingerprint: str) -> None:
        self._board, self._counting, self._settings = board, counting, settings
        self._worker, self._fingerprint = worker, fingerprint
        self._foreign = False
        self._at_work: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Answers for good."""
        try:
            async for raw in self._board.questions():
                self.hear(raw)
        finally:
            await self._drop()

    def hear(self, raw: bytes) -> None:
        """Begins to count the wanted partitions that are this worker's."""
        question = Question.from_json(raw)
        if question is None or question.asker == self._worker:
            return
        if question.fingerprint != self._fingerprint:
            if not self._foreign:
                log.warning("A worker that counts under another configuration asks; it is not answered.")
            self._foreign = True
            return
        heard_at = time.monotonic()
        for number in question.partitions:
            key = (question.id, number)
            if key in self._at_work or not self._counting.has(number) or len(self._at_work) >= _MOST_WAITING:
                continue
            task = self._at_work[key] = asyncio.create_task(self._answer(question, number, heard_at))
            task.add_done_callback(lambda _, key=key: self._at_work.pop(key, None))  # type: ignore[misc]

    async def _answer(self, question: Question, number: int, heard_at: float) -> None:
        try:
            reply = await self._reply(question, number, heard_at)
            if reply is not None:
                await self._board.reply(question.id, reply)
        except StoreUnavailable as error:
            log.debug("A reply could not be given: %s", error)

    async def _reply(self, question: Question, number: int, heard_at: float) -> bytes | None:
        try:
            query = self._parsed(question)
            asked = Asked(query, self._settings.calendar, question.watermark, question.last_event)
            counted = await self._counting.count(number, asked, wanted=lambda: time.monotonic() < heard_at + PATIENCE)
        except QueryError as error:
            return Reply(number, 0, reason=str(error)).to_bytes()
        except Exception:
            log.exception("A census of partition %d failed: %s.", number, dict(question.given))
            return Reply(number, 0, reason="its worker failed to count; its log has the details").to_bytes()
        if counted is None:
            return None
        # Beside the event loop: a tally may have a million cells.
        return await asyncio.to_thread(Reply(number, counted.epoch, counted.tally).to_bytes)

    def _parsed(self, question: Question) -> Query:
        settings = self._settings
        return parse(
            question.given, definitions=settings.definitions, dimensions=settings.dimensions, calendar=settings.calendar
        )

    async def _drop(self) -> None:
        tasks = list(self._at_work.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
