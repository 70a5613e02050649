"""What the service counts, in the form of its counters (`domain.metrics.retention` and `.churn`)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from oracle import activity, retention
from oracle.clock import Clock, rfc3339
from oracle.history import History
from oracle.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

#: name -> the kinds of events that start, and that count as a return
DEFINITIONS = {"engagement": ("visit", "purchase"), "repurchase": ("purchase",)}
_ACTIVITY = {"engagement": "any", "repurchase": "purchase"}
as_of = rfc3339


class Oracle:
    """Answers like the metrics of the service, from a list of events."""

    def __init__(
        self,
        events: Iterable[dict[str, Any]] = (),
        *,
        timezone: str = "UTC",
        week_start: str = "monday",
        inactivity_days: int = 30,
    ) -> None:
        self.events: list[dict[str, Any]] = list(events)
        self.clock = Clock(timezone, week_start)
        self.inactivity_days = inactivity_days

    def add(self, *events: dict[str, Any]) -> None:
        self.events.extend(events)

    def _history(self, figure: str, grain: str, watermark: int | None, definition: str, **query: Any) -> History:
        event = _ACTIVITY[definition]
        question = Question(
            figure, grain, watermark, definition, event, event, window=self.inactivity_days, **query
        )  # fmt: skip
        return History(self.events, self.clock, question)

    def values(self, dimension: str) -> dict[str, str]:
        """Each user's value of a dimension: that of the first event, of whatever kind."""
        return self._history("retention", "day", None, "engagement").values(dimension)

    def retention(
        self,
        *,
        definition: str,
        grain: str,
        kind: str = "classic",
        dimension: str | None = None,
        top: int = 20,
        watermark: int | None,
    ) -> dict[str, Any]:
        history = self._history("retention", grain, watermark, definition, kind=kind, dimension=dimension, top=top)
        return {
            "definition": definition,
            "grain": grain,
            "kind": kind,
            "timezone": self.clock.timezone,
            "as_of": as_of(watermark),
            "segments": [
                {"segment": segment, "cohorts": retention.entry(history, users)["cohorts"]}
                for segment, users in history.segments()
            ],
        }

    def churn(
        self,
        *,
        definition: str,
        dimension: str | None = None,
        days: int = 90,
        top: int = 20,
        watermark: int | None,
        known_days: int | None = None,
    ) -> dict[str, Any]:
        """Churn by inactivity window.

        `known_days`: how many days of activity the other side remembers; it cannot tell an earlier day whose window
        is not wholly among them, so such a day is left out.
        """
        history = self._history("churn", "day", watermark, definition, dimension=dimension, top=top, last=days)
        since = ""
        if known_days is not None and watermark is not None:
            latest = self.clock.day(max([watermark, *(event["time"] for event in self.events)]))
            since = (latest - timedelta(days=known_days - self.inactivity_days - 1)).isoformat()
        return {
            "definition": definition,
            "inactivity_days": self.inactivity_days,
            "timezone": self.clock.timezone,
            "as_of": as_of(watermark),
            "segments": [
                {"segment": segment, "days": [r for r in activity.churn(history, users)["days"] if r["date"] >= since]}
                for segment, users in history.segments()
            ],
        }
