"""docs/alerts/life-cycle.md names every state, health, reason and field of a change, in their order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stream_app.domain.alerts import Change, Health, Reason, State
from stream_app.domain.alerts.rule import STREAM_ALERTS

PAGE = (Path(__file__).parents[4] / "docs/alerts/life-cycle.md").read_text("utf-8")


def named(heading: str) -> list[str]:
    """What the first column of the table below a heading names."""
    below = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line for line in below.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


@pytest.mark.parametrize(
    ("heading", "expected"),
    [
        ("States", list(State)),
        ("Health", list(Health)),
        ("The event stream", list(STREAM_ALERTS)),
        ("A change", list(Change.__dataclass_fields__)),
        ("Reasons", list(Reason)),
    ],
)
def test_the_table_is_whole(heading, expected):
    assert sorted(named(heading)) == sorted(map(str, expected))
