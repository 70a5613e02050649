"""What lies in the tables of the alerts: states, groups, silences, how far commands were read, and the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from stream_app.domain.alerts import AlertState, Group, Silence, alert_key
from stream_app.engine.tables import Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stream_app.engine.tables import Tenure

T = TypeVar("T")

#: The tables: what is known of alerts, and what happened by number.
TABLE, HISTORY_TABLE = "alert-states", "alert-history"
#: Rows of the history that are kept.
HISTORY = 10_000
#: Keys of the table of states that are no alerts: no rule name begins with a NUL character.
_RULES, _WATERMARK, _COMMANDS = "\0rules", "\0watermark", "\0commands"
_GROUP, _SILENCE = "\0group ", "\0silence "
#: Where version 0.5 and before kept its latest 200 changes, in one row.
_FORMER_HISTORY = "\0history"


class Parsed:
    """What rows mean, remembered for as long as they are what they were: ticks come each second."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[object, Any]] = {}

    def of(self, key: str, row: Any, parse: Callable[[Any], T]) -> T:
        """What a row means."""
        known = self._known.get(key)
        if known is None or known[0] is not row:
            known = self._known[key] = (row, parse(row))
        return known[1]


class AlertRows:
    """The tables of a tenure, or of none, as what they mean.

    Args:
        tenure: whose tables; None: there is nothing.
        parsed: remembers what rows mean.
    """

    def __init__(self, tenure: Tenure | None, parsed: Parsed | None = None) -> None:
        self._parsed = parsed or Parsed()
        self._table: Mapping[str, Any] = {} if tenure is None else tenure.tables[TABLE]
        self._past: Mapping[str, Any] = {} if tenure is None else tenure.tables[HISTORY_TABLE]

    @property
    def states(self) -> dict[str, AlertState]:
        """The states, by key of the alert."""
        of = self._parsed.of
        return {key: of(key, s, AlertState.from_json) for key, s in self._table.items() if not key.startswith("\0")}

    def states_of(self, rules: Iterable[str]) -> dict[str, AlertState]:
        """The states of the alerts of some rules, by key of the alert."""
        of, begins = self._parsed.of, tuple(alert_key(rule, {}).removesuffix("]") for rule in rules)
        return {key: of(key, s, AlertState.from_json) for key, s in self._table.items() if key.startswith(begins)}

    @property
    def groups(self) -> dict[str, Group]:
        """The groups, by rule."""
        of = self._parsed.of
        rows = {key: row for key, row in self._table.items() if key.startswith(_GROUP)}
        return {key.removeprefix(_GROUP): of(key, row, Group.from_json) for key, row in rows.items()}

    @property
    def silences(self) -> list[Silence]:
        """The silences, in the order in which they were asked for."""
        found = [Silence.from_json(s) for key, s in self._table.items() if key.startswith(_SILENCE)]
        return sorted(found, key=lambda silence: (silence.command.at, silence.command.id))

    @staticmethod
    def silences_with(silences: Iterable[Silence], rows: Iterable[Row]) -> list[Silence]:
        """Silences as they are once these rows are written."""
        found: dict[str, Silence | None] = {one.command.id: one for one in silences}
        for row in rows:
            if row.table == TABLE and row.key.startswith(_SILENCE):
                found[row.key.removeprefix(_SILENCE)] = None if row.value is None else Silence.from_json(row.value)
        return sorted(
            (one for one in found.values() if one is not None), key=lambda one: (one.command.at, one.command.id)
        )

    @property
    def history(self) -> list[Mapping[str, Any]]:
        """What happened, oldest first: rows as in `domain.alerts.history`."""
        return [*self._table.get(_FORMER_HISTORY, []), *(self._past[key] for key in sorted(self._past))]

    @property
    def watermark(self) -> int | None:
        """The watermark (ms) of the latest judgement."""
        stored = self._table.get(_WATERMARK)
        return None if stored is None else int(stored)

    @property
    def commands(self) -> int:
        """The offset of the first command that has not been applied."""
        return int(self._table.get(_COMMANDS, 0))

    def since(self, watched: Mapping[str, str], watermark: int | None) -> dict[str, int]:
        """By rule, and by rule and what it watches, the instant (ms) up to which cells were history when it came.

        Of them only the outcome is told. A rule that comes to watch other segments has no older alerts of those. What
        is not watched is not in it: should it be watched again, all until then is history.

        Args:
            watched: by rule, the segments it watches, as text.
            watermark: that of now (ms).
        """
        known = self._table.get(_RULES)
        before: dict[str, int] = dict(known or {})
        since: dict[str, int] = {}
        for name, segments in watched.items():
            begin = since[name] = before.get(name, 0 if known is None else watermark or 0)
            others = any(key.startswith(f"{name}\0") for key in before)
            own = f"{name}\0{segments}"
            since[own] = before.get(own, (watermark or 0) if others else begin)
        return since

    @staticmethod
    def quiet_until(since: Mapping[str, int], watched: Mapping[str, str]) -> dict[str, int]:
        """The instants by rule alone, as each now watches."""
        return {name: since[f"{name}\0{segments}"] for name, segments in watched.items()}

    # -- rows to write, those that are new or other than what is there

    def of_states(self, states: Mapping[str, AlertState]) -> list[Row]:
        """Rows of states."""
        return self._changed({key: state.to_json() for key, state in states.items()})

    def of_groups(self, groups: Mapping[str, Group | None]) -> list[Row]:
        """Rows of groups; None forgets one."""
        return self._changed({_GROUP + rule: None if g is None else g.to_json() for rule, g in groups.items()})

    def of_silences(self, silences: Iterable[Silence], gone: Iterable[str] = ()) -> list[Row]:
        """Rows of silences, and of those that are to be forgotten, by id."""
        kept = {_SILENCE + one.command.id: one.to_json() for one in silences}
        return self._changed(kept | dict.fromkeys((_SILENCE + one for one in gone), None))

    def of_judgement(self, since: Mapping[str, int], watermark: int | None) -> list[Row]:
        """Rows of which rules were known, and how far was judged: never back."""
        stored: dict[str, Any] = {_RULES: dict(since)}
        if watermark is not None:  # of a snapshot from before this tenure it may be an earlier one
            stored[_WATERMARK] = max(watermark, self._table.get(_WATERMARK, watermark))
        return self._changed(stored)

    def of_commands(self, following: int) -> list[Row]:
        """The row of how far commands were applied."""
        return self._changed({_COMMANDS: following})

    def of_history(self, lines: Sequence[Mapping[str, Any]]) -> list[Row]:
        """Rows of what happened further, see `domain.alerts.history`; the oldest are forgotten."""
        if not lines:
            return []
        further = [*lines]
        keys = sorted(self._past)
        rows: list[Row] = []
        if _FORMER_HISTORY in self._table:
            further = [*self._table[_FORMER_HISTORY], *further]
            rows.append(Row(TABLE, _FORMER_HISTORY, None))
        first = int(keys[-1]) + 1 if keys else 0
        rows += [Row(HISTORY_TABLE, f"{first + place:012d}", line) for place, line in enumerate(further)]
        return rows + [Row(HISTORY_TABLE, key, None) for key in keys[: max(len(keys) + len(further) - HISTORY, 0)]]

    def _changed(self, values: Mapping[str, Any]) -> list[Row]:
        return [Row(TABLE, key, value) for key, value in values.items() if self._table.get(key) != value]
