"""The answer of a figure as a picture, PNG or SVG: the same answer gives the same bytes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stream_app.domain.alerts import Curve
    from stream_app.reports.drawing.alert import Words
    from stream_app.reports.drawing.backtest import Panel

# matplotlib's settings are those of the process.
_ONE_AT_A_TIME = threading.Lock()


def png(answer: Mapping[str, Any]) -> bytes:
    """The picture of an answer, of any figure, as PNG: 1650 pixels wide, for a chat or a mail."""
    return _drawn(answer, "png")


def svg(answer: Mapping[str, Any]) -> bytes:
    """The picture of an answer as SVG; its text is drawn as paths, so that it looks the same everywhere."""
    return _drawn(answer, "svg")


def alert_png(curve: Curve, words: Words, **how: Any) -> bytes:
    """The picture in an alert's message as PNG, 1200 by 660 pixels; the arguments are those of `drawing.alert.draw`."""
    from stream_app.reports.drawing.alert import draw

    with _ONE_AT_A_TIME:
        return draw(curve, words, **how)


def backtest(heading: str, notes: Sequence[str], panels: Sequence[Panel], format_: str) -> bytes:
    """The picture of a backtest, PNG or SVG; the arguments are those of `drawing.backtest.draw`."""
    from stream_app.reports.drawing.backtest import draw

    with _ONE_AT_A_TIME:
        return draw(heading, notes, panels, format_)


def _drawn(answer: Mapping[str, Any], format_: str) -> bytes:
    from stream_app.reports.drawing.figures import draw

    with _ONE_AT_A_TIME:
        return draw(answer, format_)
