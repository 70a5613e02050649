"""Periods equal `datetime` and `zoneinfo`: their order, their starts, what has closed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import Clock
from properties.streams import ZONES, calendar

from stream_app.domain.periods import EPOCH, WEEKDAYS, Grain

# St. John's set its clocks back at 00:01: a local day began twice. Apia left out a whole day.
zones = st.sampled_from([*ZONES, "America/St_Johns", "Pacific/Apia", "Africa/Monrovia", "America/Havana"])
edges = st.sampled_from(
    [datetime(2006, 10, 29, 2, tzinfo=UTC), datetime(2011, 12, 30, tzinfo=UTC), datetime(2018, 11, 4, tzinfo=UTC)]
)
instants = st.one_of(
    st.integers(31_536_000_000, 4_070_908_800_000),  # 1971 to 2099
    st.builds(lambda t, ms: round(t.timestamp() * 1000) + ms, edges, st.integers(-7_200_000 * 2, 7_200_000 * 4)),
)


def local_date(time: int, zone: str) -> date:
    return datetime.fromtimestamp(time // 1000, ZoneInfo(zone)).date()


@given(zones, st.lists(instants, max_size=20))
def test_days(zone: str, times: list[int]) -> None:
    found = calendar(zone).days(np.array(times, np.int64))
    assert [EPOCH + timedelta(days=day) for day in found.tolist()] == [local_date(time, zone) for time in times]


@given(zones, instants, st.sampled_from([g for g in Grain if g is not Grain.HOUR]), st.sampled_from(WEEKDAYS))
def test_a_period_starts_at_the_first_instant_of_its_first_date(
    zone: str, time: int, grain: Grain, week_start: str
) -> None:
    days = calendar(zone, week_start)
    period = days.period(grain, days.day(time))
    first = date.fromisoformat(days.start_date(grain, period))
    if grain is Grain.WEEK:
        assert WEEKDAYS[first.weekday()] == week_start
    if grain is Grain.MONTH:
        assert first.day == 1
    start = days.start(grain, period)
    assert local_date(start, zone) >= first > local_date(start - 1, zone)
    assert days.end(grain, period) == days.start(grain, period + 1) > start
    assert days.period(grain, days.first_day(grain, period)) == period
    assert days.period(grain, days.first_day(grain, period) - 1) == period - 1


@example("America/St_Johns", round(datetime(2006, 10, 29, 3, 0, tzinfo=UTC).timestamp() * 1000), Grain.DAY)
@given(zones, instants, st.sampled_from(Grain))
def test_the_last_closed_period_is_the_last_whose_end_is_reached(zone: str, watermark: int, grain: Grain) -> None:
    days = calendar(zone)
    closed = days.last_closed(grain, watermark)
    assert days.end(grain, closed) <= watermark < days.end(grain, closed + 1)


@given(zones, instants, st.sampled_from(Grain), st.sampled_from(WEEKDAYS))
def test_periods_are_those_of_the_plain_clock(zone: str, time: int, grain: Grain, week_start: str) -> None:
    columns, plain = calendar(zone, week_start), Clock(zone, week_start)
    period, expected = int(columns.at(grain, np.array([time]))[0]), plain.period(grain, time)
    for later in (-1, 0, 1, 2):
        start, begin = columns.start(grain, period + later), plain.start(grain, expected + later)
        assert start == begin
        assert columns.start_date(grain, period + later) == plain.start_text(grain, expected + later)
    closed, last = columns.last_closed(grain, time), plain.last_closed(grain, time)
    assert columns.start(grain, closed) == plain.start(grain, last)
    assert closed - period == last - expected
