"""What workers ask each other through; see `stores.board` for the one in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Board(Protocol):
    """A channel that all workers hear, and for each question a list of replies."""

    where: str

    async def publish(self, question: bytes) -> int:
        """Has every worker hear a question. Raises StoreUnavailable."""

    async def reply(self, question: str, reply: bytes) -> None:
        """Puts down a reply. Raises StoreUnavailable."""

    async def next_reply(self, question: str, timeout: float) -> bytes | None:  # noqa: ASYNC109
        """The next reply, None where none comes within so many seconds. Raises StoreUnavailable."""

    async def forget(self, question: str) -> None:
        """Removes what is left of the replies."""

    def questions(self) -> AsyncIterator[bytes]:
        """Every question from now on, for good."""
