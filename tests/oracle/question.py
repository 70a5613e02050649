"""What the oracle is asked."""

from __future__ import annotations

from dataclasses import dataclass

Where = tuple[tuple[str, str], ...]
#: The kinds of events that are meant by a name of activity.
KINDS = {"any": ("visit", "purchase"), "visit": ("visit",), "purchase": ("purchase",)}


@dataclass(frozen=True)
class Question:
    """A figure with its parameters (named as in the API) and how far things had come: times in ms."""

    figure: str
    grain: str
    watermark: int | None
    definition: str = "engagement"
    start: str = "any"
    returns: str = "any"
    start_where: Where = ()
    return_where: Where = ()
    min_active: int = 1
    kind: str = ""
    brackets: tuple[int, ...] = ()
    windows: str = "calendar"
    cohorts: str = "first"
    mean: str = "weighted"
    begin: int | None = None
    until: int | None = None
    dimension: str | None = None
    top: int = 20
    window: int = 30
    last: int | None = None
    late_share: float | None = None
    currency: str = "USD"
    minor_units: int = 2
    #: Survival of the live service: how many days from a customer's first one are kept (384); of a file all are.
    kept_days: int | None = None

    @property
    def as_of(self) -> int | None:
        if self.until is None or self.watermark is None:
            return self.watermark
        return min(self.watermark, self.until)
