"""The figures that a judge needs now: what may have something new, what failed for how long, what is at risk."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts import Course, State, Step, frontier
from stream_app.domain.alerts.revenue import parameters, with_revenue
from stream_app.domain.errors import QueryError
from stream_app.domain.metrics.query import MOST_TOP, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_app.agents.look import Look
    from stream_app.domain.alerts import Change, Rule
    from stream_app.domain.metrics import Snapshot

log = logging.getLogger(__name__)

#: Milliseconds for which a figure cannot be had before its alerts say so: a census waits for workers that are away.
ERROR_AFTER = 600_000
#: Milliseconds after which a figure that could not be had is asked for again.
RETRY_AFTER = 10_000

#: What is judged: a rule's name, its fingerprint and its segment, which the fingerprint leaves out.
_Key = tuple[str, str, tuple[str, str] | None]


class Figures:
    """Remembers how far each rule's figure has been looked at, so that a census is asked for once a closing.

    Args:
        look: gives figures.
        clock: the wall clock (ms).

    Attributes:
        again: when (ms) what could not be had is to be asked for again; None: everything was there.
    """

    def __init__(self, look: Look, clock: Callable[[], int]) -> None:
        self._look, self._clock = look, clock
        self._reached: dict[_Key, int | None] = {}
        self._failing: dict[str, int] = {}
        self.again: int | None = None

    def forget(self, *, again: bool = False) -> None:
        """Everything is looked at anew; `again`: at once, as the rules have changed, else with the next closing."""
        self._reached = {}
        if not again:
            self._failing = {}
        self.again = self._clock() if again else None

    async def courses(self, rules: Sequence[Rule], snapshot: Snapshot) -> dict[str, Course | str]:
        """The courses of the rules that may have something new; a figure that cannot be had for a while is an error."""
        reached = {_key(r): last for r, last in zip(rules, frontier(rules, snapshot), strict=True)}
        due = [r for r in rules if self._reached.get(_key(r), -1) != reached[_key(r)]]
        names = {rule.name for rule in rules}
        self._failing = {name: since for name, since in self._failing.items() if name in names}
        # What is forgotten during the look stays so: what was found is noted where it was asked for.
        noted, failing = self._reached, self._failing
        self.again = None  # not after the look: rules that change meanwhile are to be looked at again
        found = await self._look.courses(due, snapshot)
        now = self._clock()
        for rule in due:
            course = found[rule.name]
            if not isinstance(course, str):
                failing.pop(rule.name, None)
                noted[_key(rule)] = reached[_key(rule)]
                continue
            self.again = now + RETRY_AFTER if self.again is None else min(self.again, now + RETRY_AFTER)
            if now - failing.setdefault(rule.name, now) < ERROR_AFTER:
                del found[rule.name]
                log.info("Rule %s cannot be judged now: %s", rule.name, course)
        return found

    async def with_revenue(self, steps: Sequence[Step], snapshot: Snapshot) -> list[Step]:
        """The steps, with the revenue at risk of those that begin to fire, where orders are kept."""
        answers: dict[str, Any] = {}
        found: list[Step] = []
        known: dict[str, Change] = {}
        for step in steps:
            change, state = step.change, step.state
            if change is not None and change.figure == "value" and change.currency is None:
                change = known[change.id] = replace(change, currency=self._look.currency)
            if change is not None and change.state is State.FIRING and change.users_at_risk:
                given = parameters(change.definition, change.segment, MOST_TOP)
                key = orjson.dumps(given, option=orjson.OPT_SORT_KEYS).decode()
                if key not in answers:
                    answers[key] = await self._value(given, snapshot)
                if not isinstance(answers[key], str):
                    change = with_revenue(change, answers[key], snapshot.calendar)
                known[change.id] = change
            if state.fired is not None and state.fired.id in known:  # by this step, or by one before it
                state = replace(state, fired=known[state.fired.id])
            found.append(step._replace(state=state, change=change))
        return found

    async def _value(self, given: Mapping[str, str], snapshot: Snapshot) -> Mapping[str, Any] | str:
        try:
            query = parse(
                given, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar
            )
        except QueryError as error:
            return str(error)
        answer = await self._look.answer(query, snapshot)
        if isinstance(answer, str):
            log.info("The revenue at risk is not known: %s", answer)
        return answer


def _key(rule: Rule) -> _Key:
    return rule.name, rule.fingerprint, rule.segment
