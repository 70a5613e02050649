"""The picture of a notice, drawn beside the event loop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_app.notifiers import terms, wording
from stream_app.notifiers.summary import standing
from stream_app.reports import plots
from stream_app.settings.currencies import minor_units

if TYPE_CHECKING:
    from stream_app.domain.alerts import Change, Curve, Notice


@dataclass(frozen=True)
class Chart:
    """A picture of the worst alert's figure.

    Attributes:
        png: the picture.
        text: what it shows, in words.
    """

    png: bytes
    text: str


async def chart(notice: Notice) -> Chart | None:
    """The picture of a notice; None where there is nothing to draw."""
    curve = notice.curve
    if curve is None or not curve.points:
        return None
    change = _whose(notice, curve)
    if change is None:
        return None
    return Chart(await asyncio.to_thread(_drawn, curve, change), _text(curve, change))


def _whose(notice: Notice, curve: Curve) -> Change | None:
    """The alert that a curve is of."""
    known = [*(one.change for one in standing(notice)), *notice.changes]
    return next((change for change in known if dict(change.segment) == dict(curve.segment)), None)


def _drawn(curve: Curve, change: Change) -> bytes:
    # matplotlib is imported in the thread, too: it takes a second.
    from stream_app.reports.drawing.alert import Words

    bad = f", {change.side} since {wording.cohort(change, curve.began)}" if curve.began else ""
    what, last = terms.term(change), curve.points[-1][1]
    shown = terms.values(change, last, *([] if curve.threshold is None else [curve.threshold]))
    words = Words(
        title=f"{wording.figure(change)}{wording.of_whom(change)}",
        about=f"{wording.clean(change.definition)}, by {change.grain}{bad}",
        bound=f"threshold {shown[-1]}",
        last=shown[0],
        group=what.group.format(grain=change.grain),
    )
    money = what.kind == terms.MONEY and change.currency is not None
    return plots.alert_png(
        curve,
        words,
        grain=change.grain,
        share=what.kind == terms.SHARE,
        above=change.side == "above",
        scale=10.0 ** minor_units(change.currency or "") if money else 1.0,
    )


def _text(curve: Curve, change: Change) -> str:
    """The picture for who cannot see it."""
    first, last = curve.points[0], curve.points[-1]
    values = terms.values(change, first[1], last[1])
    said = f"{wording.figure(change)}{wording.of_whom(change)} by {change.grain}: {values[0]} at {first[0]}, "
    bound = "" if curve.threshold is None else f"; the threshold is {terms.values(change, curve.threshold)[0]}"
    return f"{said}{values[1]} at {last[0]}{bound}"
