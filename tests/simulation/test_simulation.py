"""The engine's protocol under simulated faults, and the proof that the simulation would see it broken."""

from __future__ import annotations

import pytest

from simulation.schedules import wrong
from simulation.world import Protocol

#: Schedules played here; the long form is `python -m simulation --schedules N` in `tests`.
SCHEDULES = 300
#: Within so many schedules each broken protocol must be found.
FOUND_WITHIN = 300


def test_every_cell_is_right_after_every_schedule() -> None:
    failures = {seed: why for seed in range(SCHEDULES) if (why := wrong(seed))}
    assert not failures, f"replay one with `python -m simulation --seed N`: {failures}"


@pytest.mark.parametrize(
    "protocol",
    [
        pytest.param(Protocol(fencing=False), id="no fencing"),
        pytest.param(Protocol(one_transaction=False), id="the marker apart from its rows"),
        pytest.param(Protocol(resume_at_marker=False), id="acknowledged before the commit"),
    ],
)
def test_a_broken_protocol_is_found(protocol: Protocol) -> None:
    assert any(wrong(seed, protocol) for seed in range(FOUND_WITHIN))
