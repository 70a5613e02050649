"""The rules that are in force: read at the start, and again when their file has changed. A bad file changes nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from stream_app.domain.alerts import RuleSet, load_rules, query_of
from stream_app.domain.errors import ConfigurationError, QueryError
from stream_app.domain.metrics.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from stream_app.domain.alerts import Rule
    from stream_app.settings import Settings

log = logging.getLogger(__name__)


class Rulebook:
    """The rules of a file.

    Args:
        settings: name the file, and what rules may be about.

    Attributes:
        current: the rules in force.
        problem: why the file as it is now was not taken; None where it was.
        changed: called after rules were exchanged.
        told: called with what came of each reading of a changed file: None, or what is wrong with it.

    Raises:
        ConfigurationError: the file cannot be read, or something in it is wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.problem: str | None = None
        self.changed: Callable[[], None] = lambda: None
        self.told: Callable[[str | None], None] = lambda _: None
        self._text = self._read()
        self._wrong: str | None = None  # with the text that was read last
        self.current = self._understood(self._text)

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force."""
        return self.current.rules

    async def run(self, fail: Callable[[BaseException], None]) -> None:
        """Looks at the file at intervals, for good."""
        try:
            while True:
                await asyncio.sleep(self._settings.rules_interval)
                await self.look()
        except Exception as error:  # noqa: BLE001 - rules that nobody reads again must not go unnoticed
            fail(error)

    async def look(self) -> None:
        """Reads the file, and takes it if it has changed and is right."""
        try:
            text = await asyncio.to_thread(self._read)
        except ConfigurationError as error:
            self._say(str(error))
            return
        if text == self._text:
            if self.problem != self._wrong:
                self._say(self._wrong)  # it was away for a while, and is what it was
            return
        self._text = text  # also of a bad file: what is wrong with it is said once
        try:
            found = await asyncio.to_thread(self._understood, text)
        except ConfigurationError as error:
            self._wrong = str(error)
            self._say(self._wrong)
            return
        before, self.current, self._wrong = self.current, found, None
        self._say(None)
        log.info("The rules were read anew: %s.", _difference(before, found))
        self.changed()

    def _say(self, problem: str | None) -> None:
        if problem is not None and problem != self.problem:
            log.error("The rules file is not taken, the rules before it stay in force. %s", problem)
        self.problem = problem
        self.told(problem)

    def _read(self) -> str:
        path = self._settings.rules
        if path is None:
            return ""
        try:
            return path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"rules: {str(path)!r} cannot be read ({error}); correct the path") from error

    def _understood(self, text: str) -> RuleSet:
        settings = self._settings
        if settings.rules is None:
            return RuleSet()
        found = load_rules(
            text, source=str(settings.rules), definitions=settings.definitions, dimensions=settings.dimensions,
            calendar=settings.calendar,
        )  # fmt: skip
        self._answerable(found)
        for doubt in found.doubts:
            log.warning("%s: %s.", settings.rules, doubt)
        return found

    def _answerable(self, found: RuleSet) -> None:
        """Refuses rules on figures that the service does not keep what it takes for."""
        s = self._settings
        kept = Kept(hour_days=s.hour_days, orders=s.orders)
        for rule in found.rules:
            query = query_of(rule, definitions=s.definitions, dimensions=s.dimensions, calendar=s.calendar)
            if query.counted:
                continue
            try:
                kept.check(query, s.calendar)
            except QueryError as error:
                raise ConfigurationError(f"{s.rules}: rule {rule.name!r} cannot be judged: {error}") from error


def _difference(before: RuleSet, now: RuleSet) -> str:
    """How rules differ, in words."""
    old, new = ({rule.name: rule for rule in rules.rules} for rules in (before, now))
    added, gone = [n for n in new if n not in old], [n for n in old if n not in new]
    other = [n for n in new if n in old and new[n] != old[n]]
    parts = [f"{len(new)} rules"]
    parts += [f"{what} {', '.join(names)}" for what, names in (("new:", added), ("gone:", gone), ("changed:", other))
              if names]  # fmt: skip
    return "; ".join(parts)
