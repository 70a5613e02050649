"""Every scenario in its short form. The long one: `python -m tests.faults --long`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faults.rig import Options, Rig
from faults.run import run
from faults.scenarios import SCENARIOS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.kafka, pytest.mark.redis_server]


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A broker with paths to it that can be cut, and a Redis."""
    made = Rig(tmp_path_factory.mktemp("faults"))
    made.start()
    yield made
    made.stop()


@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_is_lost_and_nothing_counted_twice(rig: Rig, name: str) -> None:
    outcome = await run(rig, name, Options())
    assert outcome.good, str(outcome)
