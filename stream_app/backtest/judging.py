"""Judges courses from their beginning to their end, as the live service would have at each closing."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from stream_app.backtest.messages import Sent, messages
from stream_app.domain.alerts import evaluate, stream_steps
from stream_app.domain.alerts.instants import instant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stream_app.domain.alerts import Change, Course, Flows, Hold, RuleSet, Step
    from stream_app.domain.periods import Calendar


class Judged(NamedTuple):
    """What came of it.

    Attributes:
        changes: in order of `at`; of one instant those of the stream come first.
        sent: messages, in order of their instants.
        withheld: changes that nobody would have been told of, and why.
    """

    changes: list[Change]
    sent: list[Sent]
    withheld: list[tuple[Change, Hold]]


def judge(
    rules: RuleSet,
    courses: Mapping[str, Course | str],
    flows: Flows,
    *,
    calendar: Calendar,
    watermark: int | None,
    at_risk: Callable[[Change], Change] = lambda change: change,
) -> Judged:
    """Judges.

    Args:
        rules: the rules; one without a course is not judged.
        courses: by rule.
        flows: how whole the event stream was.
        calendar: the business time zone.
        watermark: how far time went (ms).
        at_risk: puts in what a change costs.
    """
    of_stream = stream_steps(
        rules.quality, rules.targets, calendar=calendar, flows=flows, watermark=watermark, moved_at=None, now=None,
        states={},
    )  # fmt: skip
    steps = evaluate(
        rules.rules, courses, {}, outages=flows.overall.outages, own_outages=flows.own_outages, now=watermark
    )
    changes = sorted([*_changes(of_stream), *map(at_risk, _changes(steps))], key=instant)
    sent: list[Sent] = []
    withheld: list[tuple[Change, Hold]] = []
    for name in dict.fromkeys(change.rule for change in changes):
        own = [change for change in changes if change.rule == name]
        sending, to, promise = rules.told(name)
        told = messages(
            name, sending, to, own, until=watermark, calendar=calendar, course=courses.get(name), promise=promise
        )
        sent += told.sent
        withheld += told.withheld
    sent.sort(key=lambda one: one.at)
    return Judged(changes, sent, withheld)


def _changes(steps: Iterable[Step]) -> list[Change]:
    return [step.change for step in steps if step.change is not None]
