"""What a notifier promises, and how it says what became of a message.

    NotifierError
    ├── Rejected          refused for good; sending it again would be refused again
    ├── RateLimited       surely not posted; wait as long as it says
    ├── Unavailable       surely not posted; try again
    │   └── Misconfigured surely not posted; an operator must act, then it goes through
    └── OutcomeUnknown    perhaps posted; ask `find` before sending again

A notifier sends once and never retries by itself: whether to send again is for the outbox, which stores what it does.
No error, log line or representation holds a secret.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stream_app.domain.errors import StreamAppError

if TYPE_CHECKING:
    from stream_app.domain.alerts import Notice


class NotifierError(StreamAppError):
    """A message was not delivered, or it is not known whether it was."""

    #: The label of this outcome in `stream_app_notifications_total`.
    outcome = "failed"


class Rejected(NotifierError):  # noqa: N818 - reads as the outcome it is
    """Refused for good. Operator action: report it; the message and its reason are in the log."""

    outcome = "rejected"


class RateLimited(NotifierError):  # noqa: N818
    """Surely not posted, too many messages.

    Attributes:
        retry_after: seconds to wait.
    """

    outcome = "rate_limited"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(NotifierError):  # noqa: N818
    """Surely not posted, the other side cannot be had now. No action: it is sent when it is back."""

    outcome = "unavailable"


class Misconfigured(Unavailable):
    """Surely not posted. Operator action: as the message says; it is sent once that is done."""

    outcome = "misconfigured"


class OutcomeUnknown(NotifierError):  # noqa: N818
    """Perhaps posted. No action: it is looked for before it is sent again."""

    outcome = "unknown"


@dataclass(frozen=True)
class Receipt:
    """Where a message went.

    Attributes:
        channel: the conversation, as its service names it for good.
        ts: the message in it.
    """

    channel: str
    ts: str


class Notifier(Protocol):
    """Tells a target of what became of a rule's alerts."""

    async def send(self, notice: Notice, target: str, *, thread: Receipt | None = None) -> Receipt:
        """Sends one message, once; brings the message it belongs under up to date before, where that can be edited.

        Args:
            notice: what to tell. One that a target of this kind has no use for (`edited`) is as good as sent.
            target: as the rule names it, such as `slack:#channel`.
            thread: the message this one belongs under.

        Raises:
            NotifierError: as its subclass says.
        """
        ...

    async def find(
        self, notice_id: str, target: str, *, age: float = math.inf, thread: Receipt | None = None
    ) -> Receipt | None:
        """Looks for a message whose sending ended in `OutcomeUnknown` or a crash; None where it was not posted.

        Args:
            notice_id: the id of the notice.
            target: where it was sent.
            age: seconds since the first attempt began, to bound the search. No instant: clocks may disagree.
            thread: the message it would be under.

        Raises:
            NotifierError: it could not be looked for.
        """
        ...
