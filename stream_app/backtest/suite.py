"""`stream-app rules test`: runs test files of rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stream_app.backtest.cells import Cells, course_of
from stream_app.backtest.expected import differences
from stream_app.backtest.judging import Judged, judge
from stream_app.backtest.rulesfile import read_rules
from stream_app.backtest.run import backtest
from stream_app.backtest.testfile import load_tests
from stream_app.domain.alerts import Flow, Flows, State, alert_key
from stream_app.domain.alerts.instants import instant as seconds
from stream_app.domain.alerts.rule import EVERYBODY
from stream_app.domain.alerts.rules import RulesError
from stream_app.domain.alerts.yamlnodes import Problem
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import rfc3339
from stream_app.domain.metrics.query import ParameterError, instant
from stream_app.domain.periods import Grain
from stream_app.offline import Reading
from stream_app.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stream_app.backtest.messages import Sent
    from stream_app.backtest.testcase import Case, FiringAt, TestFile
    from stream_app.domain.alerts import Change, RuleSet
    from stream_app.settings import Settings


class Outcome(NamedTuple):
    """What came of one test: where it is, and how what came differs from what was expected; empty: it does not."""

    name: str
    line: int
    differences: Sequence[str]


def run_tests(path: str, config: Path | str | None = None) -> list[Outcome]:
    """Runs the tests of a file, in its order. Paths in it are meant from its directory.

    Args:
        path: the test file.
        config: settings; None: those that the test file names, or the defaults.

    Raises:
        ConfigurationError: the test file, or a file that it names, cannot be read or is wrong.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: the test file cannot be read ({error}); correct the path") from error
    found, folder = load_tests(text, path), Path(path).parent
    settings = load_settings(config if found.config is None or config else folder / found.config, {})
    rules, settings = read_rules(folder / found.rules, settings)
    return [_Run(path, rules, settings, found, case).outcome() for case in found.cases]


class _Run:
    """One test."""

    def __init__(self, path: str, rules: RuleSet, settings: Settings, file: TestFile, case: Case) -> None:
        self._path, self._rules, self._settings = path, rules, settings
        self._file, self._case, self._calendar = file, case, settings.calendar

    def outcome(self) -> Outcome:
        case, judged = self._case, self._judged()
        changes = [change.to_json() for change in judged.changes]
        said: list[str] = []
        if case.told is not None:
            told = [row for row in changes if row["to"]]
            said += differences("told", case.told, told, self._calendar)
        if case.changes is not None:
            said += differences("changes", case.changes, changes, self._calendar)
        for one in case.firing:
            said += self._firing(one, judged.changes)
        if case.messages is not None:
            said += differences("messages", case.messages, [_message(sent) for sent in judged.sent], self._calendar)
        return Outcome(case.name, case.line, said)

    def _judged(self) -> Judged:
        return self._of_cells() if self._case.events is None else self._of_events(self._case.events)

    def _of_events(self, events: str) -> Judged:
        case = self._case
        done = backtest(
            self._rules, str(Path(self._path).parent / events), settings=self._settings, until=self._until(),
            reading=Reading(case.form, case.columns, case.constants),
        )  # fmt: skip
        return Judged(list(done.changes), list(done.sent), list(done.withheld))

    def _of_cells(self) -> Judged:
        case, settings = self._case, self._settings
        by_name = {rule.name: rule for rule in self._rules.rules}
        given: dict[str, list[Cells]] = {}
        for cells in case.cells:
            rule = by_name.get(cells.rule)
            if rule is None:
                raise self._wrong(cells.line, "rule", f"{cells.rule!r} is no rule of {self._file.rules}")
            compared = rule.baseline is not None and rule.baseline.segment == EVERYBODY
            wrong = bool(cells.segment) if rule.segment is None else not (cells.segment or compared)
            if wrong or len(cells.segment) > 1:
                raise self._wrong(cells.line, "segment", f"rule {rule.name} judges {_whom(rule.segment)}")
            series = next(iter(cells.segment.items()), ())
            begin = self._instant(cells.begin, cells.line, "from")
            given.setdefault(cells.rule, []).append(
                Cells(cells.rule, begin, series, cells.groups, cells.counted, cells.values)
            )
        courses = {name: course_of(by_name[name], cells, settings, self._until()) for name, cells in given.items()}
        volumes, end = self._volumes()
        until = self._until() or max([end, *(course.closed_at or 0 for course in courses.values())])
        quality = self._rules.quality if case.volume else replace(self._rules.quality, volume=None)
        rules = replace(self._rules, quality=quality)
        flows = Flows(Flow.of(volumes, self._calendar, quality.volume))
        return judge(rules, courses, flows, calendar=self._calendar, watermark=until)

    def _volumes(self) -> tuple[list[tuple[int, int]], int]:
        """The active users of days, and when the last of these ends (ms)."""
        if self._case.volume is None:
            return [], 0
        begin, users = self._case.volume
        first = self._calendar.day(self._instant(begin, self._case.line, "volume.from"))
        days = [(first + place, seen or 0) for place, seen in enumerate(users)]
        until, ends = self._until(), [self._calendar.end(Grain.DAY, day) for day, _ in days]
        return [one for one, end in zip(days, ends, strict=True) if until is None or end <= until], ends[-1]

    def _firing(self, one: FiringAt, changes: Sequence[Change]) -> list[str]:
        at = self._instant(one.at, one.line, "at")
        latest = {
            alert_key(change.rule, change.segment): change for change in changes if round(1000 * seconds(change)) <= at
        }
        rows = [
            {"rule": change.rule, "segment": dict(change.segment)}
            for change in latest.values()
            if change.state is State.FIRING
        ]
        return differences(f"firing at {one.at}", one.alerts, rows, self._calendar)

    def _until(self) -> int | None:
        given = self._case.until
        return None if given is None else self._instant(given, self._case.line, "until")

    def _instant(self, given: str, line: int, field: str) -> int:
        try:
            return instant(field, given, self._calendar)
        except ParameterError as error:
            raise self._wrong(line, field, error.message) from error

    def _wrong(self, line: int, field: str, message: str) -> RulesError:
        return RulesError(self._path, [Problem(line, field, message)])


def _message(sent: Sent) -> dict[str, Any]:
    notice = sent.notice
    return {
        "at": rfc3339(sent.at),
        "rule": notice.rule,
        "kind": notice.kind.value,
        "changes": len(notice.changes),
        "firing": len(notice.now),
        "to": list(notice.to),
    }


def _whom(segment: tuple[str, str] | None) -> str:
    return "all users: leave it out" if segment is None else f"values of {segment[0]}: name one, as {{{segment[0]}: x}}"
