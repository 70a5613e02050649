"""Outlets: the judge is told when periods close; late events that changed figures of closed periods are told of."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from support.figures import empty

from stream_app import outlets
from stream_app.domain.metrics.snapshot import Corrections
from stream_app.exporters.prometheus import Metrics
from stream_app.outlets import Outlets
from stream_app.web.health import HealthBoard


async def nothing(*_: Any) -> None: ...


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [line for line in caplog.messages if line.startswith("Late events")]


def made() -> tuple[Outlets, Metrics]:
    metrics = Metrics()
    store: Any = SimpleNamespace(publish=nothing)
    rulebook: Any = SimpleNamespace(rules=())
    return Outlets(None, store, metrics, HealthBoard([]), rulebook), metrics  # type: ignore[arg-type]


def counted(metrics: Metrics, definition: str = "engagement") -> float | None:
    return metrics.registry.get_sample_value("stream_app_corrected_cells_total", {"definition": definition})


async def test_corrections_are_counted_from_snapshot_to_snapshot(told):
    one, metrics = made()
    for cells in ({}, {"engagement": 3}, {"engagement": 3}, {"engagement": 5, "repurchase": 1}):
        await one.publish(replace(empty(), corrections=Corrections(cells, since=1)), set())
    assert (counted(metrics), counted(metrics, "repurchase")) == (5, 1)
    assert told() == ["Late events changed cells of closed periods, whose figures are published again (engagement: 3)."]


async def test_what_was_not_told_yet_is_told_later(told, monkeypatch):
    one, _ = made()
    for number in (1, 2, 4):
        await one.publish(replace(empty(), corrections=Corrections({"engagement": number}, since=1)), set())
    monkeypatch.setattr(outlets, "_TOLD_EVERY", 0.0)
    await asyncio.sleep(0)
    await one.publish(replace(empty(), corrections=Corrections({"engagement": 4}, since=1)), set())
    assert [line[-16:-2] for line in told()] == ["(engagement: 1", "(engagement: 3"]


async def test_the_judge_is_told_of_each_quarter_of_an_hour_also_without_rules(monkeypatch):
    announced = []

    async def announce(_: Any, snapshot: Any) -> None:
        announced.append(snapshot.watermark)

    monkeypatch.setattr(outlets.judge, "announce", announce)
    one, _ = made()
    for minute in (None, 0, 1, 14, 15, 29, 75):
        await one.publish(replace(empty(), watermark=None if minute is None else minute * 60_000), set())
    assert announced == [0, 15 * 60_000, 75 * 60_000]


async def test_a_sum_that_begins_anew_counts_from_nothing():
    one, metrics = made()
    await one.publish(replace(empty(), corrections=Corrections({"engagement": 3}, since=1)), set())
    await one.publish(replace(empty(), corrections=Corrections({"engagement": 2}, since=9)), set())
    assert counted(metrics) == 5
