"""`amount` to minor units, exactly: the digits as they were sent, never through a float."""

from __future__ import annotations

import re

import msgspec

#: The largest amount taken, in minor units: 9,000 of them still add up within int64.
LARGEST = 10**15
_LONGEST = 64
# Numbers and strings share one form; the exponent is JSON's. Longer digits than these are refused by _LONGEST.
_NUMBER = re.compile(rb"([+-]?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?")
_text = msgspec.json.Decoder(str).decode


class AmountError(ValueError):
    """An amount is not one; the message is the end of a sentence that begins with the value."""


class AmountTypeError(AmountError):
    """An amount is neither a number nor a string."""


def minor_units(raw: bytes, digits: int) -> int:
    """The amount of a JSON number or string in minor units of a currency with `digits` decimals.

    >>> minor_units(b"12.34", 2), minor_units(b'"-0.5"', 2), minor_units(b"1.5e3", 2)
    (1234, -50, 150000)

    Raises:
        AmountTypeError: `raw` is neither a number nor a string.
        AmountError: the text is not a decimal number, has more decimals than the currency, or is too large.
    """
    head, _, tail = raw.partition(b".")
    if len(tail) == digits and len(raw) < 16 and head.isdigit() and tail.isdigit():
        return int(head + tail)  # what nearly all amounts look like
    text = raw
    if raw[:1] == b'"':
        try:
            text = raw[1:-1] if b"\\" not in raw else _text(raw).encode()
        except ValueError:
            text = b""
    elif not raw[:1].isdigit() and raw[:1] != b"-":
        raise AmountTypeError("is neither a number nor a string; send a decimal number of major units")
    match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    if match is None:
        raise AmountError("is not a decimal number; send major units with a point, such as 12.34")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or b"", match[4]
    value: int = int(whole + fraction)
    shift = digits - len(fraction) + (int(exponent) if exponent else 0)
    if value == 0:
        return 0
    if shift >= 0:
        # 10**16 is past the largest already: no need to build a number with hundreds of digits.
        value *= 10 ** min(shift, 16)
    else:
        value, rest = divmod(value, 10**-shift)
        if rest:
            raise AmountError(f"has more decimals than the currency's {digits}; round it where it is made")
    if value > LARGEST:
        raise AmountError("is too large to be an amount; send major units of the currency")
    return -value if sign == b"-" else value
