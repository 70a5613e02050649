"""The figures computed again, plainly: a list of events, sets, `datetime`, `zoneinfo` and fractions.

It is what the columnar code is tested against, so it shares nothing with it but the horizon. Events are dicts:

    {"user": "u1", "time": 852076800000, "kind": "visit" | "purchase" | "refund", "event_id": "e1",
     "segment": {"plan": "pro"},                     # may be missing; time in ms since the epoch
     "order_id": "o1", "amount": 1999,               # of a purchase, minor units; a refund's amount is negative
     "properties": {"channel": "web"}}               # what conditions look at first, then the event and its segment

Order, duplicates and lateness do not matter to it: it knows all events, and what has closed by the watermark.
`answer` gives any figure as the API does; `Oracle` gives those that the service counts, in the form of its counters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracle import activity, money, retention, survival
from oracle.clock import EPOCH, ONE_DAY, WEEKDAYS, Clock, rfc3339
from oracle.counted import DEFINITIONS, Oracle, as_of
from oracle.history import NONE, OTHER, History
from oracle.question import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Head = Callable[[History], dict[str, Any]]
    Entry = Callable[[History, set[str]], dict[str, Any]]

__all__ = [
    "DEFINITIONS", "EPOCH", "NONE", "ONE_DAY", "OTHER", "WEEKDAYS", "Clock", "Oracle", "Question", "answer", "as_of",
]  # fmt: skip


def _inactivity(history: History) -> dict[str, Any]:
    return {"inactivity_days": history.question.window}


def _money(history: History) -> dict[str, Any]:
    return {"currency": history.question.currency, "minor_units": history.question.minor_units}


def _currency(history: History) -> dict[str, Any]:
    return {"currency": history.question.currency, "minor_units": history.question.minor_units}


FIGURES: dict[str, tuple[Head, Entry]] = {
    "retention": (retention.head, retention.entry),
    "churn": (_inactivity, activity.churn),
    "crr": (_inactivity, activity.crr),
    "lifecycle": (lambda _: {}, activity.lifecycle),
    "stickiness": (lambda history: {"window": history.question.window}, activity.stickiness),
    "value": (_money, money.value),
    "survival": (survival.head, survival.entry),
    "concentration": (_money, money.concentration),
}


def answer(events: Iterable[dict[str, Any]], clock: Clock, question: Question) -> dict[str, Any]:
    """The answer to a question, as the API and `analyze --json` give it."""
    history = History(events, clock, question)
    head, entry = FIGURES[question.figure]
    return {
        "schema": f"stream-app/{question.figure}/1",
        "definition": question.definition,
        "grain": question.grain,
        **head(history),
        "timezone": clock.timezone,
        "as_of": rfc3339(question.as_of),
        "late_share": question.late_share,
        "segments": [{"segment": segment, **entry(history, users)} for segment, users in history.segments()],
    }
