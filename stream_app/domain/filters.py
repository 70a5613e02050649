"""The filters of some definitions, each once, and which events of a batch a filter means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.events import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import Definition, EventBatch, Filter

#: Conditions of one filter: (property, value) in order of their names.
Where = tuple[tuple[str, str], ...]


def filters_of(definitions: Iterable[Definition]) -> tuple[Filter, ...]:
    """The distinct filters of definitions, in the order in which they are first needed."""
    return tuple(dict.fromkeys(f for d in definitions for f in (d.start_filter, d.return_filter)))


def conditions_of(filters: Iterable[Filter]) -> tuple[Where, ...]:
    """The distinct `where`s of filters, in order; bit i of `EventBatch.matches` is that of the i-th one."""
    return tuple(dict.fromkeys(f.where for f in filters if f.where))


def meant(what: Filter, batch: EventBatch, conditions: Sequence[Where]) -> NDArray[np.int64] | None:
    """The places of the events that a filter means, None for all; a refund is never meant.

    Args:
        what: the filter.
        batch: the events.
        conditions: what the bits of the batch's `matches` stand for.
    """
    if what.event == "visit":
        found = batch.kinds == Kind.VISIT
    elif what.event == "purchase":
        found = batch.kinds == Kind.PURCHASE
    else:
        found = batch.kinds != Kind.REFUND
    if what.where:
        if batch.matches is None:
            raise ValueError(f"the decoder was not told of the conditions {what.where}")
        found = found & (batch.matches & np.uint32(1 << conditions.index(what.where)) != 0)
    return None if found.all() else true_at(found)
