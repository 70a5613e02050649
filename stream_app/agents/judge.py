"""Agent `judge`: when periods close, judges the rules over the closed cells, and writes what changes to `alerts`.

Changes, the states that follow from them, the standing of each rule's alerts and what is owed to whom are one
transaction of the owner of the tables: a crash leaves all or nothing, and a worker that was frozen while another one
took over writes nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.agents.alert_rows import AlertRows, Parsed
from stream_app.agents.figures import Figures
from stream_app.domain.alerts import (
    Change,
    Command,
    Course,
    Health,
    Notice,
    NoticeKind,
    State,
    Step,
    alert_key,
    apply,
    dispatch,
    evaluate,
    flows,
    stream_steps,
    volumes,
    watched_volumes,
)
from stream_app.domain.alerts.curves import curves
from stream_app.domain.alerts.rule import STREAM_ALERTS
from stream_app.domain.alerts.shown import shown
from stream_app.domain.alerts.standings import view
from stream_app.domain.events import rfc3339
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Record, Row, say_fenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream_app.agents.look import Look, Threaded
    from stream_app.agents.rulebook import Rulebook
    from stream_app.domain.alerts import Flows, Group, RuleSet
    from stream_app.domain.metrics import Snapshot
    from stream_app.domain.periods import Calendar
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.commands import CommandLog
    from stream_app.engine.tables import Tables, Tenure

    Shown = Sequence[Mapping[str, Any]]

log = logging.getLogger(__name__)

#: Header of a change's record: the app_id of the service it is of; several may write to one topic.
APP_HEADER = "app_id"
RECONNECT_SECONDS = 2.0


class Judge:
    """Keeps the states of all alerts.

    Args:
        tables: whose owner judges.
        rulebook: the rules.
        look: gives their figures.
        line: the record of a change in the alerts topic.
        owe: what the outbox of a tenure stores for notices.
        show: shows what is firing, pending or cannot be judged; the history; and the silences.
        calendar: the business time zone.
        clock: the wall clock (ms).
        withheld: told why a change was not told of, for each such change.
        thread: runs a function beside the event loop.
    """

    def __init__(
        self,
        tables: Tables,
        rulebook: Rulebook,
        look: Look,
        *,
        line: Callable[[Change], Record],
        owe: Callable[[Tenure, Sequence[Notice]], Sequence[Row]],
        show: Callable[[Shown, Shown, Shown], Awaitable[None]],
        calendar: Calendar,
        clock: Callable[[], int],
        withheld: Callable[[str], None] = lambda _: None,
        thread: Threaded = asyncio.to_thread,
    ) -> None:
        self._tables, self._rulebook, self._figures = tables, rulebook, Figures(look, clock)
        self._line, self._owe, self._show = line, owe, show
        self._calendar, self._clock, self._withheld, self._thread = calendar, clock, withheld, thread
        self._judging, self._writing = asyncio.Lock(), asyncio.Lock()
        self._flows: Flows | None = None
        self._seen: Snapshot | None = None
        self._moved: tuple[int | None, int] = (None, clock())
        self._of: Tenure | None = None
        self._parsed = Parsed()

    @property
    def watermark(self) -> int | None:
        """The watermark (ms) of the latest judgement; it is what the service's watermark never goes back behind."""
        return self._rows(self._tables.tenure).watermark

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """What happened lately, oldest first: rows as in `domain.alerts.history`."""
        return self._rows(self._tables.tenure).history

    @property
    def waiting(self) -> bool:
        """Whether changes wait to be told."""
        return any(group.waiting for group in self._rows(self._tables.tenure).groups.values())

    @property
    def standing(self) -> list[Notice] | None:
        """The alerts of each rule that has told of any, as they stand: for targets that forget.

        None on workers that do not judge.
        """
        if self._tables.tenure is None:
            return None
        found = []
        for name, group in self._rows(self._tables.tenure).groups.items():
            sending, to, promise = self._rulebook.current.told(name)
            notice = Notice(
                group.root or "", name, NoticeKind.EDITED, rfc3339(self._clock()), (), root=group.root, to=group.to,
                standing=view(group.members), labels=sending.labels if to else group.labels, note=sending.note,
                promise=promise,
            )  # fmt: skip
            found.append(notice)
        return found

    def look_again(self) -> None:
        """The rules have changed: their figures are looked at again, at the next tick."""
        self._figures.forget(again=True)

    async def judge(self, latest: Callable[[], Snapshot | None]) -> None:
        """Judges every closed cell that has not been judged.

        Raises:
            Fenced: another worker judges now; nothing was written.
        """
        tenure = await self._tables.taken()
        async with self._judging:
            snapshot = latest()
            if snapshot is None:
                return
            self._meet(tenure, snapshot)
            book = self._rulebook.current
            stored = self._rows(tenure)
            courses = await self._figures.courses(book.rules, snapshot)
            seen: Flows = await self._thread(_flows, book, snapshot)
            watched = {rule.name: "=".join(rule.segment or ()) for rule in book.rules}
            if book.quality.volume is not None:  # of a volume that comes to be watched, what was is history
                watched |= dict.fromkeys(watched_volumes(seen), "")
            since = stored.since(watched, snapshot.watermark)
            quiet = stored.quiet_until(since, watched)
            steps: list[Step] = await self._thread(
                evaluate, book.rules, courses, stored.states,
                outages=seen.overall.outages, own_outages=seen.own_outages, quiet_until=quiet, now=snapshot.watermark,
            )  # fmt: skip
            steps = await self._figures.with_revenue(steps, snapshot)
            async with self._writing:
                if tenure is self._of:
                    self._flows = seen  # not before: a tick does not know what is history
                steps += self._stream(tenure, book, quiet)
                rows = stored.of_judgement(since, snapshot.watermark)
                await self._write(tenure, steps, courses, rows)
        await self.show()

    async def tick(self, latest: Callable[[], Snapshot | None]) -> None:
        """What the passing of time brings: messages that waited, repetitions, a stream that stands still.

        Raises:
            Fenced: another worker judges now; nothing was written.
        """
        tenure = self._tables.tenure
        if tenure is None:
            return
        snapshot = latest()
        if snapshot is not None:
            self._meet(tenure, snapshot)
        again = self._figures.again
        if again is not None and self._clock() >= again:
            await self.judge(latest)
        async with self._writing:
            changed = await self._write(tenure, self._stream(tenure, self._rulebook.current), {})
        if changed:
            await self.show()

    async def follow(self, commands: CommandLog, broken: tuple[type[Exception], ...]) -> None:
        """Applies commands, for good.

        Args:
            commands: their log.
            broken: the errors of a broker that does not answer; it is waited for, unless it is in a write.
        """
        while True:
            tenure = await self._tables.taken()
            obeying = False
            try:
                async with contextlib.aclosing(commands.follow(self._rows(tenure).commands)) as asked:
                    async for value, following in asked:
                        if tenure.over:
                            break
                        obeying = True
                        await self.obey(tenure, value, following)
                        obeying = False
            except Fenced as fenced:
                say_fenced(fenced)
            except broken as error:
                if obeying:  # not written: the tenure is over, and without another one nothing would be judged
                    raise
                log.debug("Commands cannot be read: %r", error)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def obey(self, tenure: Tenure, value: bytes, following: int) -> None:
        """Applies one command; `following` is the offset after it. Raises Fenced."""
        async with self._writing:
            stored = self._rows(tenure)
            if following <= stored.commands:
                return
            rows = stored.of_commands(following)
            groups: dict[str, Group] | None = None
            lines: Sequence[Mapping[str, Any]] = ()
            try:
                command = Command.from_json(orjson.loads(value))
            except (ValueError, KeyError, TypeError) as error:
                log.error("A command at offset %d of the log is not understood (%r); it is left out.",
                          following - 1, error)  # fmt: skip
            else:
                applied = apply(command, stored.silences, stored.groups, self._clock())
                log.info("%s by %s: %s.", command.action.value.capitalize(), command.author or "somebody", applied.said)
                rows += stored.of_silences(applied.silences, applied.gone)
                lines = [] if applied.row is None else [applied.row]
                groups = dict(applied.groups)
            await self._write(tenure, [], {}, rows, groups, lines)
        await self.show()

    async def show(self) -> None:
        """Shows the alerts as they stand."""
        stored = self._rows(self._tables.tenure)
        await self._show(self.current(), stored.history, [silence.to_json() for silence in stored.silences])

    def current(self) -> list[Mapping[str, Any]]:
        """The alerts that are firing or pending, or cannot be judged, ready for JSON."""
        stored = self._rows(self._tables.tenure)
        groups, rules = stored.groups, {rule.name: rule for rule in self._rulebook.rules}
        return [
            shown(state, groups.get(state.rule), rules.get(state.rule))
            for state in stored.states.values()
            if state.state in (State.FIRING, State.PENDING) or state.health is not Health.OK
        ]

    def _meet(self, tenure: Tenure, snapshot: Snapshot) -> None:
        """Notes when the watermark last moved; in a new tenure everything is looked at anew."""
        if tenure is not self._of:
            self._of, self._flows = tenure, None
            self._figures.forget()
            self._moved = (snapshot.watermark, self._clock())
        elif snapshot.watermark != self._moved[0]:
            self._moved = (snapshot.watermark, self._clock())
        self._seen = snapshot

    def _stream(self, tenure: Tenure, book: RuleSet, quiet_until: Mapping[str, int] | None = None) -> list[Step]:
        """The steps of the alerts on the stream itself, by the rules whose flows are known."""
        if self._seen is None or tenure is not self._of:
            return []
        return stream_steps(
            book.quality, book.targets, calendar=self._calendar, flows=self._flows, watermark=self._seen.watermark,
            moved_at=self._moved[1], now=self._clock(), states=self._rows(tenure).states_of(STREAM_ALERTS),
            quiet_until=quiet_until,
        )  # fmt: skip

    # -- rows

    def _rows(self, tenure: Tenure | None) -> AlertRows:
        return AlertRows(tenure, self._parsed)

    async def _write(
        self,
        tenure: Tenure,
        steps: Sequence[Step],
        courses: Mapping[str, Course | str],
        rows: Sequence[Row] = (),
        groups: Mapping[str, Group] | None = None,
        lines: Sequence[Mapping[str, Any]] = (),
    ) -> bool:
        """Writes steps, what is to be told because of them or of the time, further rows and lines of the history.

        Returns whether there was anything to write.
        """
        stored = self._rows(tenure)
        before = stored.groups
        standing: dict[str, Group | None] = {**before, **(groups or {})}
        changes = [step.change for step in steps if step.change is not None]
        now, silences = self._clock(), stored.silences
        if groups is not None:  # a command: what it changed of the silences is not stored yet
            silences = AlertRows.silences_with(silences, rows)
        notices: list[Notice] = []
        withheld: list[str] = []
        for name in sorted({*standing, *(change.rule for change in changes)}):
            own = [change for change in changes if change.rule == name]
            sending, to, promise = self._rulebook.current.told(name)
            told = dispatch(
                name, sending, to, standing.get(name), own, now=now, calendar=self._calendar, silences=silences,
                curves=curves(own, courses.get(name)), promise=promise,
            )  # fmt: skip
            standing[name] = told.group
            notices += told.notices
            withheld += [hold.value for _, hold in told.withheld]
        all_rows = [
            *rows,
            *stored.of_states({step.key: step.state for step in steps}),
            *stored.of_groups({name: group for name, group in standing.items() if group != before.get(name)}),
            *stored.of_history([*lines, *(change.to_json() for change in changes)]),
            *self._forgotten(stored, now),
        ]
        if not all_rows and not notices:
            return False
        await tenure.write([*self._owe(tenure, notices), *all_rows], [self._line(change) for change in changes])
        for why in withheld:
            self._withheld(why)
        return True

    @staticmethod
    def _forgotten(stored: AlertRows, now: int) -> list[Row]:
        """Silences that ended a while ago."""
        return stored.of_silences((), [s.command.id for s in stored.silences if s.ends < now - 30 * 86_400_000])


def _flows(book: RuleSet, snapshot: Snapshot) -> Flows:
    return flows(book.rules, snapshot.definitions, partial(volumes, snapshot), snapshot.calendar, book.quality.volume)


def register(app: ServiceApp, judge: Judge, latest: Callable[[], Snapshot | None], fail: Callable[..., None],
             interval: float = 1.0) -> None:  # fmt: skip
    """Adds the agent and its timer to the app.

    An event says only that there is something to judge; `latest` gives the figures.
    """
    topic = app.topic(app.names.closings, key_serializer="raw", value_serializer="raw")

    async def judged() -> bool:
        try:
            await judge.judge(latest)
        except Fenced as fenced:
            say_fenced(fenced)  # in the next tenure, if one comes, there is still something to judge
            return False
        return True

    async def judging(stream: Any) -> None:
        async for _ in stream:
            try:
                while not await judged():
                    pass
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the event and go on
                fail(error)
                return

    app.agent(topic, name="judge")(judging)

    @app.timer(interval)
    async def tick() -> Any:
        try:
            await judge.tick(latest)
        except Fenced as fenced:
            say_fenced(fenced)
        except Exception as error:  # noqa: BLE001 - a message that waits for good must not go unnoticed
            fail(error)


def line(topic: str, app_id: str, change: Change) -> Record:
    """A change's record in the alerts topic."""
    key, value = alert_key(change.rule, change.segment).encode(), orjson.dumps(change.to_json())
    return Record(topic, key, value, ((APP_HEADER, app_id.encode()),))


async def announce(app: ServiceApp, snapshot: Snapshot) -> None:
    """Says that periods closed."""
    topic = app.topic(app.names.closings, key_serializer="raw", value_serializer="raw")
    await (await topic.send(key=b"closed", value=orjson.dumps({"as_of": snapshot.as_of})))
