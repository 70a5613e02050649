"""A notice as programs get it: versioned JSON, `docs/schemas/notice.json`. The same notice gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from stream_app.notifiers import summary, wording

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change, Notice, Standing

#: The form of the body; another number where a field is taken away or means something else.
SCHEMA = "stream-app/notice/1"


def body(notice: Notice, public_url: str | None = None) -> bytes:
    """The body that tells of a notice.

    Args:
        notice: what to tell.
        public_url: address of the page, for links.
    """
    return orjson.dumps({
        "schema": SCHEMA,
        "type": f"alert.{notice.kind.value}",
        "timestamp": notice.at,
        "data": {
            "id": notice.id,
            "group": notice.root or notice.id,
            "rule": notice.rule,
            "title": summary.news(notice),
            "text": summary.sentence(notice),
            "changes": [_change(change, public_url) for change in notice.changes],
            "standing": [_standing(one, public_url) for one in notice.standing],
            "labels": dict(notice.labels),
            "note": notice.note,
            "promise": notice.promise,
        },
    })  # fmt: skip


def _change(change: Change, public_url: str | None) -> dict[str, Any]:
    """A change without its targets, which may be people."""
    fields = {name: value for name, value in change.to_json().items() if name != "to"}
    return fields | {"text": wording.sentence(change), "url": wording.link(change, public_url)}


def _standing(one: Standing, public_url: str | None) -> dict[str, Any]:
    return one.to_json() | {"change": _change(one.change, public_url)}
