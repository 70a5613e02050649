"""Watermarks by example; what always holds is a property test."""

from __future__ import annotations

import pytest

from stream_app.domain.watermarks import Progress, watermark

NOW = 10_000


@pytest.mark.parametrize(
    ("sources", "previous", "expected"),
    [
        ([], None, None),
        ([], 5, 5),
        ([(None, False)], None, None),
        ([(None, True)], None, None),  # nothing but silence: it stands still
        ([(None, True)], 7, 7),
        ([(1000, False)], None, 900),
        ([(1000, False), (3000, False)], None, 900),
        ([(1000, True), (3000, False)], None, 2900),  # an idle one does not hold the others back
        ([(1000, True), (3000, True)], None, 2900),  # all idle: the one that came furthest
        ([(1000, False), (None, False)], None, None),  # not fully read and nothing seen: anything may come
        ([(1000, False), (None, True)], None, 900),
        ([(1000, False)], 950, 950),
        ([(1000, False)], 800, 900),
        ([(NOW + 500, False)], None, NOW),  # never past the clock
        ([(NOW + 50, False)], None, NOW - 50),
        ([(-500, False)], None, -600),
    ],
)
def test_the_watermark(sources, previous, expected):
    progress = [Progress(last_event, idle) for last_event, idle in sources]
    assert watermark(progress, lateness=100, now=NOW, previous=previous) == expected
