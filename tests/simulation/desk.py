"""Every transaction of the alerts' tables as the broker commits it: what waits, what a command did, what is told.

What is wrong in itself it notes at once; what must have happened in the end, it knows then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import orjson

from simulation.commands import TOPIC
from stream_app.domain.alerts import Action, Change, Command, Group, Silence
from stream_app.domain.alerts.group import Hold, bad

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from simulation.kafka import TP
    from simulation.world import World

    Marks = dict[tuple[str, str], str]

COMMANDS, GROUP, SILENCE = "\0commands", "\0group ", "\0silence "
#: Milliseconds that may pass from a dispatch to its commit, in a worker that is frozen in between.
_LONGEST_WRITE = 60_000


class Desk:
    """What the committed transactions come to.

    Attributes:
        silenced: ids of changes that a silence held.
        problems: what must not happen.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.silenced: set[str] = set()
        self.problems: list[str] = []
        self._silences: dict[str, Silence] = {}
        self._groups: dict[str, Group] = {}
        self._marks: Marks = {}
        self._following = 0
        self._acknowledged: Counter[str] = Counter()  # author -> transactions in which marks of theirs came
        self._due: dict[tuple[str, str, str], str] = {}  # (rule, key, change) -> who has acknowledged it

    def committed(self, clock: int, parts: Sequence[tuple[TP, Sequence[tuple[bytes, bytes | None]]]]) -> None:
        """A transaction of an owner of the tables, whose clock (ms) says so."""
        rows: dict[str, dict[str, Any]] = defaultdict(dict)
        changes: list[Change] = []
        for (topic, _), records in parts:
            if topic == "alerts":
                changes += [Change.from_json(orjson.loads(value or b"")) for _, value in records]
            else:
                rows[topic] |= {orjson.loads(key): None if v is None else orjson.loads(v) for key, v in records}
        self._states(rows["alert-states"])
        self._hold(changes, clock)
        self._told(rows["outbox"].values(), clock)

    @property
    def wrong(self) -> str | None:
        """What is wrong in the end."""
        log = self._world.kafka.logs[TOPIC]
        if self.problems:
            return self.problems[0]
        if self._following != log.end:
            return f"commands were applied up to {self._following} of {log.end}"
        asked = [command for command in map(_command, log.records) if command is not None]
        for command in asked:
            silence = self._silences.get(command.silence or command.id)
            if command.action is Action.SILENCE and silence is None:
                return f"{command.id}: the silence was never made"
            if command.action is Action.UNSILENCE and (silence is None or silence.ends == silence.command.ends):
                return f"{command.id}: the silence was never ended"
        if self._due:
            return f"acknowledgements of {sorted(set(self._due.values()))} are lost"
        times = Counter(command.author for command in asked)
        twice = [author for author, count in self._acknowledged.items() if count > times[author]]
        return f"acknowledgements of {sorted(twice)} were applied again" if twice else None

    def unwritten(self, rows: Sequence[Mapping[str, Any]]) -> str | None:
        """What people did, and the history does not say once: each silence and its end, who has acknowledged."""
        done = Counter((row["action"], row["id"]) for row in rows)
        if any(number > 1 for number in done.values()):
            return f"the history has {[one for one, number in done.items() if number > 1]} more than once"
        if {name for action, name in done if action == Action.SILENCE} != set(self._silences):
            return f"the history has other silences than {sorted(self._silences)}"
        ended = sorted(name for name, silence in self._silences.items() if silence.ends != silence.command.ends)
        if sorted(row["silence"] for row in rows if row["action"] == Action.UNSILENCE) != ended:
            return f"the history has other ends of silences than those of {ended}"
        named = {row["author"] for row in rows if row["action"] == Action.ACKNOWLEDGE}
        self._world.seen["acknowledgements in the history"] += len(named)
        return None if named >= set(self._acknowledged) else "the history lacks acknowledgements"

    def _states(self, rows: dict[str, Any]) -> None:
        """Silences, groups and the offset, as they are from now on."""
        if COMMANDS in rows:
            before, self._following = self._following, rows[COMMANDS]
            if self._following <= before:
                self.problems.append(f"the command at {self._following - 1} was applied after that at {before - 1}")
            for record in self._world.kafka.logs[TOPIC].records[before : self._following]:
                self._acknowledge(_command(record))
        for key, row in rows.items():
            if key.startswith(SILENCE):
                self._silences[key.removeprefix(SILENCE)] = Silence.from_json(row)
                self._world.say("desk", "silences", key[1:])
            elif key.startswith(GROUP):
                rule = key.removeprefix(GROUP)
                self._groups[rule] = Group() if row is None else Group.from_json(row)
                waiting = self._groups[rule].waiting.values()
                self.silenced |= {change.id for change, hold in waiting if hold is Hold.SILENCED}
        self._mark()

    def _acknowledge(self, command: Command | None) -> None:
        """What this acknowledgement must do, to the groups as they were before it."""
        if command is None or command.action is not Action.ACKNOWLEDGE:
            return
        for rule, group in self._groups.items():
            known = {key: one.change for key, one in group.members.items() if one.acknowledged is None}
            known |= {key: change for key, (change, _) in group.waiting.items() if key not in group.seen}
            for key, change in known.items():
                if bad(change) and command.covers(change.rule, change.segment):
                    self._due.setdefault((rule, key, change.id), command.author)

    def _mark(self) -> None:
        """Whose acknowledgements have come in this transaction."""
        marks: Marks = {}
        for rule, group in self._groups.items():
            marks |= {(rule, key): one.acknowledged["author"] for key, one in group.members.items() if one.acknowledged}
            marks |= {(rule, key): who["author"] for key, who in group.seen.items()}
            there = {key: {one.change.id} for key, one in group.members.items()}
            for key, (change, _) in group.waiting.items():
                there.setdefault(key, set()).add(change.id)
            for due in [due for due in self._due if due[0] == rule]:
                if (rule, due[1]) in marks or due[2] not in there.get(due[1], ()):
                    del self._due[due]  # done, or what it was about has passed in the same transaction
        new = {author for place, author in marks.items() if self._marks.get(place) != author}
        self._acknowledged.update(new)
        for author in new:
            self._world.say("desk", "acknowledged", f"by {author}")
        self._marks = marks

    def _hold(self, changes: Iterable[Change], clock: int) -> None:
        """Who fires and recovers in one transaction never waits: what held it is known by the silences."""
        held = [s.command for s in self._silences.values() if s.begins <= clock and s.ends > clock - _LONGEST_WRITE]
        self.silenced |= {one.id for one in changes if any(c.covers(one.rule, one.segment) for c in held)}

    def _told(self, entries: Iterable[Any], clock: int) -> None:
        """Nobody is told that something fires while it is silenced."""
        holding = [silence.command for silence in self._silences.values() if silence.holds(clock)]
        for entry in entries:
            if entry is None or entry["status"] != "owed" or entry["attempts"]:
                continue
            changes = [Change.from_json(change) for change in entry["notice"]["changes"]]
            if len(changes) > 1:
                self._world.say("desk", "told together", f"{len(changes)} of {entry['notice']['rule']}")
            for change in filter(bad, changes):
                if any(command.covers(change.rule, change.segment) for command in holding):
                    self.problems.append(f"{change.id[:6]} is told of though it is silenced")


def _command(record: Any) -> Command | None:
    return Command.from_json(orjson.loads(record.value))
