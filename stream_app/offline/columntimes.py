"""Columns of times to instants: timestamps, dates, numbers and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from stream_app.codecs import texttimes
from stream_app.codecs.times import BAD, LAST
from stream_app.domain.periods import DAY_MS
from stream_app.offline.texts import Texts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stream_app.domain.periods import Calendar

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

#: Units of a timestamp in a millisecond; negative: milliseconds in a unit.
_UNITS = {"s": -1000, "ms": 1, "us": 1000, "ns": 1_000_000}


def times_of(column: Any, calendar: Calendar) -> tuple[Ints, Flags]:
    """The instants (ms) of a column of n times, `BAD` for what is none, and which of them were local times.

    Timestamps without a time zone, dates and texts without an offset are local times; numbers are ms since the epoch.
    """
    form = column.type
    if pa.types.is_timestamp(form) or pa.types.is_date(form):
        return _timestamps(column, calendar)
    if pa.types.is_integer(form) or pa.types.is_floating(form):
        values = column.cast(pa.float64() if pa.types.is_floating(form) else pa.int64(), safe=False)
        numbers, missing = _numbers(values)
        with np.errstate(invalid="ignore"):
            good = ~missing & (numbers >= 0) & (numbers <= LAST)
        return np.where(good, np.where(good, numbers, 0).astype(np.int64), BAD), np.zeros(len(column), np.bool_)
    texts = Texts(column)
    instants, local = texttimes.parse(texts.data, texts.ends, calendar.instants)
    instants[texts.null] = BAD
    return instants, local


def _timestamps(column: Any, calendar: Calendar) -> tuple[Ints, Flags]:
    form = column.type
    if pa.types.is_date(form):
        days, missing = _numbers(column.cast(pa.date32()).cast(pa.int32()))
        values, is_local = days.astype(np.int64) * DAY_MS, True
    else:
        units, missing = _numbers(column.cast(pa.int64()))
        scale = _UNITS[form.unit]
        values, is_local = (units * -scale if scale < 0 else units // scale), form.tz is None
    # Years before 1970 and past 9999 are no times of events; kept away from the calendar's arithmetic.
    good = ~missing & (values >= -DAY_MS) & (values <= LAST)
    values = np.where(good, values, 0)
    instants = calendar.instants(values) if is_local else values
    return np.where(good & (instants >= 0), instants, BAD), np.full(len(column), is_local)


def _numbers(column: Any) -> tuple[NDArray[Any], Flags]:
    """The numbers of a column, 0 where there is none, and where there is none."""
    if not column.null_count:
        return column.to_numpy(zero_copy_only=False), np.zeros(len(column), np.bool_)
    return column.fill_null(0).to_numpy(zero_copy_only=False), column.is_null().to_numpy(zero_copy_only=False)
