"""What has to be kept of a file's events for questions: nothing that they do not need."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_app.domain.events import Filter
    from stream_app.domain.metrics.query import Query


@dataclass(frozen=True, slots=True)
class Needs:
    """What questions need.

    Attributes:
        first: the filters of which each user's first event is needed.
        active: the filters of which the local days with an event are.
        hours: whether their local hours are too.
        orders: whether orders and refunds are.
        dimensions: those that users are told apart by.
    """

    first: tuple[Filter, ...]
    active: tuple[Filter, ...]
    hours: bool
    orders: bool
    dimensions: tuple[str, ...]

    @classmethod
    def of(cls, query: Query) -> Needs:
        """The needs of a query."""
        definition = query.definition
        start, returns = definition.start_filter, definition.return_filter
        active = {
            "value": (),
            "retention": (start, returns) if query.cohorts == "recurring" else (returns,),
        }.get(query.figure, (returns,))
        by_hour = query.grain is Grain.HOUR or query.windows == "24h"
        return cls(
            first=_once(start, returns),
            active=_once(*active),
            hours=by_hour or (definition.min_active > 1 and query.grain is Grain.DAY),
            orders=query.figure in {"value", "concentration"},
            dimensions=() if query.dimension is None else (query.dimension,),
        )

    @classmethod
    def union(cls, needs: Iterable[Needs]) -> Needs:
        """What is enough for each of several questions."""
        every = tuple(needs)
        return cls(
            first=_once(*chain.from_iterable(one.first for one in every)),
            active=_once(*chain.from_iterable(one.active for one in every)),
            hours=any(one.hours for one in every),
            orders=any(one.orders for one in every),
            dimensions=tuple(dict.fromkeys(chain.from_iterable(one.dimensions for one in every))),
        )


def _once(*filters: Filter) -> tuple[Filter, ...]:
    return tuple(dict.fromkeys(filters))
