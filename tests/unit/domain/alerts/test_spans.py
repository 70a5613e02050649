from __future__ import annotations

import pytest

from stream_app.domain.alerts import spans


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("3d", 259_200), ("2w", 1_209_600), (" 1 d ", 86_400), ("1s", 1)],
)
def test_spans(text: str, seconds: int):
    assert spans.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "d", "0d", "-1d", "1.5h", "3days", "1y", "1M", "1d 2h", "9999999d", "١d"])
def test_what_is_no_span_is_said(text: str):
    with pytest.raises(ValueError, match="must be a span such as 90s"):
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
    ],
)
def test_rates(text: str, expected: tuple[float, float]):
    assert spans.rate(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "1", "per year", "0 per year", "-1 per year", "1 per", "1 per decade", "1/year"])
def test_what_is_no_rate_is_said(text: str):
    with pytest.raises(ValueError, match="must be a number per day, week, month, quarter, year or span"):
        spans.rate(text)


@pytest.mark.parametrize("text", ["", "3", "3 of 20", "0 in 20", "21 in 20", "3 in x", "-1 in 3"])
def test_what_is_no_share_of_cells_is_said(text: str):
    with pytest.raises(ValueError, match="such as 3 in 20"):
        spans.some_of(text)
