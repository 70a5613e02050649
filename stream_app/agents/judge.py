"""Agent `judge`: when periods close, judges the rules over the closed cells, and writes what changes to `alerts`.

Changes, the states that follow from them and what is owed for them to whom are one transaction of the owner of the
tables: a crash leaves all or nothing, and a worker that was frozen while another one took over writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts import AlertState, Change, State, alert_key, evaluate
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Record, Row, say_fenced

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream_app.domain.alerts import Rule
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.tables import Tables, Tenure

    Shown = Sequence[Mapping[str, Any]]

#: The table of states: alert key -> state.
TABLE = "alert-states"
#: Keys of the table that are no alerts: no rule name begins with a NUL character.
_RULES, _HISTORY, _WATERMARK = "\0rules", "\0history", "\0watermark"
#: Past changes kept for the page.
HISTORY = 200
#: Header of a change's record: the app_id of the service it is of; several may write to one topic.
APP_HEADER = "app_id"


class Judge:
    """Keeps the states of all alerts.

    Args:
        tables: whose owner judges.
        rules: the rules.
        line: the record of a change in the alerts topic.
        owe: what the outbox of a tenure stores for changes that are to be told.
        show: shows what is firing or pending, and what changed.
    """

    def __init__(
        self,
        tables: Tables,
        rules: Sequence[Rule],
        *,
        line: Callable[[Change], Record],
        owe: Callable[[Tenure, Sequence[Change]], Sequence[Row]],
        show: Callable[[Shown, Shown], Awaitable[None]],
    ) -> None:
        self._tables, self._rules, self._line, self._owe, self._show = tables, rules, line, owe, show

    @property
    def watermark(self) -> int | None:
        """The watermark (ms) of the latest judgement; it is what the service's watermark never goes back behind."""
        stored = self._table().get(_WATERMARK)
        return None if stored is None else int(stored)

    async def judge(self, latest: Callable[[], Snapshot | None]) -> None:
        """Judges every closed cell that has not been judged.

        Raises:
            Fenced: another worker judges now; nothing was written.
        """
        tenure = await self._tables.taken()
        snapshot = latest()
        if snapshot is None:
            return
        table = tenure.tables[TABLE]
        changes: list[Change] = []
        states: dict[str, AlertState] = {}
        since = self._since(table, snapshot)
        for step in evaluate(self._rules, snapshot, _states(table), quiet_until=since):
            states[step.key] = step.state
            if step.change is not None:
                changes.append(step.change)
        stored: dict[str, Any] = {key: state.to_json() for key, state in states.items()} | {_RULES: since}
        if changes:
            history = [*table.get(_HISTORY, []), *(change.to_json() for change in changes)]
            stored[_HISTORY] = history[-HISTORY:]
        if snapshot.watermark is not None:  # of a snapshot from before this tenure it may be an earlier one
            stored[_WATERMARK] = max(snapshot.watermark, table.get(_WATERMARK, snapshot.watermark))
        rows = [Row(TABLE, key, value) for key, value in stored.items() if table.get(key) != value]
        if rows:
            await tenure.write([*self._owe(tenure, changes), *rows], [self._line(change) for change in changes])
        await self._show(self.current(), self.history)

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """The latest changes, oldest first, ready for JSON."""
        return list(self._table().get(_HISTORY, []))

    def current(self) -> list[Mapping[str, Any]]:
        """The alerts that are firing or pending, ready for JSON."""
        found = [s for s in _states(self._table()).values() if s.state in (State.FIRING, State.PENDING)]
        return [s.fired.to_json() if s.fired is not None else _pending(s) for s in found]

    def _table(self) -> Mapping[str, Any]:
        tenure = self._tables.tenure
        return {} if tenure is None else tenure.tables[TABLE]

    def _since(self, table: Mapping[str, Any], snapshot: Snapshot) -> dict[str, int]:
        """Rules new to a service that has counted for long: what closed before they came is history, told in one."""
        known = table.get(_RULES)
        since: dict[str, int] = dict(known or {})
        for rule in self._rules:
            since.setdefault(rule.name, 0 if known is None else snapshot.watermark or 0)
        return since


def _states(table: Mapping[str, Any]) -> dict[str, AlertState]:
    return {key: AlertState.from_json(s) for key, s in table.items() if not key.startswith("\0")}


def _pending(state: AlertState) -> dict[str, Any]:
    plain = state.to_json()
    return {name: plain[name] for name in ("rule", "segment", "state", "cohort", "value", "group", "since", "reason")}


def register(app: ServiceApp, judge: Judge, latest: Callable[[], Snapshot | None], fail: Callable[..., None]) -> None:
    """Adds the agent to the app. An event says only that there is something to judge; `latest` gives the figures."""
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


def line(topic: str, app_id: str, change: Change) -> Record:
    """A change's record in the alerts topic."""
    key, value = alert_key(change.rule, change.segment).encode(), orjson.dumps(change.to_json())
    return Record(topic, key, value, ((APP_HEADER, app_id.encode()),))


async def announce(app: ServiceApp, snapshot: Snapshot) -> None:
    """Says that periods closed."""
    topic = app.topic(app.names.closings, key_serializer="raw", value_serializer="raw")
    await (await topic.send(key=b"closed", value=orjson.dumps({"as_of": snapshot.as_of})))
