"""Days, weeks and months at the places where calendars are hard; the general case is a property test."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest

from stream_app.domain.errors import ConfigurationError
from stream_app.domain.periods import DAY_MS, EPOCH, Calendar, Grain


def at(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def day(text: str) -> int:
    return (date.fromisoformat(text) - EPOCH).days


@pytest.fixture(scope="module")
def berlin() -> Calendar:
    return Calendar("Europe/Berlin")


def test_local_days_have_23_and_25_hours(berlin):
    for text, hours in (("2024-03-31", 23), ("2024-10-27", 25), ("2024-06-01", 24)):
        assert berlin.end(Grain.DAY, day(text)) - berlin.start(Grain.DAY, day(text)) == hours * 3_600_000
    assert berlin.start(Grain.DAY, day("2024-03-31")) == at("2024-03-30T23:00")
    assert berlin.start(Grain.DAY, day("2024-04-01")) == at("2024-03-31T22:00")


def test_a_month_and_a_week_over_a_clock_change(berlin):
    march = berlin.period(Grain.MONTH, day("2024-03-31"))
    assert march == 12 * 54 + 2
    assert berlin.end(Grain.MONTH, march) - berlin.start(Grain.MONTH, march) == 31 * DAY_MS - 3_600_000
    assert berlin.start_date(Grain.WEEK, berlin.period(Grain.WEEK, day("2024-03-31"))) == "2024-03-25"


def test_a_day_without_midnight_starts_at_the_change():
    brazil = Calendar("America/Sao_Paulo")
    # On 2018-11-04 clocks went from 24:00 of the 3rd to 01:00.
    assert brazil.start(Grain.DAY, day("2018-11-04")) == at("2018-11-04T03:00")
    assert brazil.days(np.array([at("2018-11-04T02:59:59.999"), at("2018-11-04T03:00")])).tolist() == [
        day("2018-11-03"), day("2018-11-04"),
    ]  # fmt: skip
    # On 2018-02-18 they went from 24:00 of the 17th to 23:00: the 17th has 25 hours.
    seventeenth = day("2018-02-17")
    assert brazil.end(Grain.DAY, seventeenth) - brazil.start(Grain.DAY, seventeenth) == 25 * 3_600_000


def test_clocks_may_change_by_half_an_hour():
    island = Calendar("Australia/Lord_Howe")
    changed = day("2024-04-07")
    assert island.end(Grain.DAY, changed) - island.start(Grain.DAY, changed) == 24.5 * 3_600_000


def test_a_day_that_a_zone_left_out_has_no_length():
    apia = Calendar("Pacific/Apia")
    left_out = day("2011-12-30")
    assert apia.start(Grain.DAY, left_out) == apia.start(Grain.DAY, left_out + 1)
    assert apia.last_closed(Grain.DAY, apia.start(Grain.DAY, left_out + 1)) == left_out


def test_a_day_that_was_reached_stays_closed_when_clocks_go_back_behind_it():
    """St. John's set its clocks back at 00:01, to 23:01 of the day before."""
    town = Calendar("America/St_Johns")
    sunday = day("2006-10-29")
    midnight = town.start(Grain.DAY, sunday)
    assert midnight == at("2006-10-29T02:30")
    assert town.day(midnight + 30 * 60_000) == sunday - 1
    assert {town.last_closed(Grain.DAY, midnight + minute * 60_000) for minute in range(90)} == {sunday - 1}
    assert town.last_closed(Grain.DAY, midnight - 1) == sunday - 2


@pytest.mark.parametrize(
    ("week_start", "expected"), [("monday", "2023-12-25"), ("sunday", "2023-12-31"), ("wednesday", "2023-12-27")]
)
def test_weeks_begin_on_the_configured_day(week_start, expected):
    calendar = Calendar("UTC", week_start)
    week = calendar.period(Grain.WEEK, day("2023-12-31"))
    assert calendar.start_date(Grain.WEEK, week) == expected
    assert [calendar.period(Grain.WEEK, calendar.first_day(Grain.WEEK, week) + i) - week for i in (-1, 0, 6, 7)] == [
        -1, 0, 0, 1,
    ]  # fmt: skip


def test_periods_before_1970_follow_each_other():
    utc = Calendar()
    days = np.arange(-800, 800)
    for grain in Grain:
        steps = np.diff(utc.at(grain, days * DAY_MS)) // (24 if grain is Grain.HOUR else 1)
        assert set(steps.tolist()) <= {0, 1}
    assert utc.start_date(Grain.MONTH, -1) == "1969-12-01"
    assert utc.start(Grain.DAY, -1) == -DAY_MS


@pytest.mark.parametrize("grain", Grain)
def test_a_period_is_closed_at_its_end_and_not_before(berlin, grain):
    period = int(berlin.at(grain, np.array([at("2024-03-31T10:00")]))[0])
    end = berlin.end(grain, period)
    assert berlin.last_closed(grain, end) == period
    assert berlin.last_closed(grain, end - 1) == period - 1


@pytest.mark.parametrize("timezone", ["Europe/Atlantis", "", "../etc/passwd", "Europe"])
def test_an_unknown_time_zone_is_named(timezone):
    with pytest.raises(ConfigurationError, match=r"timezone: .*IANA"):
        Calendar(timezone)


def test_an_unknown_week_day_is_named():
    with pytest.raises(ConfigurationError, match=r"week_start: 'Montag'.*monday, tuesday"):
        Calendar("UTC", "Montag")


def test_a_local_time_is_its_first_instant_and_a_skipped_one_lies_past_the_gap(berlin):
    walls = ["2024-02-29T12:00", "2024-03-31T01:59", "2024-03-31T02:30", "2024-03-31T03:30", "2024-10-27T02:30"]
    instants = berlin.instants(np.array([at(wall) for wall in walls]))
    expected = ["2024-02-29T11:00", "2024-03-31T00:59", "2024-03-31T01:30", "2024-03-31T01:30", "2024-10-27T00:30"]
    assert instants.tolist() == [at(one) for one in expected]
