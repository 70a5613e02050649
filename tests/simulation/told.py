"""What must hold of the alerts at the end of a schedule: topic, history, states, messages and silences agree."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from simulation import streams
from stream_app.domain.alerts import Change
from stream_app.domain.alerts.group import bad
from stream_app.domain.alerts.history import OF_ALERTS, kind_of

if TYPE_CHECKING:
    from simulation.world import World

#: Changes of what can be judged, not of what was judged.
_OF_HEALTH = ("no_data", "data_back", "error")


def alerts(world: World, number: int) -> str | None:
    """Every change is in the topic and in the history once, was told once to each target or never, and rightly so."""
    lines = [orjson.loads(record.value or b"") for record in world.kafka.logs["alerts", 0].committed()]
    ids = [line["id"] for line in lines]
    if len(set(ids)) != len(ids):
        return f"changes written twice: {sorted(i[:6] for i, n in Counter(ids).items() if n > 1)}"
    return (
        world.desk.wrong
        or _messages(world, lines)
        or _history(world, lines)
        or _states(world, lines, streams.changes(number) if streams.stream(number).closed_right else None)
    )


def _messages(world: World, lines: list[dict[str, Any]]) -> str | None:
    for target in streams.TARGETS:
        owed = {line["id"]: line for line in lines if target in line["to"]}
        messages = [message for message in world.slack.messages if message.target == target]
        if len({message.id for message in messages}) != len(messages):
            return f"{target}: a message was sent twice"
        told = [change for message in messages for change in message.changes]
        more = Counter(told) - Counter(list(owed))
        if more:
            return f"{target}: told too often {_short(more)}"
        withheld = set(owed) - set(told)
        wrongly = _wrongly(world, [line for line in lines if target in line["to"]], withheld)
        if wrongly:
            return f"{target}: never told {_short(Counter(wrongly))}"
        world.seen["withheld"] += len(withheld)
        # What a silence has held comes when that ends, beside what came later.
        at = [(owed[one]["rule"], owed[one]["at"]) for one in told if one not in world.desk.silenced]
        for rule in {rule for rule, _ in at}:
            instants = [when for of, when in at if of == rule]
            if instants != sorted(instants):
                return f"{target}: told in another order"
    return None


def _wrongly(world: World, lines: list[dict[str, Any]], withheld: set[str]) -> list[str]:
    """Of what nobody was told, what was neither a firing that a silence held until it had passed nor the end of one."""
    if not withheld:
        return []
    wrong, begun, follower = [], dict[str, str | None](), dict[str, bool]()
    for line in lines:
        alert = f"{line['rule']} {line['segment']}"
        if not bad(Change.from_json(line)):
            if line["id"] in withheld and begun.get(alert) not in withheld:
                wrong.append(line["id"])
        else:
            begun[alert] = line["id"]
            if line["id"] in withheld and line["id"] not in world.desk.silenced:
                wrong.append(line["id"])
    for line in reversed(lines):
        alert = f"{line['rule']} {line['segment']}"
        if bad(Change.from_json(line)) and line["id"] in withheld and alert not in follower:
            wrong.append(line["id"])  # it fires to this day
        follower[alert] = True
    return wrong


def _history(world: World, lines: list[dict[str, Any]]) -> str | None:
    rows = {
        orjson.loads(record.key or b""): orjson.loads(record.value or b"null")
        for record in world.kafka.logs["alert-history", 0].committed()
    }
    stored = [rows[key] for key in sorted(rows)]
    changes = [row for row in stored if kind_of(row) in OF_ALERTS]
    if changes != lines:
        return f"the history has {len(changes)} changes, or others than the {len(lines)} of the topic"
    if world.owner.judge.history != stored:
        return "the history that is shown is not the one that is stored"
    return world.desk.unwritten([row for row in stored if kind_of(row) not in OF_ALERTS])


def _states(world: World, lines: list[dict[str, Any]], wanted: list[tuple[str, str, str, str]] | None) -> str | None:
    judged = [line for line in lines if line["reason"] not in _OF_HEALTH]
    found = sorted(
        (line["rule"], orjson.dumps(line["segment"]).decode(), line["cohort"], line["state"]) for line in judged
    )
    if wanted is not None and found != wanted:
        return f"changes are {found} instead of {wanted}"
    latest = {(line["rule"], str(line["segment"])): line for line in judged}
    shown = {alert["id"] for alert in world.owner.judge.current() if alert["state"] == "firing"}
    if shown != {line["id"] for line in latest.values() if line["state"] == "firing"}:
        return "the states of the alerts are not those that their changes lead to"
    return None


def _short(ids: Counter[str]) -> list[str]:
    return [one[:6] for one in ids]
