"""What the live service cannot answer, because its rows of users do not hold it: said before anybody counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.query import ParameterError
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Collection

    from stream_app.domain.events import Filter
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.periods import Calendar

#: Figures of which every cell is made of orders; of the others none is.
_OF_ORDERS = {"value": "figure value is made", "concentration": "the revenue of figure concentration is made"}
#: Figures whose periods are counted by local days, whatever the grain.
_OF_DAYS = {"churn", "crr", "stickiness", "survival"}


@dataclass(frozen=True, slots=True)
class Kept:
    """What a service keeps of its users, besides the active days, weeks and months of each.

    Attributes:
        hour_days: for so many days from the first event on the active hours are kept; 0: none.
        orders: whether orders and refunds are.
        filters: the kinds of events of which activity is kept; None: of any.
    """

    hour_days: int = 0
    orders: bool = True
    filters: Collection[Filter] | None = None

    def check(self, query: Query, calendar: Calendar) -> None:
        """Refuses what cannot be answered, with the reason and what to change.

        Raises:
            ParameterError: something is asked for that is not kept.
        """
        self._check_events(query)
        self._check_hours(query)
        if not self.orders and query.figure in _OF_ORDERS:
            message = f"{_OF_ORDERS[query.figure]} of orders, which this service does not keep; set orders: true"
            raise ParameterError("figure", query.figure, message)
        if query.until is not None and not _on_boundary(query, calendar):
            period = _unit(query)
            message = (
                f"within {_article(period)} events cannot be told apart once they are counted; give an instant at "
                f"which {_article(period)} begins, or ask stream-app analyze"
            )
            raise ParameterError("until", rfc3339(query.until), message)

    def _check_events(self, query: Query) -> None:
        definition = query.definition
        for name, wanted in (("start", definition.start_filter), ("return", definition.return_filter)):
            if self.filters is not None and wanted not in self.filters:
                message = (
                    f"activity of {wanted.event!r} alone is not kept; add a definition that has it to the setting "
                    "definitions, or ask stream-app analyze"
                )
                allowed = sorted({one.event for one in self.filters if not one.where})
                raise ParameterError(name, wanted.event, message, allowed)

    def _check_hours(self, query: Query) -> None:
        by_hour = query.grain is Grain.HOUR
        if by_hour and query.figure == "lifecycle":
            message = "active hours are kept of a user's first days only; use grain day or longer"
            raise ParameterError("grain", query.grain.value, message)
        if by_hour and query.cohorts == "recurring":
            message = "active hours are kept of a user's first days only; use cohorts first, or grain day or longer"
            raise ParameterError("cohorts", query.cohorts, message)
        if self.hour_days:
            return
        of_windows = query.windows == "24h"
        of_parts = query.figure == "retention" and query.grain is Grain.DAY and query.definition.min_active > 1
        if by_hour or of_windows or of_parts:
            name = "grain" if by_hour else "windows" if of_windows else "definition"
            value = {"grain": "hour", "windows": "24h"}.get(name, query.definition.name)
            message = "it needs active hours, which this service does not keep; set hour_days or use stream-app analyze"
            raise ParameterError(name, value, message)


def _unit(query: Query) -> Grain:
    """The shortest period that rows can tell apart for a question."""
    if query.windows == "24h":
        return Grain.HOUR
    return Grain.DAY if query.figure in _OF_DAYS else query.grain


def _on_boundary(query: Query, calendar: Calendar) -> bool:
    until = query.until
    if until is None or query.figure == "value":  # each order has its time
        return True
    unit = _unit(query)
    return calendar.start(unit, calendar.period_at(unit, until)) == until


def _article(grain: Grain) -> str:
    return f"{'an' if grain is Grain.HOUR else 'a'} {grain}"
