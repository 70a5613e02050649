"""The curve of an alert, for the picture in its message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stream_app.domain.alerts.change import alert_key
from stream_app.domain.alerts.notice import Curve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_app.domain.alerts.change import Change
    from stream_app.domain.alerts.observation import Course

#: The most cohorts that are drawn.
POINTS = 60


def curve(change: Change, course: Course) -> Curve | None:
    """The judged figure over the cohorts up to the one that was judged; None where there is nothing to draw."""
    series = next(iter(change.segment.items()), ())
    seen = [one for one in course.streams.get(series, ()) if one.start <= change.cohort][-POINTS:]
    if not seen:
        return None
    points = tuple((one.start, one.value, one.group) for one in seen)
    return Curve(change.segment, points, change.threshold, change.began)


def curves(changes: Iterable[Change], course: Course | str | None) -> dict[str, Curve]:
    """By key of the alert the curve of each change that is told; none where the figure could not be had."""
    if course is None or isinstance(course, str):
        return {}
    found = {alert_key(change.rule, change.segment): curve(change, course) for change in changes if change.to}
    return {key: drawn for key, drawn in found.items() if drawn is not None}
