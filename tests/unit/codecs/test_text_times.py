"""Times in columns of text: with an offset, local, dates and numbers, against the standard library."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from stream_app.codecs.texttimes import parse
from stream_app.codecs.times import BAD
from stream_app.domain.periods import Calendar

BERLIN = Calendar("Europe/Berlin")


def parsed(*texts: str, calendar: Calendar = BERLIN) -> list[tuple[int, bool]]:
    data = np.frombuffer("".join(texts).encode(), np.uint8)
    ends = np.cumsum([0, *(len(text.encode()) for text in texts)])
    instants, local = parse(data, ends, calendar.instants)
    return list(zip(instants.tolist(), local.tolist(), strict=True))


def instant(text: str, zone: str = "Europe/Berlin") -> int:
    time = dt.datetime.fromisoformat(text)
    time = time if time.tzinfo else time.replace(tzinfo=ZoneInfo(zone))
    return round(time.timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2024-02-29T12:34:56Z", "2024-02-29T12:34:56+00:00"),
        ("2024-02-29 12:34:56.5z", "2024-02-29T12:34:56.5+00:00"),
        ("2024-02-29 12:34:56.123456+05:30", "2024-02-29T12:34:56.123+05:30"),
        ("2024-02-29 12:34:56 UTC", "2024-02-29T12:34:56+00:00"),
        ("2024-02-29 12:34:56.25 UTC", "2024-02-29T12:34:56.250+00:00"),
        ("2024-02-29 12:34:56-08", "2024-02-29T12:34:56-08:00"),
        ("2024-02-29 12:34:56.7+01", "2024-02-29T12:34:56.7+01:00"),
    ],
)
def test_a_time_with_an_offset_is_that_instant(text: str, means: str) -> None:
    assert parsed(text) == [(instant(means), False)]


@pytest.mark.parametrize(
    "text",
    ["2024-02-29", "2024-07-01", "2024-02-29 12:34", "2024-07-29T12:34:56", "2024-02-29 12:34:56.123456",
     "2024-03-31 02:30:00", "2024-10-27 02:30:00", "2024-10-27 03:00:00", "2024-03-31 03:00:00"],
)  # fmt: skip
def test_a_time_without_an_offset_is_local_the_first_of_two_and_past_a_gap(text: str) -> None:
    cut = text[:23]  # to milliseconds
    assert parsed(text) == [(instant(cut), True)]


@pytest.mark.parametrize(
    "zone", ["America/Sao_Paulo", "Australia/Lord_Howe", "America/New_York", "Asia/Kolkata", "UTC"]
)
def test_local_times_around_every_change_of_clocks_are_those_of_the_standard_library(zone: str) -> None:
    calendar = Calendar(zone)
    starts, _ = calendar._transitions
    walls = [dt.datetime.fromtimestamp(int(s) // 1000, ZoneInfo(zone)).replace(tzinfo=None) for s in starts[1:]]
    texts = [
        (wall + dt.timedelta(minutes=minutes)).isoformat() for wall in walls for minutes in range(-135, 136, 15)
    ] or ["2024-01-01T00:00:00"]  # fmt: skip
    assert [time for time, _ in parsed(*texts, calendar=calendar)] == [instant(text, zone) for text in texts]


def test_a_date_begins_where_its_day_does() -> None:
    calendar = Calendar("America/Sao_Paulo")  # 2018-11-04 has no midnight
    assert parsed("2018-11-04", calendar=calendar) == [(1_541_300_400_000, True)]


def test_whole_numbers_are_milliseconds() -> None:
    assert parsed("1709210096789", "0", "17") == [(1_709_210_096_789, False), (0, False), (17, False)]


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2024-02-30", "2024-02-29 24:00", "2024-02-29 12:34:5x", "2024-02-29 12:34:56+0x",
     "29.02.2024", "2024-02-29 12:34:56 CET", "1969-12-31", "1969-12-31T23:59:59Z", "2024-02-29T12:34:56.", "9" * 15,
     "2024-02-29T12:34:56" + "0" * 60, "-5", "１７", "2024-02-29 12:34:56+25:00"],
)  # fmt: skip
def test_what_is_no_time_is_bad(text: str) -> None:
    assert parsed(text)[0][0] == BAD
    good = instant("2024-02-29T12:34:56+00:00")
    assert [time for time, _ in parsed("2024-02-29T12:34:56Z", text, "2024-02-29T12:34:56Z")] == [good, BAD, good]


def test_a_column_of_none_is_none() -> None:
    assert parsed() == []
