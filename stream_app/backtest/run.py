"""`stream-app backtest`: which alerts rules would have raised on the events of a file, and what was told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app import offline
from stream_app.backtest.judging import judge
from stream_app.backtest.questions import questions_of, revenue_key
from stream_app.domain.alerts import flows, from_answer, volumes_of
from stream_app.domain.alerts.revenue import with_revenue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_app.backtest.messages import Sent
    from stream_app.domain.alerts import Change, Course, Hold, RuleSet
    from stream_app.domain.alerts.quality import Volume
    from stream_app.offline import Reading
    from stream_app.offline.progress import Show
    from stream_app.settings import Settings


@dataclass(frozen=True)
class Backtest:
    """What would have happened.

    Attributes:
        rules: the rules.
        courses: by rule what it has judged.
        changes: of all alerts, in order of `at`: the lines of the alerts topic.
        sent: the messages, in the order in which they would have been sent.
        withheld: changes that nobody would have been told of, and why.
        watermark: how far the file goes (ms); None without events.
    """

    rules: RuleSet
    courses: Mapping[str, Course]
    changes: Sequence[Change]
    sent: Sequence[Sent]
    withheld: Sequence[tuple[Change, Hold]]
    watermark: int | None


def backtest(
    rules: RuleSet,
    path: str,
    *,
    settings: Settings,
    until: int | None = None,
    reading: Reading | None = None,
    show: Callable[[], Show] | None = None,
) -> Backtest:
    """Judges the events of a file, which is read once.

    Args:
        rules: the rules.
        path: the file; `-` is stdin.
        settings: what is counted by; its dimensions are those that the rules may name.
        until: events from this instant (ms) on are left out, and all before it closes; None: the last event closes.
        reading: how the file is to be read.
        show: makes the progress bar; None: there is none.

    Raises:
        ConfigurationError: the file cannot be read, or none of its records can.
        ParameterError: `until` does not go with a rule's figure. It shows before the file is read.
    """
    asked = questions_of(rules, settings, until)
    file = offline.read(path, asked.all, until=until, settings=settings, reading=reading, show=show)
    calendar, watermark = settings.calendar, file.watermark
    answers = {query: file.answer(query) for query in dict.fromkeys(asked.courses.values())}
    courses = {
        rule.name: from_answer(rule, answers[asked.courses[rule.name]], calendar, watermark) for rule in rules.rules
    }

    def volumes(definition: str) -> Sequence[Volume]:
        query = asked.volumes[definition]
        return volumes_of(answers.get(query) or file.answer(query))

    stream = flows(rules.rules, settings.definitions, volumes, calendar, rules.quality.volume)
    brought: dict[tuple[str, str | None], Mapping[str, object]] = {}

    def at_risk(change: Change) -> Change:
        key = revenue_key(change)
        if not change.users_at_risk or key not in asked.revenue:
            return change
        if key not in brought:
            brought[key] = file.answer(asked.revenue[key])
        return with_revenue(change, brought[key], calendar)

    judged = judge(rules, courses, stream, calendar=calendar, watermark=watermark, at_risk=at_risk)
    return Backtest(rules, courses, judged.changes, judged.sent, judged.withheld, watermark)
