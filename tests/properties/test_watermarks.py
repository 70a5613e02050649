"""The watermark never goes back, never passes the clock, and never passes what a busy source has shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.watermarks import Progress, watermark

steps = st.lists(
    st.tuples(st.lists(st.tuples(st.none() | st.integers(-50, 1000), st.booleans()), max_size=4), st.integers(0, 200)),
    max_size=12,
)


@given(steps, st.integers(0, 100))
def test_it_only_moves_forward_and_stays_behind_the_clock(
    steps: list[tuple[list[tuple[int | None, bool]], int]], lateness: int
) -> None:
    now, reached = 0, None
    for sources, passed in steps:
        now += passed
        progress = [Progress(last_event, idle) for last_event, idle in sources]
        moved = watermark(progress, lateness=lateness, now=now, previous=reached)
        if reached is not None:
            assert moved is not None
            assert moved >= reached
        if moved is not None:
            assert moved <= now
        if moved != reached:
            busy = [p.last_event for p in progress if not p.idle]
            assert all(last is not None and moved <= last - lateness for last in busy)
            assert moved <= max(p.last_event for p in progress if p.last_event is not None) - lateness
        reached = moved


@given(st.lists(st.integers(0, 1000), min_size=1), st.integers(0, 50))
def test_it_is_the_least_over_busy_sources(times: list[int], lateness: int) -> None:
    busy = [Progress(time, idle=False) for time in times]
    idle = [Progress(None, idle=True), Progress(-1, idle=True)]
    assert watermark([*idle, *busy], lateness=lateness, now=10**6) == min(times) - lateness
    resting = [Progress(time, idle=True) for time in times]
    assert watermark(resting, lateness=lateness, now=10**6) == max(times) - lateness
    assert watermark([*busy, Progress(None, idle=False)], lateness=lateness, now=10**6, previous=7) == 7
