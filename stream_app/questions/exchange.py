"""One worker's part in questions: it asks the others, and answers them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

from stream_app.questions.answering import Answering
from stream_app.questions.asking import Asking
from stream_app.questions.counting import Counting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.tally import Tally
    from stream_app.questions.board import Board
    from stream_app.questions.counting import Countable
    from stream_app.settings import Settings


class Exchange:
    """Asks and answers.

    Args:
        board: where workers ask each other.
        owned: the partitions of this worker, by number.
        settings: what is counted by.
        fingerprint: of the figures; who counts by another one is not answered.
        partitions: how many source partitions there are.
        fail: ends the worker with this error.
    """

    def __init__(
        self,
        board: Board,
        owned: Callable[[], Mapping[int, Countable]],
        settings: Settings,
        *,
        fingerprint: str,
        partitions: int,
        fail: Callable[[BaseException], None],
    ) -> None:
        worker, counting = uuid4().hex, Counting(owned)
        self._answering = Answering(board, counting, settings, worker=worker, fingerprint=fingerprint)
        self._asking = Asking(
            board, counting, settings.definitions, worker=worker, fingerprint=fingerprint, partitions=partitions
        )
        self._fail = fail

    async def ask(self, asked: Asked, epochs: Mapping[int, int]) -> Tally:
        """The tally of all users, see `Asking.ask`. Raises UnansweredError."""
        return await self._asking.ask(asked, epochs)

    async def run(self) -> None:
        """Answers others for good."""
        try:
            await self._answering.run()
        except Exception as error:  # noqa: BLE001 - a worker that answers nobody must not go unnoticed
            self._fail(error)
