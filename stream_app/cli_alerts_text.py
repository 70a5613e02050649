"""Alerts and silences as text for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts.change import Change
from stream_app.domain.alerts.command import Action
from stream_app.domain.alerts.history import OF_ALERTS, Kind, kind_of
from stream_app.notifiers.terms import money, percents, term, values
from stream_app.notifiers.wording import clean
from stream_app.reports.grid import grid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Row = Mapping[str, Any]

_NO_DATA = "no group has been large enough lately"
#: Why an alert has not been told of; of a silence its own line tells.
_HELD = {
    "hours": "outside the hours of its rule",
    "cap": "its rule has sent as many messages as `at_most` lets it",
    "rule_gone": "its rule was removed",
}


def alerts(answer: Mapping[str, Sequence[Row]]) -> str:
    """What fires, is pending or cannot be judged, worst first, and the silences in force."""
    parts = ["\n".join(_alert(row)) for row in answer["current"]] or ["No alert fires."]
    if answer["silences"]:
        parts.append("\n".join(["Silences in force:", *(f"  {_line(one)}" for one in answer["silences"])]))
    return "\n\n".join(parts)


def history(answer: Mapping[str, Sequence[Row]], width: int | None) -> str:
    """A table of what happened: a line a change, silence or acknowledgement."""
    rows = []
    for row in answer["history"]:
        if kind_of(row) not in OF_ALERTS:
            rows.append([_instant(row["at"]), _rule(row), _segment(row["segment"]), _done(row), "-", "-", "-", "-",
                         _said(row)])  # fmt: skip
            continue
        change = Change.from_json(row)
        state = change.state.value if change.health == "ok" else f"{change.state.value}, {change.health.value}"
        if kind_of(row) == Kind.HEALTH:  # its state is what it was
            state = change.reason.value.replace("_", " ")
        shown = _values(change, change.value, change.threshold)
        rows.append([change.at, change.rule, _segment(change.segment), state, *shown, f"{change.group:,}",
                     change.cohort, change.reason.value])  # fmt: skip
    if not rows:
        return "Nothing happened that was asked for."
    return "\n".join(grid(["at", "rule", "segment", "to", "value", "bound", "group", "of", "why"], rows, width))


def silences(answer: Mapping[str, Sequence[Row]], width: int | None) -> str:
    """A table of silences."""
    rows = [
        [one["id"], one["state"], _rule(one), _segment(one["segment"]), _instant(one["begins"]), _instant(one["ends"]),
         one["author"], one["reason"]]
        for one in answer["silences"]
    ]  # fmt: skip
    if not rows:
        return "There are no silences."
    return "\n".join(grid(["id", "state", "rule", "segment", "begins", "ends", "author", "reason"], rows, width))


def about(silence: Row) -> str:
    """Whom a silence is about, as the beginning of a sentence.

    >>> about({"rule": "pro-day-7", "segment": {"plan": "pro"}})
    'Alerts of pro-day-7 (plan: pro)'
    """
    rule = "Alerts" if silence["rule"] is None else f"Alerts of {silence['rule']}"
    return f"{rule} ({_segment(silence['segment'])})" if silence["segment"] else rule


def acknowledged(rows: Sequence[Row]) -> str:
    """Which alerts somebody has seen."""
    named = [f"  {_segment(row['segment'])}: {_until(row['acknowledged'])}" for row in rows]
    until = "" if any(row["acknowledged"].get("ends") for row in rows) else " until it is good again"
    return "\n".join([f"Acknowledged{until}, {rows[0]['rule']}:", *named])


def _alert(row: Row) -> list[str]:
    marks = [row["state"].upper() if row["state"] in ("firing", "pending") else row["state"]]
    marks += [] if row["health"] == "ok" else [row["health"].replace("_", " ")]
    marks += ["flapping"] if row.get("flapping") else []
    lines = [f"{', '.join(marks)}: {row['rule']}, {_segment(row['segment'])}"]
    if row["state"] == "firing":
        lines += _fired(Change.from_json(row))
        lines += _now(row)
    elif row["state"] == "pending" and "figure" in row:
        change = Change.from_json({"count": None, **row, "id": "", "to": (), "ends": None})
        lines += [_figures(change), f"  since {change.began or change.cohort}; pending, not reported yet"]
    if row.get("held") in _HELD:
        lines.append(f"  not told yet: {_HELD[row['held']]}")
    if row.get("advice"):
        lines.append(f"  {clean(row['advice'], 400)}")
    if row["health"] != "ok":
        lines.append(f"  not judged: {row.get('note') or _NO_DATA}")
    for mark, verb in (("acknowledged", "acknowledged by"), ("silenced", "silenced by")):
        if row.get(mark):
            lines.append(f"  {verb} {_until(row[mark])}")
    return lines


def _fired(change: Change) -> list[str]:
    risk = [] if not change.users_at_risk else [f"{change.users_at_risk:,} users"]
    risk += [] if not change.revenue_at_risk else [money(change.revenue_at_risk, change.currency)]
    since = f"since {change.began or change.cohort}, judged {change.at}"
    return [_figures(change), f"  {since}{'; at risk: ' if risk else ''}{', '.join(risk)}"]


def _now(row: Row) -> list[str]:
    """The latest judged cell, where it is another one than that by which the alert fired."""
    latest = row.get("latest") or {}
    if latest.get("value") is None or latest.get("cohort") == row["cohort"]:
        return []
    change = Change.from_json(row)
    value, bound = _values(change, latest["value"], latest.get("threshold"))
    compared = "" if bound == "-" else f", compared with {bound}"
    return [f"  now {value} ({latest['cohort']}){compared}"]


def _figures(change: Change) -> str:
    words = term(change)
    name = words.name.format(grain=change.grain, Grain=change.grain.capitalize(), index=change.index)
    value, bound = _values(change, change.value, change.threshold)
    group = f"group of {change.group:,}" if change.count is None else f"{change.count:,} of {change.group:,}"
    counted = f" ({group})" if change.group else ""
    interval = ""
    if change.low is not None and change.high is not None:
        interval = ", 95 % interval {} to {}".format(*percents(change.low, change.high))
    return f"  {name} {value}{counted}{interval}; {change.side} {bound}"


def _values(change: Change, *given: float | None) -> list[str]:
    """Values, or dashes; as many decimals as tell them apart."""
    known = iter(values(change, *(value for value in given if value is not None)))
    return ["-" if value is None else next(known) for value in given]


def _line(silence: Row) -> str:
    return f"{about(silence)} until {_instant(silence['ends'])}, by {_said(silence)} [{silence['id']}]"


def _said(who: Row) -> str:
    return f"{who['author']}: {who['reason']}" if who.get("reason") else str(who["author"])


def _until(who: Row) -> str:
    return _said(who) + (f", until {_instant(who['ends'])}" if who.get("ends") else "")


def _done(row: Row) -> str:
    """What somebody did: `silenced until 2026-11-22T19:12:36Z`."""
    if row["action"] == Action.UNSILENCE:
        return "silence ended"
    until = f" until {_instant(row['ends'])}" if row["ends"] else ""
    return f"{'silenced' if row['action'] == Action.SILENCE else 'acknowledged'}{until}"


def _instant(text: str) -> str:
    """RFC 3339 to the second.

    >>> _instant("2026-11-22T19:12:36.220Z")
    '2026-11-22T19:12:36Z'
    """
    return f"{text[:19]}Z" if text[19:20] == "." and text.endswith("Z") else text


def _rule(silence: Row) -> str:
    return "every rule" if silence["rule"] is None else str(silence["rule"])


def _segment(segment: Mapping[str, str]) -> str:
    return ", ".join(f"{dimension}: {value}" for dimension, value in segment.items()) or "all users"
