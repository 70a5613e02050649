"""`amount`: exact, from the digits as they were sent."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.codecs.amounts import LARGEST, AmountError, AmountTypeError, minor_units


@given(st.integers(-LARGEST, LARGEST), st.integers(0, 4), st.booleans(), st.integers(0, 5))
def test_every_amount_comes_back_to_the_minor_unit(minor: int, digits: int, quoted: bool, zeros: int) -> None:
    text = f"{Decimal(minor).scaleb(-digits):f}"
    text += ("" if "." in text else ".") + "0" * (zeros + 1)
    raw = f'"{text}"' if quoted else text
    assert minor_units(raw.encode(), digits) == minor


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), st.integers(0, 3))
def test_amounts_equal_decimal_arithmetic(value: Decimal, digits: int) -> None:
    scaled = value.scaleb(digits) if value else value
    exact = scaled == scaled.to_integral_value() and abs(scaled) <= LARGEST
    try:
        got = minor_units(f'"{value}"'.encode(), digits)
    except AmountError:
        assert not exact or len(str(value)) > 60
    else:
        assert got == scaled


@pytest.mark.parametrize(
    ("raw", "minor"),
    [
        (b"12.34", 1234),
        (b'"12.34"', 1234),
        (b'"+12.34"', 1234),
        (b'"\\u0031.50"', 150),
        (b"0.1", 10),
        (b"-0.00", 0),
        (b"0e999", 0),
        (b"1e2", 10_000),
        (b"1.5E-1", 15),
        (b"12.3400000", 1234),
        (b"29.99", 2999),
        (b"1.15", 115),
        (b"10000000000000", LARGEST),
    ],
)
def test_numbers_and_strings_are_read_exactly(raw: bytes, minor: int) -> None:
    assert minor_units(raw, 2) == minor


@pytest.mark.parametrize("raw", [b"true", b"false", b"{}", b"[1]", b"NaN", b"Infinity", b"-Infinity"[1:]])
def test_what_is_neither_number_nor_string_has_the_wrong_type(raw: bytes) -> None:
    with pytest.raises(AmountTypeError, match="neither a number nor a string"):
        minor_units(raw, 2)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'""', "not a decimal number"),
        (b'"NaN"', "not a decimal number"),
        (b'"-inf"', "not a decimal number"),
        (b'"1,234.50"', "not a decimal number"),
        (b'"1_000"', "not a decimal number"),
        (b'" 1 "', "not a decimal number"),
        (b'"12 USD"', "not a decimal number"),
        (b'".5"', "not a decimal number"),
        (b'"0x10"', "not a decimal number"),
        ('"١٢"'.encode(), "not a decimal number"),
        (b'"\xff"', "not a decimal number"),
        (b'"\\ud800"', "not a decimal number"),
        (b"-Infinity", "not a decimal number"),
        (b"9" * 5000, "not a decimal number"),
        (b"1e9999999999", "not a decimal number"),
        (b"12.345", "more decimals"),
        (b"1e-3", "more decimals"),
        (b"1e-999", "more decimals"),
        (b"10000000000000.01", "too large"),
        (b"1e999", "too large"),
        (b"-1e18", "too large"),
    ],
)
def test_what_is_no_amount_is_refused_and_explained(raw: bytes, said: str) -> None:
    with pytest.raises(AmountError, match=said):
        minor_units(raw, 2)


def test_the_currency_decides_how_many_decimals_there_are() -> None:
    assert minor_units(b"500", 0) == 500
    assert minor_units(b"1.234", 3) == 1234
    with pytest.raises(AmountError, match="currency's 0"):
        minor_units(b"1.5", 0)
