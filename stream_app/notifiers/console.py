"""Alerts as readable blocks on a terminal or in a log of the process."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, TextIO

from stream_app.domain.alerts import NoticeKind
from stream_app.notifiers import summary, wording
from stream_app.notifiers.base import OutcomeUnknown, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.domain.alerts import Change, Notice

_MARKS = {
    summary.FELL: "▼", summary.BACK: "▲", summary.WITHDRAWN: "■", summary.TROUBLE: "!", summary.CALM: "◆",
}  # fmt: skip


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

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Prints one block; what was printed cannot be edited. Raises OutcomeUnknown where the stream fails."""
        if notice.kind is NoticeKind.EDITED:
            return Receipt(target, notice.id)
        try:
            stream = self._stream()
            stream.write(self.block(notice))
            self._printed.add(notice.id)
            stream.flush()
        except (OSError, ValueError) as error:
            raise OutcomeUnknown(f"{target}: cannot print ({type(error).__name__}); it is tried again") from None
        return Receipt(target, notice.id)

    async def find(
        self,
        notice_id: str,
        target: str,
        *,
        age: float = math.inf,
        thread: Receipt | None = None,
    ) -> Receipt | None:
        """Whether this process printed it."""
        return Receipt(target, notice_id) if notice_id in self._printed else None

    def block(self, notice: Notice) -> str:
        """The text that is printed, with a newline at its end."""
        told = list(notice.changes) or [one.change for one in summary.open_ones(notice)]
        shown = [f"{_sign(told[0])} {summary.news(notice)}"] if told else [summary.news(notice)]
        rows = [("Known since", notice.at)]
        if len(told) == 1:
            shown.append(f"  {wording.sentence(told[0])}.")
            rows = [*wording.facts(told[0]), *rows]
        else:
            shown += [f"  {_sign(one)} {' '.join(filter(None, summary.line(one)))}" for one in told]
            risk = summary.total_at_risk(notice)
            rows = [*([("At risk together", risk)] if risk else []), *rows]
        page = wording.link(told[0], self._public_url) if told else None
        rows += [("Page", page)] if page else []
        rows += [("Note", wording.clean(notice.note, 500))] if notice.note else []
        rows += [(name, said) for name, _, said in (mark.partition(" ") for mark in summary.marks(notice))]
        width = max(len(name) for name, _ in rows)
        shown += [f"  {name:<{width}}  {value}" for name, value in rows]
        # A terminal that cannot show a character must not lose the alert.
        encoding = getattr(self._stream(), "encoding", None) or "utf-8"
        return ("\n".join(shown) + "\n").encode(encoding, "replace").decode(encoding)


def _sign(change: Change) -> str:
    return _MARKS[summary.mark(change)]
