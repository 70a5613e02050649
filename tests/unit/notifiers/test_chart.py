"""The picture of an alert: what is on it, found by its colours, and what is said to who cannot see it."""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import image
from support.notices import back, closed, curve, fell, later, opened, segments

from stream_app.domain.alerts import Curve, NoticeKind
from stream_app.notifiers.chart import chart

BAD_POINT, BAND, LINE = (0xD4, 0x55, 0x1F), (0xFB, 0xE4, 0xDB), (0x2A, 0x78, 0xD6)


async def drawn(change, of: Curve):
    picture = await chart(opened(change, curve=of))
    return (255 * image.imread(io.BytesIO(picture.png))[:, :, :3]).round().astype(int)


def share(pixels, colour) -> float:
    return float(np.all(np.abs(pixels - np.array(colour)) <= 3, axis=2).mean())


async def test_is_wide_enough_for_a_telephone_and_small_to_send():
    picture = await chart(opened(curve=curve(fell())))
    assert (await drawn(fell(), curve(fell()))).shape == (660, 1200, 3)
    assert len(picture.png) < 100_000


async def test_what_is_bad_since_the_drop_began_is_marked():
    pixels = await drawn(fell(), curve(fell()))
    assert share(pixels, BAD_POINT) > 0.0005
    assert 0.005 < share(pixels, BAND) < 0.05
    assert share(pixels, LINE) > 0.002
    left, right = pixels[:, :900], pixels[:, 900:]
    assert share(left, BAD_POINT) == share(left, BAND) == 0
    assert share(right, BAD_POINT) > 0


async def test_what_is_well_has_no_mark():
    calm = replace(curve(fell()), began=None, threshold=0.1)
    pixels = await drawn(fell(), calm)
    assert share(pixels, BAD_POINT) == share(pixels, BAND) == 0


async def test_what_is_bad_above_is_marked_above():
    rise = replace(curve(fell()), threshold=0.30)
    below = await drawn(fell(), rise)
    above = await drawn(fell(side="above"), rise)
    assert share(below, BAD_POINT) > share(above, BAD_POINT), "the last three are below"


@pytest.mark.parametrize(
    "of",
    [
        Curve({"plan": "pro"}, (("2026-03-01", 0.21, 10),), 0.3, "2026-03-01"),
        Curve({"plan": "pro"}, (("2026-03-01", 0.0, 10), ("2026-03-02", 0.0, 1)), 0.0, None),
        Curve({"plan": "pro"}, (("2026-03-01", 0.2, 10), ("2026-03-02", 0.3, 10_000_000)), None, None),
        Curve({"plan": "pro"}, (("2026-03-01", 0.2, 10), ("2026-03-02", 0.3, 10)), 0.25, "2027-01-01"),
    ],
)
async def test_odd_curves_are_drawn_too(of):
    assert (await drawn(fell(), of)).shape == (660, 1200, 3)


@pytest.mark.parametrize("grain", ["hour", "day", "week", "month", "quarter", "half-year"])
async def test_every_grain_is_drawn(grain):
    assert await chart(opened(fell(grain=grain), curve=curve(fell())))


async def test_names_are_data_and_no_markup():
    odd = fell(segment={"plan": "$x^2$ \x00 <b> 漢字 " * 20}, definition="$y$")
    assert await chart(opened(odd, curve=curve(odd)))


async def test_says_in_words_what_it_shows():
    picture = await chart(opened(curve=curve(fell())))
    assert picture.text == (
        "Day-7 retention of plan = pro by day: 34.0 % at 2026-01-01, 24.0 % at 2026-03-01; the threshold is 30.0 %"
    )


async def test_is_of_the_alert_that_the_curve_is_of():
    one, two = segments(2)
    picture = await chart(opened(one, two, curve=curve(two)))
    assert "country = country-001" in picture.text


async def test_there_is_none_where_there_is_nothing_to_draw():
    assert await chart(opened()) is None
    assert await chart(opened(curve=Curve({"plan": "pro"}, (), 0.3, None))) is None
    assert await chart(opened(curve=curve(fell(segment={"plan": "another"})))) is None
    assert await chart(replace(closed(opened()), standing=(), curve=curve(fell())))
    assert await chart(later(opened(), NoticeKind.REPEATED, curve=curve(back(2, fell()))))


async def test_several_are_drawn_side_by_side_and_the_loop_goes_on():
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    first, second = await asyncio.gather(*(chart(opened(curve=curve(fell()))) for _ in range(2)))
    ticking.cancel()
    assert first == second
    assert ticks > 2
