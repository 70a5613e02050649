from __future__ import annotations

import pytest

from stream_app.domain.alerts import spans


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), ("2w", 1_209_600), (" 1 d ", 86_400), ("1s", 1),
        ("1y", 31_536_000), ("1 day", 86_400), ("24 hours", 86_400), ("90 minutes", 5400), ("1 second", 1),
        ("3days", 259_200), ("2 Weeks", 1_209_600), ("6 months", 182.5 * 86_400), ("1 quarter", 91.25 * 86_400),
        ("1 half-year", 182.5 * 86_400), ("2 half years", 31_536_000), ("2 years", 63_072_000),
    ],
)  # fmt: skip
def test_spans(text: str, seconds: float):
    assert spans.seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "3", "d", "day", "0d", "0 days", "-1d", "1.5h", "1D", "1d 2h", "9999999d", "١d", "2 fortnights"]
)
def test_what_is_no_span_is_said(text: str):
    with pytest.raises(ValueError, match="must be a span such as 90s"):
        spans.seconds(text)


@pytest.mark.parametrize(("text", "hint"), [("30min", "minute"), ("2 moths", "month"), ("1 haf-year", "half-year")])
def test_a_unit_that_is_close_to_one_is_told(text: str, hint: str):
    with pytest.raises(ValueError, match=f"did you mean {hint}"):
        spans.seconds(text)


@pytest.mark.parametrize("text", ["1M", "6 mo", "6mon"])
def test_what_may_be_minutes_or_months_is_asked_for(text: str):
    number = text[0]
    with pytest.raises(ValueError, match=f"minutes or of months; write {number} minutes? or {number} months?$"):
        spans.seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 per year", (1, 365)),
        ("0.5 per year", (0.5, 365)),
        ("4 per quarter", (4, 91.25)),
        ("1 per month", (1, 365 / 12)),
        ("2 per week", (2, 7)),
        ("10 per day", (10, 1)),
        ("1 per 90d", (1, 90)),
        ("1 per 12h", (1, 0.5)),
        ("1  per  year", (1, 365)),
        ("1 per 30 days", (1, 30)),
        ("1 per 2 weeks", (1, 14)),
        ("1 per 6 months", (1, 182.5)),
        ("1 per 2 years", (1, 730)),
        ("1 per 10y", (1, 3650)),
        ("1 per half-year", (1, 182.5)),
        ("1 per half year", (1, 182.5)),
        ("1 per hour", (1, 1 / 24)),
        ("1 per 1 year", (1, 365)),
        ("1/year", (1, 365)),
        ("2 / 30 days", (2, 30)),
        ("1 a month", (1, 365 / 12)),
        ("1 an hour", (1, 1 / 24)),
        ("1 every 2 Weeks", (1, 14)),
        ("4 per 30m", (4, 1 / 48)),
    ],
)
def test_rates(text: str, expected: tuple[float, float]):
    assert spans.rate(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["", "1", "per year", "0 per year", "-1 per year", "1 per", "1 per decade", "1per year", "1 per 0d", "1 per 1.5d"],
)
def test_what_is_no_rate_is_said(text: str):
    with pytest.raises(ValueError, match="must be a number per span, such as 1 per year or 2 per 90 days"):
        spans.rate(text)


@pytest.mark.parametrize(
    ("text", "rare", "instead"),
    [
        ("1 per m", False, "minute or month"),
        ("1 per 6M", False, "6 minutes or 6 months"),
        ("1 per 6m", True, "6 minutes or 6 months"),
        ("1 per 1m", True, "1 minute or 1 month"),
    ],
)
def test_a_rate_by_minutes_or_months_is_asked_for(text: str, rare: bool, instead: str):
    with pytest.raises(ValueError, match=f"may be of minutes or of months; write {instead}$"):
        spans.rate(text, rare=rare)


@pytest.mark.parametrize("text", ["", "3", "3 of 20", "0 in 20", "21 in 20", "3 in x", "-1 in 3"])
def test_what_is_no_share_of_cells_is_said(text: str):
    with pytest.raises(ValueError, match="such as 3 in 20"):
        spans.some_of(text)
