"""A frozen record with some fields altered, fast."""

from __future__ import annotations

from typing import Any, TypeVar

T = TypeVar("T")


def altered(record: T, /, **changes: Any) -> T:
    """As `dataclasses.replace`, of a class without slots, and ten times as fast: an alert's step does it often."""
    new: T = object.__new__(type(record))
    new.__dict__.update(record.__dict__, **changes)
    return new
