"""Agent `judge`: when periods close, judges the rules over the closed cells, and writes what changes to `alerts`.

The change is written before the state that follows from it: a crash in between repeats the change, under the same id.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from stream_app.domain.alerts import AlertState, Change, State, alert_key, evaluate

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from stream_app.domain.alerts import Rule
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.app import ServiceApp
    from stream_app.engine.tables import DurableTable

#: Keys of the table that are no alerts: no rule name begins with a NUL character.
_RULES, _HISTORY, _WATERMARK = "\0rules", "\0history", "\0watermark"
#: Past changes kept for the page.
HISTORY = 200


class Judge:
    """Keeps the states of all alerts in a Faust table.

    Args:
        table: alert key -> state.
        rules: the rules.
        write: writes a change to the alerts topic, and returns when it is there.
        show: shows what is firing or pending, and what changed.
    """

    def __init__(
        self,
        table: DurableTable,
        rules: Sequence[Rule],
        write: Callable[[Change], Awaitable[None]],
        show: Callable[[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]], Awaitable[None]],
    ) -> None:
        self._table, self._rules, self._write, self._show = table, rules, write, show

    @property
    def watermark(self) -> int | None:
        """The watermark (ms) of the latest judgement; it is what the service's watermark never goes back behind."""
        stored = self._table.get(_WATERMARK)
        return None if stored is None else int(stored)

    async def judge(self, snapshot: Snapshot) -> None:
        """Judges every closed cell that has not been judged."""
        states = self._states()
        changes: list[Mapping[str, Any]] = []
        for step in evaluate(self._rules, snapshot, states, quiet_until=self._quiet_until(snapshot)):
            if step.change is not None:
                await self._write(step.change)
                changes.append(step.change.to_json())
            self._table[step.key] = step.state.to_json()
        if changes:
            self._table[_HISTORY] = [*self._table.get(_HISTORY, []), *changes][-HISTORY:]
        if snapshot.watermark is not None:
            self._table[_WATERMARK] = snapshot.watermark
        await self._table.durable()
        await self._show(self.current(), self.history)

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """The latest changes, oldest first, ready for JSON."""
        return list(self._table.get(_HISTORY, []))

    def current(self) -> list[Mapping[str, Any]]:
        """The alerts that are firing or pending, ready for JSON."""
        found = [s for s in self._states().values() if s.state in (State.FIRING, State.PENDING)]
        return [s.fired.to_json() if s.fired is not None else _pending(s) for s in found]

    def _states(self) -> dict[str, AlertState]:
        return {key: AlertState.from_json(s) for key, s in self._table.items() if not key.startswith("\0")}

    def _quiet_until(self, snapshot: Snapshot) -> dict[str, int]:
        """Rules new to a service that has counted for long: what closed before they came is history, told in one."""
        known = self._table.get(_RULES)
        since: dict[str, int] = dict(known or {})
        for rule in self._rules:
            since.setdefault(rule.name, 0 if known is None else snapshot.watermark or 0)
        if since != known:
            self._table[_RULES] = since
        return since


def _pending(state: AlertState) -> dict[str, Any]:
    plain = state.to_json()
    return {name: plain[name] for name in ("rule", "segment", "state", "cohort", "value", "group", "since", "reason")}


def register(app: ServiceApp, judge: Judge, latest: Callable[[], Snapshot | None], fail: Callable[..., None]) -> None:
    """Adds the agent to the app. An event says only that there is something to judge; `latest` gives the figures."""
    topic = app.topic(app.names.closings, key_serializer="raw", value_serializer="raw")

    async def judging(stream: Any) -> None:
        async for _ in stream:
            try:
                snapshot = latest()
                if snapshot is not None:
                    await judge.judge(snapshot)
            except Exception as error:  # noqa: BLE001 - Faust would acknowledge the event and go on
                fail(error)
                return

    app.agent(topic, name="judge")(judging)


def line(change: Change) -> tuple[bytes, bytes]:
    """Key and value of a change's record in the alerts topic."""
    return alert_key(change.rule, change.segment).encode(), orjson.dumps(change.to_json())


async def announce(app: ServiceApp, snapshot: Snapshot) -> None:
    """Says that periods closed."""
    topic = app.topic(app.names.closings, key_serializer="raw", value_serializer="raw")
    await (await topic.send(key=b"closed", value=orjson.dumps({"as_of": snapshot.as_of})))
