"""Notices to tell: of one alert, and of groups as they open, change, close and are edited."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Change, Curve, Notice, NoticeKind, Standing
from support.notify import change, ended

if TYPE_CHECKING:
    from collections.abc import Sequence

TO = ("slack:#retention",)


def fell(number: int = 1, **fields: Any) -> Change:
    """A change to firing, with everything that one can have."""
    values: dict[str, Any] = {
        "to": TO, "test": "sequential", "evidence": 3.9, "promise": "1 per year", "high": 0.2335,
        "revenue_at_risk": 340_000, "currency": "USD", "cohorts": 3,
    }  # fmt: skip
    return change(number, **(values | fields))


def back(number: int, of: Change, **fields: Any) -> Change:
    """The change that ends it."""
    return fell(number, **(ended(of) | {"evidence": None, "revenue_at_risk": None} | fields))


def curve(of: Change, days: int = 60) -> Curve:
    """A curve that falls in its last three cohorts."""
    last = dt.date.fromisoformat(of.cohort)
    starts = [(last - dt.timedelta(days=n)).isoformat() for n in reversed(range(days))]
    points = tuple(
        (start, 0.36 + 0.01 * (number % 5 - 2) - (0.14 if number >= days - 3 else 0.0), 1000 + 37 * (number % 9))
        for number, start in enumerate(starts)
    )
    return Curve(of.segment, points, of.threshold, of.began)


def opened(*changes: Change, **fields: Any) -> Notice:
    """The notice that opens a group."""
    told = changes or (fell(),)
    id_ = told[0].id if len(told) == 1 else f"{len(told)}{told[0].id[1:]}"
    values: dict[str, Any] = {
        "id": id_, "rule": told[0].rule, "kind": NoticeKind.OPENED, "at": told[0].at, "changes": told,
        "standing": tuple(map(Standing, told)), "to": TO, "promise": told[0].promise,
    }  # fmt: skip
    return Notice(**(values | fields))


def later(
    root: Notice, kind: NoticeKind, changes: Sequence[Change] = (), standing: Sequence[Standing] = (), **fields: Any
) -> Notice:
    """A notice that belongs under another."""
    at = changes[0].at if changes else "2026-03-12T08:00:00Z"
    id_ = changes[0].id if len(changes) == 1 else f"{kind.value[:2]}{root.id[2:]}"
    values: dict[str, Any] = {
        "id": id_, "rule": root.rule, "kind": kind, "at": at, "changes": tuple(changes),
        "standing": tuple(standing) or root.standing, "root": root.id, "to": root.to, "promise": root.promise,
    }  # fmt: skip
    return Notice(**(values | fields))


def closed(root: Notice) -> Notice:
    """The notice that closes a group, all of which has recovered."""
    over = [back(1000 + number, one.change) for number, one in enumerate(root.standing)]
    return later(root, NoticeKind.CLOSED, over, [Standing(one) for one in over])


def segments(count: int, **fields: Any) -> list[Change]:
    """So many changes of one rule, the worst first."""
    return [
        fell(n + 1, segment={"country": f"country-{n:03d}"}, value=0.1 + 0.001 * n, users_at_risk=1000 - n, **fields)
        for n in range(count)
    ]
