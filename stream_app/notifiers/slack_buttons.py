"""The buttons of a message that fires, the dialog for a silence, and what people answer with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from stream_app.notifiers import summary, wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stream_app.domain.alerts import Notice

ACKNOWLEDGE, SILENCE = "stream_app_acknowledge", "stream_app_silence"
#: Characters of a button's value. Slack takes 2,000, but there are two buttons, and a message has its limit, too.
MAX_VALUE = 1200
MAX_OPTIONS, MAX_OPTION, MAX_REASON = 100, 75, 200
_SCOPE, _SPAN, _REASON = "scope", "span", "reason"
_WHOLE = "rule"
_HOUR, _DAY = 3600, 86_400
#: How long a silence may be asked to last, in seconds.
SPANS = {
    "1 hour": _HOUR, "4 hours": 4 * _HOUR, "12 hours": 12 * _HOUR, "1 day": _DAY, "3 days": 3 * _DAY,
    "1 week": 7 * _DAY, "2 weeks": 14 * _DAY, "4 weeks": 28 * _DAY,
}  # fmt: skip
_USUAL = "1 day"


@dataclass(frozen=True)
class About:
    """What a button or dialog is about.

    Attributes:
        rule: the rule's name.
        root: id of the notice whose message it is in.
        segments: those that are not well; not all, if they are many.
    """

    rule: str
    root: str
    segments: tuple[Mapping[str, str], ...] = ()

    def text(self) -> str:
        """As it is put into a button's value."""
        told = {"rule": self.rule, "root": self.root, "segments": [dict(segment) for segment in self.segments]}
        return orjson.dumps(told).decode()

    @classmethod
    def of(cls, text: str) -> About:
        """What `text` gave. Raises ValueError for what it cannot have given."""
        try:
            told = orjson.loads(text)
            segments = tuple({str(k): str(v) for k, v in segment.items()} for segment in told["segments"])
            return cls(str(told["rule"]), str(told["root"]), segments)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("not a button of ours") from error


@dataclass(frozen=True)
class Wish:
    """A silence that was asked for.

    Attributes:
        about: whose.
        segment: the one that is to be silent; empty for all of the rule.
        seconds: how long.
        reason: why.
    """

    about: About
    segment: Mapping[str, str]
    seconds: int
    reason: str


def actions(notice: Notice) -> dict[str, Any] | None:
    """The block of buttons; None where nothing is left to acknowledge or to silence."""
    open_ = summary.open_ones(notice)
    value = _about(notice).text()
    buttons = []
    if any(not one.acknowledged for one in open_):
        buttons.append(_button("Acknowledge", ACKNOWLEDGE, value) | {"style": "primary"})
    if any(not one.silenced for one in open_):
        buttons.append(_button("Silence…", SILENCE, value))
    return {"type": "actions", "elements": buttons} if buttons else None


def dialog(about: About) -> dict[str, Any]:
    """The dialog that asks for how long a rule or a segment is to be silent, and why."""
    text = f"Rule {wording.clean(about.rule)} is judged as before, but nobody is told until the silence ends."
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _plain(text)}]
    scopes = [_option("The whole rule", _WHOLE)]
    for number, segment in enumerate(about.segments[: MAX_OPTIONS - 1]):
        if segment:
            name = ", ".join(f"{wording.clean(k)} = {wording.clean(v)}" for k, v in sorted(segment.items()))
            scopes.append(_option(f"Only {name}", str(number)))
    if len(scopes) > 1:
        blocks.append(_input(_SCOPE, "What", _select(scopes, scopes[0])))
    spans = {name: _option(name, str(seconds)) for name, seconds in SPANS.items()}
    blocks.append(_input(_SPAN, "For how long", _select(list(spans.values()), spans[_USUAL])))
    field = {"type": "plain_text_input", "action_id": "given", "min_length": 1, "max_length": MAX_REASON}
    blocks.append(_input(_REASON, "Why", field))
    return {
        "type": "modal",
        "callback_id": SILENCE,
        "private_metadata": about.text(),
        "title": _plain("Silence alerts"),
        "submit": _plain("Silence"),
        "close": _plain("Cancel"),
        "blocks": blocks,
    }


def wish(view: Mapping[str, Any]) -> Wish | dict[str, str]:
    """What was filled in, or by block what is wrong with it. Raises ValueError for what is no dialog of ours."""
    about = About.of(str(view.get("private_metadata", "")))
    try:
        given = view["state"]["values"]
        reason = wording.clean(given[_REASON]["given"]["value"] or "", MAX_REASON)
        seconds = int(given[_SPAN]["given"]["selected_option"]["value"])
        scope = given[_SCOPE]["given"]["selected_option"]["value"] if _SCOPE in given else _WHOLE
        segment = {} if scope == _WHOLE else about.segments[int(scope)]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError("not a dialog of ours") from error
    if seconds not in SPANS.values():
        raise ValueError("not a span of ours")
    if not reason:
        return {_REASON: "Say why: others will ask."}
    return Wish(about, segment, seconds, reason)


def complaint(text: str) -> dict[str, str]:
    """What is wrong with the whole of a dialog, by the block under which it is shown."""
    return {_REASON: text}


def _about(notice: Notice) -> About:
    about = About(notice.rule, notice.root or notice.id)
    for one in summary.open_ones(notice):
        more = About(about.rule, about.root, (*about.segments, dict(one.change.segment)))
        if len(more.text()) <= MAX_VALUE:
            about = more
    return about


def _button(text: str, action: str, value: str) -> dict[str, Any]:
    return {"type": "button", "text": _plain(text), "action_id": action, "value": value}


def _input(block: str, label: str, element: dict[str, Any]) -> dict[str, Any]:
    return {"type": "input", "block_id": block, "label": _plain(label), "element": element}


def _select(options: list[dict[str, Any]], initial: dict[str, Any]) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "given", "options": options, "initial_option": initial}


def _option(text: str, value: str) -> dict[str, Any]:
    return {"text": _plain(text if len(text) <= MAX_OPTION else f"{text[: MAX_OPTION - 1]}…"), "value": value}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}
