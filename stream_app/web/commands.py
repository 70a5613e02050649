"""What is asked of alerts over HTTP, from the body of a request to a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson

from stream_app.domain.alerts import spans
from stream_app.domain.alerts.command import Action, Command
from stream_app.domain.alerts.rule import KIND, STREAM_ALERTS
from stream_app.domain.metrics.query import ParameterError, instant
from stream_app.domain.periods import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from stream_app.domain.periods import Calendar

#: The longest silence or acknowledgement: what is to be quiet for good is a rule to remove.
LONGEST_DAYS = 366
_LONGEST = {"author": 100, "reason": 1000, "rule": 200}
#: The fields of a silence.
SILENCE = ("rule", "segment", "for", "until", "from", "reason", "author")
#: The fields of an acknowledgement.
ACKNOWLEDGEMENT = ("rule", "segment", "for", "until", "reason", "author")
_END = ("reason", "author")


def silence(
    body: Mapping[str, Any], *, now: int, calendar: Calendar, rules: Collection[str] | None,
    dimensions: Collection[str] | None = None,
) -> Command:  # fmt: skip
    """The command to be silent about alerts.

    Args:
        body: `rule`, `segment`, `for` or `until`, `from`, `reason`, `author`.
        now: the wall clock (ms).
        calendar: in whose time zone a date is meant.
        rules: the names of the rules there are; None: whatever is named.
        dimensions: those of segments; None: whatever is named.

    Raises:
        ParameterError: a field is missing, unknown, or has a wrong value.
    """
    _known(body, SILENCE)
    begins = instant("from", _text(body, "from"), calendar) if "from" in body else now
    if ("for" in body) == ("until" in body):
        raise ParameterError("for", "", "say for how long, as 2h, or until when, one of the two", ["for", "until"])
    ends = _ends(body, begins, now=now, calendar=calendar)
    return Command(
        uuid4().hex, Action.SILENCE, now, _text(body, "author"), _text(body, "reason"),
        rule=_rule(body, rules), segment=_segment(body, dimensions), begins=begins, ends=ends,
    )  # fmt: skip


def unsilence(body: Mapping[str, Any], name: str, *, now: int) -> Command:
    """The command to end a silence.

    Raises:
        ParameterError: as with `silence`.
    """
    _known(body, _END)
    reason = _text(body, "reason") if body.get("reason") else ""
    return Command(uuid4().hex, Action.UNSILENCE, now, _text(body, "author"), reason, silence=name)


def acknowledge(
    body: Mapping[str, Any], *, now: int, calendar: Calendar, rules: Collection[str] | None
) -> Command:  # fmt: skip
    """The command to note that somebody has seen the firing alerts of a rule.

    Args:
        body: `rule`, `segment`, `reason`, `author`; `for` or `until`, if it is not to last as long as the firing.
        now: the wall clock (ms).
        calendar: in whose time zone a date is meant.
        rules: the names of the rules there are; None: whatever is named.

    Raises:
        ParameterError: as with `silence`.
    """
    _known(body, ACKNOWLEDGEMENT)
    if body.get("rule") is None:
        raise ParameterError("rule", "", "say whose alerts: the name of a rule", sorted(rules or ()))
    if "for" in body and "until" in body:
        raise ParameterError("for", str(body["for"]), "say for how long or until when, not both", ["for", "until"])
    ends = _ends(body, now, now=now, calendar=calendar) if "for" in body or "until" in body else None
    reason = _text(body, "reason") if body.get("reason") else ""
    return Command(
        uuid4().hex, Action.ACKNOWLEDGE, now, _text(body, "author"), reason,
        rule=_rule(body, rules), segment=_segment(body), ends=ends,
    )  # fmt: skip


def parsed(raw: bytes) -> dict[str, Any]:
    """The object that a body is; of an empty one the empty object.

    Raises:
        ParameterError: it is none.
    """
    try:
        body = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as error:
        raise ParameterError("body", "", f"it is not JSON ({error}); send an object") from error
    if not isinstance(body, dict):
        raise ParameterError("body", "", 'it is not an object; send one such as {"rule": "pro-day-7"}')
    return body


def _known(body: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for name, value in body.items():
        if name not in allowed:
            raise ParameterError(name, str(value), "there is no such field here", allowed)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name, "")
    text = "".join(filter(str.isprintable, " ".join(value.split()))) if isinstance(value, str) else ""
    if not text:
        raise ParameterError(name, "" if value is None else str(value), "it is needed, a text that is not empty")
    if len(text) > _LONGEST.get(name, 100):
        raise ParameterError(name, text[:40], f"it has more than {_LONGEST.get(name, 100)} characters; shorten it")
    return text


def _rule(body: Mapping[str, Any], rules: Collection[str] | None) -> str | None:
    if body.get("rule") is None:
        return None
    name = _text(body, "rule")
    if rules is not None and name not in rules and name not in STREAM_ALERTS:
        raise ParameterError("rule", name, f"there is no rule {name!r}", [*sorted(rules), *STREAM_ALERTS])
    return name


def _segment(body: Mapping[str, Any], dimensions: Collection[str] | None = None) -> dict[str, str]:
    value = body.get("segment") or {}
    if not isinstance(value, dict) or not all(isinstance(of, str) for of in value.values()):
        raise ParameterError("segment", str(value), 'it is an object of texts, such as {"plan": "pro"}')
    of_stream = [KIND] if body.get("rule") in (None, *STREAM_ALERTS) else []
    for name in value:
        if dimensions is not None and name not in (*dimensions, *of_stream):
            none = "" if dimensions else ": none is configured"
            raise ParameterError("segment", name, f"there is no dimension {name!r}{none}", list(dimensions))
    return dict(value)


def _ends(body: Mapping[str, Any], begins: int, *, now: int, calendar: Calendar) -> int:
    """When it ends (ms), of `for` or `until`, whichever is there."""
    name = "for" if "for" in body else "until"
    if name == "for":  # to a whole second, which people can read
        ends = -(-(begins + _span(_text(body, "for"))) // 1000) * 1000
    else:
        ends = instant("until", _text(body, "until"), calendar)
    if ends <= max(begins, now):
        raise ParameterError(name, str(body[name]), "it would end before it begins to count; take a later end")
    if ends - now > LONGEST_DAYS * DAY_MS:
        longest = f"it would last for more than {LONGEST_DAYS} days; take an earlier end, or remove the rule"
        raise ParameterError(name, str(body[name]), longest)
    return ends


def _span(given: str) -> int:
    """Milliseconds of a span, such as `90s`, `2h` or `3 days`."""
    try:
        return round(spans.seconds(given) * 1000)
    except ValueError as error:
        raise ParameterError("for", given, str(error)) from error
