"""Which segments an answer shows: those of the users whom the figure is of."""

from __future__ import annotations

from typing import Any

import pytest
from support.population import figure

DAY = 86_400_000


def event(user: str, kind: str, plan: str, day: int, amount: int = 0) -> dict[str, Any]:
    return {"user": user, "time": day * DAY, "kind": kind, "segment": {"plan": plan}, "amount": amount}


EVENTS = [
    event("buys", "purchase", "paid", 1, 500),
    event("looks", "visit", "free", 1),
    event("looks too", "visit", "free", 2),
    event("was paid back", "refund", "left", 1, -200),
]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("retention", ["paid"]),
        ("survival", ["paid"]),
        ("value", ["left", "paid"]),
        ("churn", ["free"]),
        ("crr", ["free"]),
        ("lifecycle", ["free"]),
        ("stickiness", ["free"]),
        ("concentration", ["free", "left", "paid"]),
    ],
)
def test_a_segment_is_shown_where_the_figure_is_of_its_users(name: str, shown: list[str]) -> None:
    given = {"figure": name, "start": "purchase", "return": "visit", "segment": "plan"}
    answer = figure(given, EVENTS, dimensions=("plan",), watermark=400 * DAY)
    assert [entry["segment"]["plan"] for entry in answer["segments"]] == shown


def test_segments_add_up_to_all_users() -> None:
    given = {"figure": "value", "definition": "repurchase"}
    (everybody,) = figure(given, EVENTS, dimensions=("plan",), watermark=400 * DAY)["segments"]
    parts = figure(given | {"segment": "plan", "top": "1"}, EVENTS, dimensions=("plan",), watermark=400 * DAY)[
        "segments"
    ]
    assert sum(part["totals"]["revenue"] for part in parts) == everybody["totals"]["revenue"] == 300
