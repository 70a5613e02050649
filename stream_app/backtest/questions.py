"""What rules have to know of a file: each question once, whoever asks it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stream_app.domain.alerts import counts_volume, kinds_of, query_of
from stream_app.domain.alerts.measures import measure_of
from stream_app.domain.alerts.revenue import parameters
from stream_app.domain.metrics.query import MOST_TOP, ParameterError, parse
from stream_app.domain.periods import Grain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts import Change, Rule, RuleSet
    from stream_app.domain.metrics.query import Query
    from stream_app.settings import Settings


@dataclass(frozen=True)
class Questions:
    """The questions of a rules file.

    Attributes:
        courses: by rule its own.
        revenue: by definition and dimension (None: all users) what its users have brought.
        volumes: by definition how many users each day had; none where nobody looks for outages.
    """

    courses: Mapping[str, Query]
    revenue: Mapping[tuple[str, str | None], Query]
    volumes: Mapping[str, Query]

    @property
    def all(self) -> tuple[Query, ...]:
        """Each one once."""
        return tuple(dict.fromkeys((*self.courses.values(), *self.revenue.values(), *self.volumes.values())))


def questions_of(rules: RuleSet, settings: Settings, until: int | None = None) -> Questions:
    """The questions of rules.

    Args:
        rules: the rules.
        settings: definitions, dimensions and time zone.
        until: events from this instant (ms) on are left out.

    Raises:
        ParameterError: `until` does not go with a rule's figure.
    """

    def parsed(given: Mapping[str, str]) -> Query:
        query = parse(
            given, definitions=settings.definitions, dimensions=settings.dimensions, calendar=settings.calendar
        )
        return replace(query, until=until)

    def own(rule: Rule) -> Query:
        query = query_of(
            rule, definitions=settings.definitions, dimensions=settings.dimensions, calendar=settings.calendar
        )
        _check(rule, settings, until)
        return replace(query, until=until)

    at_risk = {_key(rule): rule for rule in rules.rules if measure_of(rule.figure, rule.measure).share}
    overall, kinds = counts_volume(settings.definitions), kinds_of(rules.rules, settings.definitions).values()
    watched = () if rules.quality.volume is None or overall is None else (overall.name, *kinds)
    return Questions(
        courses={rule.name: own(rule) for rule in rules.rules},
        revenue={key: parsed(parameters(key[0], {key[1]: ""} if key[1] else {}, MOST_TOP)) for key in at_risk},
        volumes={name: parsed({"figure": "lifecycle", "definition": name, "grain": "day"}) for name in watched},
    )


def revenue_key(change: Change) -> tuple[str, str | None]:
    """The question, by `Questions.revenue`, that tells what the users of a change bring."""
    return change.definition, next(iter(change.segment), None)


def _key(rule: Rule) -> tuple[str, str | None]:
    return rule.definition, None if rule.segment is None else rule.segment[0]


def _check(rule: Rule, settings: Settings, until: int | None) -> None:
    calendar = settings.calendar
    if until is None or rule.figure not in ("churn", "crr") or calendar.start(Grain.DAY, calendar.day(until)) == until:
        return
    message = f"figure {rule.figure} of rule {rule.name} is of the ends of local days; write a date such as 1998-07-01"
    raise ParameterError("until", str(until), message)
