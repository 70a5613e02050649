"""How whole the event stream is: all events together, and each kind of event that rules are about by itself.

Where one kind is lost, such as a topic of purchases, all events together may be nearly as many as on any other day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stream_app.domain.alerts.quality import counts_volume, outages
from stream_app.domain.events import REPURCHASE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_app.domain.alerts.observation import Outage
    from stream_app.domain.alerts.quality import Volume
    from stream_app.domain.alerts.rule import Rule
    from stream_app.domain.events import Definition, Filter
    from stream_app.domain.periods import Calendar

#: The measures that are of orders, whatever the definition's events; every one of figure `value` is.
_OF_ORDERS = ("concentration", "revenue_share")


@dataclass(frozen=True)
class Flow:
    """All events, or those of one kind.

    Attributes:
        volumes: of each closed day its active users, in order, without a gap.
        outages: the days among them with far too few.
    """

    volumes: Sequence[Volume] = ()
    outages: Sequence[Outage] = ()

    @classmethod
    def of(cls, volumes: Sequence[Volume], calendar: Calendar, share: float | None) -> Flow:
        """The flow of these volumes; `calendar` and `share` as in `quality.outages`."""
        return cls(volumes, outages(volumes, calendar, share))


@dataclass(frozen=True)
class Flows:
    """The event stream, as far as its days have closed.

    Attributes:
        overall: all events.
        kinds: the kinds that rules are about, by the definition that counts the users of each.
        of_rules: rule -> its kind. One that is not there is about all events, or about a kind that nobody counts.
    """

    overall: Flow = field(default_factory=Flow)
    kinds: Mapping[str, Flow] = field(default_factory=dict)
    of_rules: Mapping[str, str] = field(default_factory=dict)

    @property
    def own_outages(self) -> dict[str, Sequence[Outage]]:
        """By rule the outages of its kind."""
        return {rule: self.kinds[kind].outages for rule, kind in self.of_rules.items()}


def flows(
    rules: Sequence[Rule],
    definitions: Sequence[Definition],
    read: Callable[[str], Sequence[Volume]],
    calendar: Calendar,
    share: float | None,
) -> Flows:
    """The event stream as the rules need it.

    Args:
        rules: those in force.
        definitions: those that there are.
        read: gives the volumes by the active users of a definition, see `quality.volumes`.
        calendar: of the business time zone.
        share: of the usual volume; None: volumes are not watched.
    """
    if share is None:
        return Flows()
    overall, kinds = counts_volume(definitions), kinds_of(rules, definitions)
    return Flows(
        Flow() if overall is None else Flow.of(read(overall.name), calendar, share),
        {kind: Flow.of(read(kind), calendar, share) for kind in dict.fromkeys(kinds.values())},
        kinds,
    )


def kinds_of(rules: Sequence[Rule], definitions: Sequence[Definition]) -> dict[str, str]:
    """Rule -> the definition by which its kind of event is counted, if it is one and not the whole stream."""
    known = {definition.name: definition for definition in definitions}
    found: dict[str, str] = {}
    for rule in rules:
        if rule.definition in known:
            kind = _counting(_events_of(rule, known[rule.definition]), definitions)
            if kind is not None:
                found[rule.name] = kind
    return found


def _events_of(rule: Rule, definition: Definition) -> Filter:
    """The events whose loss makes a rule's figure worse."""
    of_orders = rule.figure == "value" or (rule.figure, rule.measure) == _OF_ORDERS
    return REPURCHASE.return_filter if of_orders else definition.return_filter


def _counting(events: Filter, definitions: Sequence[Definition]) -> str | None:
    """The first counted definition of these events: for all that have the same, there is one volume."""
    overall = counts_volume(definitions)
    if overall is None or events == overall.return_filter:
        return None
    return next((one.name for one in definitions if one.counted and one.return_filter == events), None)
