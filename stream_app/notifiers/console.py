"""Alerts as readable blocks on a terminal or in a log of the process."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, TextIO

from stream_app.domain.alerts import Change, State
from stream_app.notifiers import wording
from stream_app.notifiers.base import OutcomeUnknown, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

_MARKS = {State.FIRING: "▼", State.RESOLVED: "▲", State.PENDING: "◆", State.INACTIVE: "■"}


class ConsoleNotifier:
    """Prints alerts.

    What was printed is known only to this process: after a crash in the middle of printing an alert is printed again,
    which is better than not at all.

    Args:
        stream: answers where to print; by default what `sys.stdout` is at that moment.
        public_url: address of the page, for links.
    """

    def __init__(self, *, stream: Callable[[], TextIO] | None = None, public_url: str | None = None) -> None:
        self._stream = stream or (lambda: sys.stdout)
        self._public_url = public_url
        self._printed: set[str] = set()

    async def send(self, change: Change, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Prints one block. Raises OutcomeUnknown where the stream fails."""
        try:
            stream = self._stream()
            stream.write(self.block(change))
            self._printed.add(change.id)
            stream.flush()
        except (OSError, ValueError) as error:
            raise OutcomeUnknown(f"{target}: cannot print ({type(error).__name__}); it is tried again") from None
        return Receipt(target, change.id)

    async def find(
        self,
        change_id: str,
        target: str,
        *,
        age: float = math.inf,
        thread: Receipt | None = None,
    ) -> Receipt | None:
        """Whether this process printed it."""
        return Receipt(target, change_id) if change_id in self._printed else None

    def block(self, change: Change) -> str:
        """The text that is printed, with a newline at its end."""
        rows = [*wording.facts(change), ("Known since", change.at)]
        page = wording.link(change, self._public_url)
        if page is not None:
            rows.append(("Page", page))
        width = max(len(name) for name, _ in rows)
        lines = [
            f"{_MARKS[change.state]} {wording.title(change)}",
            f"  {wording.sentence(change)}.",
            *(f"  {name:<{width}}  {value}" for name, value in rows),
        ]
        # A terminal that cannot show a character must not lose the alert.
        encoding = getattr(self._stream(), "encoding", None) or "utf-8"
        return ("\n".join(lines) + "\n").encode(encoding, "replace").decode(encoding)
