"""Alerts in the form of Alertmanager's API, version 2: labels by which one is known, annotations, two instants."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from stream_app.domain.alerts import Health, Reason, Standing, State
from stream_app.domain.events import rfc3339
from stream_app.notifiers import summary, wording

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stream_app.domain.alerts import Change, Notice

_NO_LABEL = re.compile(r"[^A-Za-z0-9_]")
#: The label of an alert that tells that another one cannot be judged, and so is apart from it.
HEALTH = "health"
#: The identity of an alert: its labels in one order.
Key = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Alert:
    """One alert as Alertmanager knows it.

    Attributes:
        labels: its identity.
        annotations: what people read.
        starts: when it began (ms).
        ends: when it ended (ms); None: it fires.
        url: the page that shows it; None.
    """

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: int
    ends: int | None
    url: str | None

    @property
    def key(self) -> Key:
        """The identity."""
        return tuple(sorted(self.labels.items()))

    def to_json(self, now: int, forget_after: int) -> dict[str, Any]:
        """Ready for the API.

        Args:
            now: the wall clock (ms).
            forget_after: how long (ms) it goes on to fire there if nothing more is heard from here.
        """
        # An end before the beginning would be refused, and one in the future would not be an end yet.
        ends = now + forget_after if self.ends is None else min(self.ends, now)
        found: dict[str, Any] = {
            "labels": dict(self.labels),
            "annotations": dict(self.annotations),
            "startsAt": rfc3339(min(self.starts, ends)),
            "endsAt": rfc3339(ends),
        }
        return found if self.url is None else found | {"generatorURL": self.url}


def alerts(notice: Notice, public_url: str | None = None) -> list[Alert]:
    """The alerts of a notice as they stand: those of its group, and what it tells that is not in there.

    Args:
        notice: what to tell.
        public_url: address of the page, for links.
    """
    found: dict[Key, Alert] = {}
    for one in (*notice.standing, *map(Standing, notice.changes)):
        for alert in _of(notice, one, public_url):
            found.setdefault(alert.key, alert)  # the standing is the latest of an alert
    for change in notice.over:
        for alert in _of(notice, Standing(change), public_url):
            if alert.labels.get(HEALTH) == change.health.value:
                found.setdefault(alert.key, replace(alert, ends=_ms(notice.at)))
    return list(found.values())


def _of(notice: Notice, one: Standing, public_url: str | None) -> Iterator[Alert]:
    change = one.change
    at = _ms(change.at)
    known = Alert(_labels(notice, change), _annotations(notice, one), at, None, wording.link(change, public_url))
    over = wording.withdrawn(change)
    if change.state is State.FIRING and not over:
        yield known
    elif over or change.state is State.RESOLVED:
        yield replace(known, ends=at)
    for health in (Health.NO_DATA, Health.ERROR):
        apart = replace(known, labels={**known.labels, HEALTH: health.value})
        if change.health is health and not over:
            yield apart
        elif over or change.reason is Reason.DATA_BACK or change.health is not Health.OK:
            yield replace(apart, ends=at)


def _labels(notice: Notice, change: Change) -> dict[str, str]:
    """The rule's own labels, the segment, and the rule's name; the later win, so that no two alerts are one."""
    found = {_name(name): value for name, value in notice.labels}
    fixed = {"alertname": notice.rule, "rule": notice.rule}
    for name, value in sorted(change.segment.items()):
        label = _name(name)
        found[f"segment_{label}" if label in fixed or label == HEALTH else label] = value
    return found | fixed


def _name(text: str) -> str:
    """A label's name: letters, digits and underscores, no digit first."""
    name = _NO_LABEL.sub("_", text)
    return f"_{name}" if not name or name[0].isdigit() else name


def _annotations(notice: Notice, one: Standing) -> dict[str, str]:
    change = one.change
    found = {
        "summary": wording.title(change),
        "description": f"{wording.sentence(change)}.",
        "value": wording.value(change),
        "interval": wording.interval(change),
        "at_risk": wording.at_risk(change),
        "since": change.began or "",
        "acknowledged": summary.seen(one.acknowledged),
        "silenced": summary.kept_silent(one.silenced),
        "promise": notice.promise or "",
        "note": notice.note or "",
    }
    return {name: value for name, value in found.items() if value}


def _ms(at: str) -> int:
    return round(dt.datetime.fromisoformat(at).timestamp() * 1000)
