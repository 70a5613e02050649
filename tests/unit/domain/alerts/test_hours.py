"""Business hours: what is written, and when messages are sent."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from stream_app.domain.alerts.hours import Hours
from stream_app.domain.periods import Calendar

MINUTE = 60_000
BERLIN = Calendar("Europe/Berlin")


def at(text: str, zone: str = "Europe/Berlin", fold: int = 0) -> int:
    local = dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return round(local.timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "days", "begins", "ends"),
    [
        ("Mon-Fri 09:00-18:00", {0, 1, 2, 3, 4}, 540, 1080),
        ("Mon,Wed 08:00-12:00", {0, 2}, 480, 720),
        ("daily 08:00-20:00", {0, 1, 2, 3, 4, 5, 6}, 480, 1200),
        ("Daily 00:00-24:00", {0, 1, 2, 3, 4, 5, 6}, 0, 1440),
        ("sat-mon 9:30-10:00", {5, 6, 0}, 570, 600),
        (" Monday - Thursday, Sun  09:00 - 17:15 ", {0, 1, 2, 3, 6}, 540, 1035),
        ("Fri-Fri 10:00-11:00", {4}, 600, 660),
    ],
)
def test_hours_are_read(text: str, days: set[int], begins: int, ends: int) -> None:
    assert Hours.parse(text) == Hours(frozenset(days), begins, ends, text.strip())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("9 to 5", "must be weekdays and hours such as"),
        ("", "must be weekdays and hours such as"),
        ("09:00-18:00", "must be weekdays and hours such as"),
        ("Mon-Fri", "must be weekdays and hours such as"),
        ("Mo-Fri 09:00-18:00", "'mo' is not a weekday"),
        ("Mon-Fri-Sun 09:00-18:00", "'fri-sun' is not a weekday"),
        ("Mon, 09:00-18:00", "'' is not a weekday"),
        ("Funday 09:00-18:00", "'funday' is not a weekday"),
        ("Mon 22:00-06:00", "ends before it begins"),
        ("Mon 09:00-09:00", "ends before it begins"),
        ("Mon 09:00-24:01", "24:01 is not a time of day"),
        ("Mon 09:60-12:00", "09:60 is not a time of day"),
    ],
)
def test_what_means_no_hours_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Hours.parse(text)


def test_hours_are_those_of_local_clocks_on_both_sides_of_a_change() -> None:
    hours = Hours.parse("Mon-Fri 09:00-18:00")
    for monday in ("2026-03-23", "2026-03-30"):  # clocks change on the Sunday between
        assert not hours.open(BERLIN, at(f"{monday}T09:00") - 1)
        assert hours.open(BERLIN, at(f"{monday}T09:00"))
        assert hours.open(BERLIN, at(f"{monday}T18:00") - 1)
        assert not hours.open(BERLIN, at(f"{monday}T18:00"))
    assert at("2026-03-30T09:00") - at("2026-03-23T09:00") == (7 * 24 - 1) * 60 * MINUTE


def test_a_weekend_waits_for_monday() -> None:
    hours = Hours.parse("Mon-Fri 09:00-18:00")
    assert hours.next_open(BERLIN, at("2026-03-27T18:00")) == at("2026-03-30T09:00")
    assert hours.next_open(BERLIN, at("2026-03-27T17:59")) == at("2026-03-27T17:59")


def test_hours_that_clocks_skip_open_a_week_later() -> None:
    hours = Hours.parse("Sun 02:10-02:50")
    assert hours.next_open(BERLIN, at("2026-03-29T00:00")) == at("2026-04-05T02:10")


def test_an_opening_that_clocks_skip_is_when_they_have_been_put_on() -> None:
    hours = Hours.parse("Sun 02:30-05:00")
    assert hours.next_open(BERLIN, at("2026-03-29T00:00")) == at("2026-03-29T03:00")


def test_an_hour_that_clocks_show_twice_is_open_twice() -> None:
    hours = Hours.parse("Sun 02:00-02:30")
    second = at("2026-10-25T02:00", fold=1)
    assert hours.open(BERLIN, at("2026-10-25T02:29"))
    assert hours.next_open(BERLIN, at("2026-10-25T02:30")) == second
    assert hours.open(BERLIN, second)


def test_a_day_that_a_zone_left_out_never_opens() -> None:
    """Samoa had no 30 December 2011, a Friday."""
    apia = Calendar("Pacific/Apia")
    hours = Hours.parse("Fri 09:00-18:00")
    assert hours.next_open(apia, at("2011-12-29T23:00", "Pacific/Apia")) == at("2012-01-06T09:00", "Pacific/Apia")


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "America/New_York"])
@pytest.mark.parametrize("text", ["Mon-Fri 09:00-18:00", "Sat,Sun 01:45-02:15", "daily 00:00-24:00"])
def test_the_next_opening_is_the_first_open_minute(zone: str, text: str) -> None:
    calendar, hours = Calendar(zone), Hours.parse(text)
    for day in ("2026-03-07", "2026-03-28", "2026-04-04", "2026-10-03", "2026-10-24", "2026-10-31"):
        start = at(f"{day}T00:00", zone)
        expected = None
        for minute in range(3 * 24 * 60, -1, -1):
            now = start + minute * MINUTE
            expected = now if hours.open(calendar, now) else expected
            if expected is not None and minute % 37 == 0:
                assert hours.next_open(calendar, now) == expected
