"""`occurred_at`: what is a time, which one, and what is said of the rest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_app.codecs.times import BAD, LAST, explain, parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@st.composite
def texts(draw: st.DrawFn) -> str:
    """RFC 3339 in any of its shapes."""
    zone = draw(st.one_of(st.just(UTC), offsets))
    # A day inside the limits, so that no offset leads out of them.
    moment = draw(st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)))  # noqa: DTZ001 - the zone follows
    fraction = draw(st.one_of(st.just(""), st.text("0123456789", min_size=1, max_size=12).map(lambda d: f".{d}")))
    offset = moment.replace(tzinfo=zone).isoformat()[-6:]
    if zone is UTC:
        offset = draw(st.sampled_from(["Z", "z", "+00:00", "-00:00"]))
    return moment.strftime(f"%Y-%m-%d{draw(st.sampled_from('Tt '))}%H:%M:%S") + fraction + offset


def by_datetime(text: str) -> int:
    return (datetime.fromisoformat(text.upper()) - EPOCH) // timedelta(milliseconds=1)


@given(st.lists(texts(), min_size=1, max_size=40))
def test_a_column_of_texts_equals_datetime_one_by_one(column: list[str]) -> None:
    assert parse(column).tolist() == [by_datetime(text) for text in column]


@given(texts(), st.integers(1, 30))
def test_a_column_of_one_shape_equals_datetime(text: str, count: int) -> None:
    assert parse([text] * count).tolist() == [by_datetime(text)] * count


@given(st.lists(st.one_of(texts(), st.integers(0, LAST)), min_size=1, max_size=20))
def test_integers_among_texts_are_milliseconds(column: list[str | int]) -> None:
    assert parse(column).tolist() == [v if isinstance(v, int) else by_datetime(v) for v in column]


@given(texts(), st.integers(0, 40), st.characters())
@example("2024-02-29T12:00:00Z", 19, ".")
def test_a_text_changed_in_one_place_is_read_only_if_datetime_reads_it_alike(text: str, at: int, char: str) -> None:
    changed = text[: at % len(text)] + char + text[at % len(text) + 1 :]
    got = int(parse([changed])[0])
    if got != BAD:
        assert got == by_datetime(changed)
    else:
        assert explain(changed)


@given(st.lists(st.one_of(st.text(max_size=80), st.integers(), texts()), min_size=1, max_size=20))
def test_no_value_raises_and_every_bad_one_is_explained(column: list[str | int]) -> None:
    for value, time in zip(column, parse(column).tolist(), strict=True):
        assert time == BAD or 0 <= time <= LAST
        assert explain(value)


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 9, 30, 60, 5000])
def test_a_fraction_of_any_length_is_cut_to_milliseconds(digits: int) -> None:
    fraction = ("98765" * digits)[:digits]
    expected = 1_709_208_000_000 + int(fraction[:3].ljust(3, "0"))
    assert parse([f"2024-02-29T12:00:00.{fraction}Z", f"2024-02-29T14:30:00.{fraction}+02:30"]).tolist() == [
        expected,
        expected,
    ]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("2024-02-29T12:00:00", "has no offset"),
        ("2024-02-29T12:00:00.5", "has no offset"),
        ("2024-02-29", "is not RFC 3339"),
        ("", "is not RFC 3339"),
        ("yesterday, when all my troubles", "is not RFC 3339"),
        ("2024-02-29T12:00Z", "is not RFC 3339"),
        ("2024-02-29T12:00:00.Z", "is not RFC 3339"),
        ("2024-02-29T12:00:00,5Z", "is not RFC 3339"),
        ("2024-02-29T12:00:00+0200", "is not RFC 3339"),
        ("2024-02-29T12:00:00+02", "is not RFC 3339"),
        ("2024-02-29_12:00:00Z", "is not RFC 3339"),
        ("٢٠٢٤-02-29T12:00:00Z", "is not RFC 3339"),
        (" 2024-02-29T12:00:00Z", "is not RFC 3339"),
        ("2024-02-29T12:00:00Z\n", "is not RFC 3339"),
        ("2023-02-29T12:00:00Z", "not a date of the calendar"),
        ("2024-13-01T12:00:00Z", "not a date of the calendar"),
        ("2024-00-01T12:00:00Z", "not a date of the calendar"),
        ("2024-04-31T12:00:00Z", "not a date of the calendar"),
        ("2024-04-00T12:00:00Z", "not a date of the calendar"),
        ("2024-02-29T24:00:00Z", "not a time of day"),
        ("2024-02-29T12:60:00Z", "not a time of day"),
        ("2024-02-29T23:59:60Z", "not a time of day"),
        ("2024-02-29T12:00:00+24:00", "impossible offset"),
        ("2024-02-29T12:00:00-01:60", "impossible offset"),
        ("1969-12-31T23:59:59Z", "before 1970"),
        ("1970-01-01T00:30:00+01:00", "before 1970"),
        ("0000-01-01T00:00:00Z", "before 1970"),
        ("1709208000000", "in quotes"),
        (-1, "before 1970"),
        (LAST + 1, "past the year 9999"),
        (10**300, "past the year 9999"),
    ],
)
def test_what_is_no_time_is_refused_and_explained(value: str | int, said: str) -> None:
    assert parse([value]).tolist() == [BAD]
    assert parse([value, "2024-02-29T12:00:00Z", 0]).tolist() == [BAD, 1_709_208_000_000, 0]
    assert said in explain(value)


def test_leap_years_follow_the_calendar() -> None:
    column = ["2000-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2096-02-29T00:00:00Z", "9999-12-31T23:59:59.999Z"]
    assert parse(column).tolist() == [951_782_400_000, BAD, 3_981_312_000_000, LAST]
