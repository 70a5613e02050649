"""Each change of an alert is told once, or a silence held it until it had passed; each command was applied once.

What was withheld is known from the records of the alerts' tables, all of which are still there: who waits for what, the
silences, what was owed first. Their times are those at which the one worker that may write them did.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.workers import read_all

from faults.people import FIRST, LAST
from stream_app.domain.alerts import Action, Change, Command, Silence
from stream_app.domain.alerts.group import bad

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from faults.checks import Findings
    from faults.trial import Trial

#: Of rule week-1: free, pro, team and (none).
PLANS = 4
COMMANDS, GROUP, SILENCE = "\0commands", "\0group ", "\0silence "
#: Milliseconds from a judgement to its record's time.
_WRITTEN_WITHIN = 2_000


class Desk:
    """What the tables' records say.

    Attributes:
        following: the offsets up to which commands were applied, as they were stored.
        silences: by id, the time of its first record, and the silence as it was last.
        held: ids of changes that waited for the end of a silence.
        marks: (rule, key, change) -> who was stored to have acknowledged it, in order.
    """

    def __init__(self, records: Iterable[Any]) -> None:
        self.following: list[int] = []
        self.silences: dict[str, tuple[int, Silence]] = {}
        self.held: set[str] = set()
        self.marks: dict[tuple[str, str, str], list[str]] = {}
        for record in records:
            key, row = json.loads(record.key), json.loads(record.value or b"null")
            if key == COMMANDS:
                self.following.append(row)
            elif key.startswith(SILENCE):
                name = key.removeprefix(SILENCE)
                first = self.silences[name][0] if name in self.silences else record.timestamp
                self.silences[name] = first, Silence.from_json(row)
            elif key.startswith(GROUP) and row is not None:
                self._group(key.removeprefix(GROUP), row)

    def _group(self, rule: str, row: Mapping[str, Any]) -> None:
        self.held |= {change["id"] for change, hold in row["waiting"].values() if hold == "silenced"}
        marks = {(key, one["change"]["id"]): one["acknowledged"] for key, one in row["members"].items()}
        marks |= {(key, row["waiting"][key][0]["id"]): who for key, who in row["seen"].items()}
        for (key, change), who in marks.items():
            known = self.marks.setdefault((rule, key, change), [])
            if who is not None and known[-1:] != [who["author"]]:
                known.append(who["author"])

    def silenced(self, change: Change, since: int, until: int) -> bool:
        """Whether a silence that was stored held a change at some time from `since` to `until` (ms)."""
        return any(
            stored <= until and since < silence.ends and silence.command.covers(change.rule, change.segment)
            for stored, silence in self.silences.values()
        )


async def commands(trial: Trial, found: Findings) -> Desk:
    """Each command in the log was applied, once and in its order; each one that was taken is in the log."""
    log = await read_all(trial.rig.broker.bootstrap, f"{trial.cluster.app}-commands")
    states = await read_all(trial.rig.broker.bootstrap, f"{trial.cluster.app}-alert-states-changelog")
    asked, desk = [Command.from_json(json.loads(record.value)) for record in log], Desk(states)
    found.commands = len(asked)
    found.expect("commands applied, by offset", desk.following, [record.offset + 1 for record in log])
    found.expect("commands taken and lost", set(trial.people.taken) - {command.id for command in asked}, set())
    wanted = {command.id for command in asked if command.action is Action.SILENCE}
    found.expect("silences", set(desk.silences), wanted)
    found.expect("silences shown", sorted(one["id"] for one in await trial.people.silences() or ()), sorted(wanted))
    ended = {command.silence for command in asked if command.action is Action.UNSILENCE}
    found.expect("silences ended", {n for n, (_, s) in desk.silences.items() if s.ends < (s.command.ends or 0)}, ended)
    found.expect("acknowledgements by two", [place for place, who in desk.marks.items() if len(who) > 1], [])
    # Where the store is away a command is taken before anything fires, and does nothing: then it is the last one's.
    by = Counter(who[0] if who else "nobody" for (rule, *_), who in desk.marks.items() if rule == "week-1")
    found.expect("who has acknowledged", (by.total(), set(by) <= {FIRST, LAST}), (PLANS, True))
    return desk


def told(
    desk: Desk, records: Sequence[Any], owed: Iterable[Any], messages: Iterable[tuple[str, str]], found: Findings
) -> None:
    """Each change was told each of its targets in one message, or rightly in none; none that was silenced then.

    Args:
        desk: the records of states.
        records: those of the topic of alerts.
        owed: those of the outbox.
        messages: target and id of a change, as often as it was told.
        found: gets what is wrong.
    """
    changes = {change.id: (change, record.timestamp) for record in records if (change := _change(record.value)).to}
    times = Counter(messages)
    wanted = {(target, change.id) for change, _ in changes.values() for target in change.to}
    found.expect("changes told twice", [one for one, count in times.items() if count > 1], [])
    found.expect("changes told that there are none of", set(times) - wanted, set())
    missing = {change for _, change in wanted - set(times)}
    found.withheld = len(missing)
    found.expect("withheld here and told there", missing & {change for _, change in times}, set())
    found.expect("changes never told", unexcused(desk, list(changes.values()), missing), [])
    found.expect("firings told though silenced", _against(desk, owed), [])


def unexcused(desk: Desk, lines: Sequence[tuple[Change, int]], missing: Collection[str]) -> list[str]:
    """Of what nobody was told, what was neither a firing that a silence held until it had passed nor the end of one.

    Args:
        desk: the records of states.
        lines: the changes that have targets in their order, and when (ms) they were written.
        missing: ids of those that nobody was told.
    """
    wrong: list[str] = []
    begun: dict[str, tuple[str, bool]] = {}  # alert -> its latest firing, and whether that is followed by anything
    for change, at in lines:
        alert = f"{change.rule} {json.dumps(dict(change.segment), sort_keys=True)}"
        if alert in begun:
            begun[alert] = begun[alert][0], True
        if bad(change):
            begun[alert] = change.id, False
            held = change.id in desk.held or desk.silenced(change, at - _WRITTEN_WITHIN, at)
            if change.id in missing and not held:
                wrong.append(change.id)
        elif change.id in missing and begun.get(alert, ("", True))[0] not in missing:
            wrong.append(change.id)
    return wrong + [change for change, followed in begun.values() if change in missing and not followed]


def _against(desk: Desk, owed: Iterable[Any]) -> list[str]:
    """Firings that were owed for the first time while a silence held them."""
    wrong = []
    for record in owed:
        entry = json.loads(record.value or b"null")
        if entry is None or entry["status"] != "owed" or entry["attempts"]:
            continue
        changes = [Change.from_json(change) for change in entry["notice"]["changes"]]
        wrong += [
            change.id for change in changes
            if bad(change) and any(
                stored < record.timestamp < silence.ends and silence.command.covers(change.rule, change.segment)
                for stored, silence in desk.silences.values()
            )
        ]  # fmt: skip
    return wrong


def _change(value: bytes) -> Change:
    return Change.from_json(json.loads(value))
