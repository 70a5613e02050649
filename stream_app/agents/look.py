"""How the rules' figures went: from the counters of a snapshot where they hold them, else by a census of all users."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import counted_by, from_answer, from_snapshot, query_of
from stream_app.domain.errors import QueryError, UnansweredError
from stream_app.domain.metrics import counted, figures

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream_app.domain.alerts import Course, Rule
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.metrics.census.asked import Asked
    from stream_app.domain.metrics.kept import Kept
    from stream_app.domain.metrics.query import Query
    from stream_app.domain.metrics.tally import Tally

    Threaded = Callable[..., Awaitable[Any]]

log = logging.getLogger(__name__)


class Look:
    """Gives the course of each rule's figure.

    Args:
        ask: asks all workers, see `questions.exchange`.
        kept: what the service keeps of users, by which questions are refused.
        currency, minor_units: the reporting currency and its decimals.
        thread: runs a function beside the event loop.
    """

    def __init__(
        self,
        ask: Callable[[Asked, Mapping[int, int]], Awaitable[Tally]],
        kept: Kept,
        *,
        currency: str,
        minor_units: int,
        thread: Threaded,
    ) -> None:
        self._ask, self._kept = ask, kept
        self.currency, self._minor_units = currency, minor_units
        self._thread = thread

    async def courses(self, rules: Sequence[Rule], snapshot: Snapshot) -> dict[str, Course | str]:
        """By rule its course, or why it cannot be had now. Rules that ask the same share a census."""
        found: dict[str, Course | str] = {}
        answers: dict[Query, Mapping[str, Any] | str] = {}
        for rule in rules:
            try:
                if counted_by(rule, snapshot):
                    found[rule.name] = await self._thread(from_snapshot, rule, snapshot)
                    continue
                query = query_of(
                    rule, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar
                )
            except QueryError as error:
                found[rule.name] = str(error)
                continue
            if query not in answers:
                answers[query] = await self.answer(query, snapshot)
            answer = answers[query]
            found[rule.name] = (
                answer
                if isinstance(answer, str)
                else await self._thread(from_answer, rule, answer, snapshot.calendar, snapshot.watermark)
            )
        return found

    async def answer(self, query: Query, snapshot: Snapshot) -> Mapping[str, Any] | str:
        """The answer to a question at a snapshot, or why it cannot be had now."""
        asked = counted.asked_at(snapshot, query, self.currency, self._minor_units)
        try:
            if counted.known(snapshot, query):
                answer: Mapping[str, Any] = await self._thread(counted.answer, asked, snapshot)
                return answer
            filters = frozenset(what for d in snapshot.definitions for what in (d.start_filter, d.return_filter))
            replace(self._kept, filters=filters).check(query, snapshot.calendar)
            tally = await self._ask(asked, snapshot.epochs)
            answer = await self._thread(figures.answer, asked, tally)
        except (QueryError, UnansweredError) as error:
            return str(error)
        return answer
