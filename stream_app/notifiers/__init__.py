"""Who is told of an alert, and the bookkeeping that tells each change once."""

from stream_app.notifiers.base import (
    Misconfigured,
    Notifier,
    NotifierError,
    OutcomeUnknown,
    RateLimited,
    Receipt,
    Rejected,
    Unavailable,
)
from stream_app.notifiers.console import ConsoleNotifier
from stream_app.notifiers.delivery import Delivery
from stream_app.notifiers.entry import Entry, Status
from stream_app.notifiers.outbox import Outbox
from stream_app.notifiers.slack import SlackNotifier

__all__ = [
    "ConsoleNotifier",
    "Delivery",
    "Entry",
    "Misconfigured",
    "Notifier",
    "NotifierError",
    "Outbox",
    "OutcomeUnknown",
    "RateLimited",
    "Receipt",
    "Rejected",
    "SlackNotifier",
    "Status",
    "Unavailable",
]
