"""The words of events: instants as text, batches, reasons."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.events import (
    ACTIVITY,
    ENGAGEMENT,
    REPURCHASE,
    EventBatch,
    Reason,
    rfc3339,
)


@given(st.integers(0, 253_402_300_799_999))
def test_rfc3339_is_read_back_by_datetime_as_the_same_instant(time: int) -> None:
    read = datetime.fromisoformat(rfc3339(time))
    assert read.tzinfo == UTC
    assert round(read.timestamp() * 1000) == time


def test_rfc3339_writes_milliseconds_only_where_there_are_any() -> None:
    assert rfc3339(899_251_200_000) == "1998-07-01T00:00:00Z"
    assert rfc3339(899_251_200_040) == "1998-07-01T00:00:00.040Z"


def test_the_shipped_definitions_use_known_activities() -> None:
    for definition in (ENGAGEMENT, REPURCHASE):
        assert {definition.start, definition.returns} <= set(ACTIVITY)
        assert definition.inactivity_days == 30


def test_a_batch_has_the_length_of_its_columns_and_can_be_filtered() -> None:
    numbers = np.array([0, 1, 2], np.int64)
    combos = [("a",), ("b",), ("c",)]
    kinds, segments = numbers.astype(np.int8), numbers.astype(np.int32)
    batch = EventBatch(
        [b"a", b"b", b"c"], numbers, kinds, ["1", "2", "3"], segments, combos, [None, "o", "p"], numbers * 100
    )
    assert len(batch) == 3
    some = batch.where(np.array([True, False, True]))
    assert (some.users, some.event_ids, some.orders) == ([b"a", b"c"], ["1", "3"], [None, "p"])
    for column in (some.times, some.kinds, some.segments, some.amounts // 100):
        assert column.tolist() == [0, 2]
    assert some.combos is combos


def test_reason_codes_can_be_labels_of_a_metric() -> None:
    assert all(reason.value.replace("_", "").isalpha() and reason.value.islower() for reason in Reason)
    assert len({reason.value for reason in Reason}) == len(Reason)
