"""Which figure is drawn how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stream_app.reports.drawing import bars, curves, heat, money, stickiness, survival
from stream_app.reports.drawing.sheet import Sheet, style
from stream_app.reports.words import figure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SHEETS: Mapping[str, Callable[[Mapping[str, Any]], Sheet]] = {
    "retention": heat.retention,
    "churn": curves.churn,
    "lifecycle": bars.lifecycle,
    "crr": curves.crr,
    "stickiness": stickiness.stickiness,
    "value": money.value,
    "survival": survival.survival,
    "concentration": bars.concentration,
}


def draw(answer: Mapping[str, Any], format_: str) -> bytes:
    """The picture of an answer, `png` or `svg`."""
    with style():
        if answer["segments"]:
            return _SHEETS[figure_of(answer)](answer).saved(format_)
        return Sheet(answer).nothing("no events").saved(format_)
