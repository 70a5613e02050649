"""What Slack refuses of blocks, dialogs and metadata, by https://docs.slack.dev/reference/block-kit.

Stricter in one point: a field that is written nowhere is refused, too.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_TEXT, MAX_BLOCKS, MAX_VIEW_BLOCKS, MAX_METADATA, MAX_PRIVATE = 40_000, 50, 100, 8000, 3000
#: Written nowhere; found by those whom it refused (slackapi/bolt-js#2509).
MAX_ALL_BLOCKS = 13_000
FILE_ID = re.compile(r"F[A-Z0-9]{8,}")

_FIELDS = {
    "header": {"text"}, "section": {"text", "fields", "accessory"}, "context": {"elements"}, "divider": set(),
    "image": {"image_url", "slack_file", "alt_text", "title"}, "actions": {"elements"},
    "input": {"label", "element", "hint", "optional", "dispatch_action"},
    "button": {"text", "action_id", "value", "url", "style", "confirm", "accessibility_label"},
    "static_select": {"placeholder", "action_id", "options", "initial_option"},
    "plain_text_input": {"action_id", "initial_value", "multiline", "min_length", "max_length", "placeholder"},
}  # fmt: skip


def problems(blocks: Any, has_file: Callable[[str], bool] = lambda _: True, *, view: bool = False) -> list[str]:
    """What Slack says of blocks, of a message or of a dialog; `has_file` knows files that can be shown."""
    if not isinstance(blocks, list):
        return ["must be an array [json-pointer:/blocks]"]
    most = MAX_VIEW_BLOCKS if view else MAX_BLOCKS
    found = [f"no more than {most} items allowed [json-pointer:/blocks]"] if len(blocks) > most else []
    for number, block in enumerate(blocks):
        try:
            told = list(_block(block, has_file, view=view))
        except (KeyError, TypeError, AttributeError) as error:
            told = [f"missing required field: {error}"]
        found += [f"{one} [json-pointer:/blocks/{number}]" for one in told]
    ids = [block.get("block_id") for block in blocks if isinstance(block, dict) and block.get("block_id")]
    return found + (["block_id must be unique [json-pointer:/blocks]"] if len(ids) > len(set(ids)) else [])


def too_long(blocks: Any) -> bool:
    return len(json.dumps(blocks, ensure_ascii=False)) > MAX_ALL_BLOCKS


def metadata_problem(metadata: Any) -> str | None:
    """The error code for metadata that Slack refuses."""
    if not isinstance(metadata, dict) or set(metadata) != {"event_type", "event_payload"}:
        return "invalid_metadata_format"
    payload = metadata["event_payload"]
    if not isinstance(metadata["event_type"], str) or not isinstance(payload, dict):
        return "invalid_metadata_format"
    if not all(isinstance(value, str | int | float | bool) for value in payload.values()):
        return "invalid_metadata_schema"
    return "metadata_too_large" if len(json.dumps(metadata).encode()) > MAX_METADATA else None


def view_problems(view: Any) -> list[str]:
    """What Slack says of a dialog."""
    known = {"type", "title", "blocks", "close", "submit", "private_metadata", "callback_id", "clear_on_close"}
    found = [f"unexpected field {name}" for name in set(view) - known]
    if view.get("type") != "modal":
        found.append("must be a modal [json-pointer:/view/type]")
    for name in ("title", "submit", "close"):
        found += [f"{one} [json-pointer:/view/{name}]" for one in _text(view.get(name), 24, plain=True)]
    if len(view.get("private_metadata", "")) > MAX_PRIVATE:
        found.append(f"must be less than {MAX_PRIVATE + 1} characters [json-pointer:/view/private_metadata]")
    return found + problems(view.get("blocks"), view=True)


def _block(block: Mapping[str, Any], has_file: Callable[[str], bool], *, view: bool) -> Iterator[str]:
    kind = block["type"]
    if kind not in ("header", "section", "context", "divider", "image", "actions", *(["input"] if view else [])):
        yield f"unsupported type: {json.dumps(kind)}"
        return
    yield from _unknown(block, _FIELDS[kind] | {"type", "block_id"})
    if len(block.get("block_id", "x")) not in range(1, 256):
        yield "must be less than 256 characters: block_id"
    match kind:
        case "header":
            yield from _text(block["text"], 150, plain=True)
        case "section":
            if "text" not in block and not block.get("fields"):
                yield "missing required field: text or fields"
            if "text" in block:
                yield from _text(block["text"], 3000)
            if len(block.get("fields", ())) > 10:
                yield "no more than 10 items allowed: fields"
            for field in block.get("fields", ()):
                yield from _text(field, 2000)
        case "context":
            if not 1 <= len(block["elements"]) <= 10:
                yield "1 to 10 items allowed: elements"
            for element in block["elements"]:
                yield from _text(element, 3000)
        case "image":
            yield from _image(block, has_file)
        case "actions":
            if not 1 <= len(block["elements"]) <= 25:
                yield "1 to 25 items allowed: elements"
            for element in block["elements"]:
                yield from _element(element, {"button", "static_select"})
        case "input":
            yield from _text(block["label"], 2000, plain=True)
            yield from _element(block["element"], {"static_select", "plain_text_input"})


def _image(block: Mapping[str, Any], has_file: Callable[[str], bool]) -> Iterator[str]:
    if not 1 <= len(block["alt_text"]) <= 2000:
        yield "1 to 2000 characters: alt_text"
    if ("image_url" in block) == ("slack_file" in block):
        yield "one of image_url and slack_file"
    file = block.get("slack_file")
    if file is None:
        return
    if set(file) != {"id"}:
        yield "one of id and url: slack_file"
    elif not FILE_ID.fullmatch(file["id"]):
        yield "input must match regex pattern: ^[F][A-Z0-9]{8,}$"
    elif not has_file(file["id"]):
        yield "invalid slack file"


def _element(element: Mapping[str, Any], allowed: set[str]) -> Iterator[str]:
    kind = element["type"]
    if kind not in allowed:
        yield f"unsupported type: {json.dumps(kind)}"
        return
    yield from _unknown(element, _FIELDS[kind] | {"type"})
    if not 1 <= len(element["action_id"]) <= 255:
        yield "1 to 255 characters: action_id"
    match kind:
        case "button":
            yield from _text(element["text"], 75, plain=True)
            if len(element.get("value", "x")) not in range(1, 2001) or len(element.get("url", "")) > 3000:
                yield "too long: value or url"
            if element.get("style", "primary") not in ("primary", "danger"):
                yield "unsupported style"
        case "static_select":
            options = element["options"]
            if not 1 <= len(options) <= 100:
                yield "1 to 100 items allowed: options"
            if "initial_option" in element and element["initial_option"] not in options:
                yield "not one of the options: initial_option"
            for option in options:
                yield from _unknown(option, {"text", "value", "description"})
                yield from _text(option["text"], 75, plain=True)
                if not 1 <= len(option["value"]) <= 150:
                    yield "1 to 150 characters: value"
        case "plain_text_input":
            if not 0 <= element.get("min_length", 0) <= 3000 or not 1 <= element.get("max_length", 1) <= 3000:
                yield "0 to 3000: min_length, max_length"


def _text(text: Any, most: int, *, plain: bool = False) -> Iterator[str]:
    kinds = {"plain_text": {"emoji"}} if plain else {"plain_text": {"emoji"}, "mrkdwn": {"verbatim"}}
    if text["type"] not in kinds:
        yield f"unsupported type: {json.dumps(text['type'])}"
        return
    yield from _unknown(text, {"type", "text"} | kinds[text["type"]])
    if not isinstance(text["text"], str) or not 1 <= len(text["text"]) <= most:
        yield f"must be 1 to {most} characters"


def _unknown(thing: Mapping[str, Any], known: set[str]) -> Iterator[str]:
    for name in set(thing) - known:
        yield f"unexpected field {json.dumps(name)}"
