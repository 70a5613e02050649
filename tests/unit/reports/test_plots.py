"""The pictures of answers: every figure has one, what is written on it, and that no answer breaks it."""

from __future__ import annotations

import doctest
import re
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import pytest
from support.answers import NAMES, answer, empty

from stream_app.reports import plots
from stream_app.reports.drawing import lines

SEGMENTS = [{"plan": name} for name in ("pro", "free", "(none)", "(other)")]


def written(found: dict) -> list[str]:
    """The texts on a picture: its SVG has each as a comment before its glyphs."""
    return [text.strip() for text in re.findall(r"<!--(.*?)-->", plots.svg(found).decode())]


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("figure", NAMES)
def test_every_figure_has_a_picture_that_fits_a_chat(figure):
    width, height = size(plots.png(answer(figure)))
    assert width == 1650
    assert 300 < height < 1900


@pytest.mark.parametrize("figure", NAMES)
def test_a_picture_says_what_it_is_of(figure):
    texts = written(answer(figure))
    assert texts.count(f"repurchase: {TITLES[figure]}") == 1
    assert "time zone UTC, as of 1997-04-01T00:00:00Z" in texts


TITLES = {
    "retention": "retention, by month",
    "churn": "customers active and churned, by day",
    "lifecycle": "life cycle of users, by month",
    "crr": "customers kept and lost, by month",
    "stickiness": "stickiness, by day",
    "value": "value of customers, by month",
    "survival": "survival of customers, by month",
    "concentration": "share of the top 10 % of users, by month",
}


@pytest.mark.parametrize("figure", NAMES)
def test_every_segment_is_named(figure):
    texts = written(answer(figure, *SEGMENTS))
    assert {"pro", "free", "(none)", "(other)"} <= set(texts)
    assert any("by plan" in text for text in texts)


@pytest.mark.parametrize("figure", NAMES)
def test_more_than_eight_segments_are_left_out_and_said_to_be(figure):
    texts = written(answer(figure, *({"plan": f"p{number}"} for number in range(12))))
    assert any("the first 8 of 12 segments" in text for text in texts)
    assert "p7" in texts
    assert "p8" not in texts


@pytest.mark.parametrize("figure", NAMES)
def test_an_answer_of_nothing_is_drawn_too(figure):
    assert any("there are no events" in text for text in written(empty(figure)))
    assert size(plots.png(answer(figure, segments=[])))


@pytest.mark.parametrize("figure", NAMES)
def test_the_same_answer_gives_the_same_bytes(figure):
    assert plots.svg(answer(figure, *SEGMENTS)) == plots.svg(answer(figure, *SEGMENTS))


@pytest.mark.parametrize("figure", NAMES)
def test_values_are_data_and_no_markup(figure):
    texts = written(
        answer(figure, {"plan": "$5-$10 \\frac{"}, {"plan": "日本"}, {"plan": "_x\x1b\x00"}, {"plan": "p" * 90})
    )
    assert "$5-$10 \\frac{" in texts
    assert f"{'p' * 25}…" in texts


@pytest.mark.parametrize("figure", ["retention", "lifecycle", "value"])
@pytest.mark.parametrize("grain", ["hour", "day", "week", "month", "quarter", "half-year"])
def test_every_grain_is_drawn(figure, grain):
    found = answer(figure, grain=grain)
    if grain == "hour":
        for row in [row for rows in ("cohorts", "periods") for row in found["segments"][0].get(rows, [])]:
            row["start"] = f"{row['start']}T05:00+02:00"
    assert any(text.endswith(f", by {grain}") for text in written(found))


def test_cells_of_retention_are_told_and_unobserved_ones_are_blank():
    texts = written(answer("retention"))
    assert {"25.0", "0.0", "100.0", "200", "1997-01", "1997-02"} <= set(texts)
    assert "1997-03" not in texts  # nobody is in it


def test_retention_of_many_cohorts_shows_the_latest_ones_and_a_scale():
    found = answer("retention", grain="day")
    entry = found["segments"][0]
    days = [f"1997-{month:02}-{day:02}" for month in (1, 2, 3) for day in range(1, 29)]
    entry["cohorts"] = [
        {"start": day, "size": 50, "retained": [50, *[number % 9] * 80]} for number, day in enumerate(days)
    ]
    entry["mean"] = {name: [0.5] * 81 for name in ("rate", "low", "high", "users", "cohorts")}
    texts = written(found)
    assert any("the latest 60 of 84 cohorts" in text and "darkest: 16 % or more" in text for text in texts)
    assert days[-1] in texts
    assert days[23] not in texts


def test_rolling_retention_is_shown_as_biased():
    assert any("the end is biased down" in text for text in written(answer("retention", kind="rolling")))
    assert not any("biased" in text for text in written(answer("retention")))


def test_retention_by_brackets_is_named_by_their_periods():
    found = answer(
        "retention", kind="bracket", brackets=[{"from": 1, "to": 1}, {"from": 2, "to": 4}, {"from": 5, "to": 9}]
    )
    assert {"1", "2-4", "5-9"} <= set(written(found))


def test_survival_tells_the_median_and_the_size():
    assert "all 5 customers, 95 % interval; median 30 days" in written(answer("survival"))


def test_rates_of_crr_are_named_by_their_last_known_value():
    found = answer("crr")
    found["segments"][0]["periods"].append(found["segments"][0]["periods"][0] | {"start": "1997-03-01"})
    assert {"CRR 75 %", "kept 70 %", "churn 30 %"} <= set(written(found))


def test_the_window_fills_only_where_the_first_activity_is_shown():
    assert "the window fills" not in written(answer("stickiness", window=2) | later())
    assert "the window fills" in written(answer("stickiness", window=2))


def later() -> dict:
    """A change of an answer: its days begin after the first activity."""
    found = answer("stickiness")["segments"][0]
    return {"segments": [found | {"days": found["days"][1:2] * 3}]}


def test_pictures_can_be_asked_for_from_several_threads_at_once():
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(plots.svg, [answer(name) for name in NAMES for _ in range(2)]))
    assert found[::2] == found[1::2]


def test_revenue_that_was_paid_back_is_below_zero():
    found = answer("value", *SEGMENTS)
    for entry in found["segments"]:
        entry["periods"][1] |= {"nrr": -0.5, "revenue": -20000}
    texts = written(found)
    assert any(re.fullmatch(r"-\d+", text) for text in texts)
    assert any(re.fullmatch(r"-\d+ %", text) for text in texts)


def test_the_examples_of_names_at_lines_hold():
    assert doctest.testmod(lines).failed == 0


def test_a_picture_does_not_follow_the_users_own_settings():
    before = plots.svg(answer("lifecycle"))
    with mpl.rc_context({"axes.facecolor": "black", "font.size": 20, "axes.prop_cycle": mpl.cycler(color="r")}):
        assert plots.svg(answer("lifecycle")) == before
        assert mpl.rcParams["font.size"] == 20
