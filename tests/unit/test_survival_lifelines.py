"""Survival beside lifelines, which knows nothing of this project: curves, intervals and medians of the same lives."""

from __future__ import annotations

import random
from typing import Any

import lifelines
import pytest
from oracle.survival import curve
from support.population import figure

pytestmark = pytest.mark.filterwarnings("ignore")

DAY = 86_400_000
LAST = 400


def fitted(lives: list[tuple[int, bool]]) -> dict[str, Any]:
    """What lifelines says of (days, whether the event was seen), on the days with events."""
    fitter = lifelines.KaplanMeierFitter().fit([days for days, _ in lives], [died for _, died in lives])
    table = fitter.event_table
    days = [int(day) for day in table.index[table["observed"] > 0]]
    bounds = fitter.confidence_interval_
    median = fitter.median_survival_time_
    return {
        "size": len(lives),
        "events": sum(died for _, died in lives),
        "censored": sum(not died for _, died in lives),
        "median": None if median == float("inf") else int(median),
        "days": days,
        "at_risk": [int(n) for n in table.loc[days, "at_risk"]],
        "died": [int(n) for n in table.loc[days, "observed"]],
        "survival": pytest.approx(fitter.survival_function_.loc[days, "KM_estimate"].tolist()),
        "low": pytest.approx(bounds.loc[days].iloc[:, 0].tolist(), abs=1e-9),
        "high": pytest.approx(bounds.loc[days].iloc[:, 1].tolist(), abs=1e-9),
    }


def returning(lives: list[tuple[int, bool]]) -> list[dict[str, Any]]:
    """Visits of customers whose first return comes after so many days, or who are watched for so many days."""
    events = []
    for number, (days, died) in enumerate(lives):
        born = (LAST - days) if not died else number % (LAST - days + 1)
        events += [{"user": f"u{number}", "time": day * DAY + 1, "kind": "visit", "event_id": f"{number}-{day}"}
                   for day in (born, born + days)[: 1 + died]]  # fmt: skip
    return events


def silent(lives: list[tuple[int, bool]], window: int) -> list[dict[str, Any]]:
    """Visits of customers who are lost after so many days, or active to the end."""
    events = []
    for number, (days, died) in enumerate(lives):
        born = LAST - days - (number % 3 if died else 0)
        until = days - window if died else days
        events += [{"user": f"u{number}", "time": (born + day) * DAY, "kind": "visit", "event_id": f"{number}-{day}"}
                   for day in range(until + 1)]  # fmt: skip
    return events


def lives_of(seed: int, most: int, least: int = 1) -> list[tuple[int, bool]]:
    rng = random.Random(seed)
    return [(rng.randint(least, most), rng.random() < 0.6) for _ in range(rng.randint(1, 60))]


def in_columns(given: dict[str, str], events: list[dict[str, Any]]) -> dict[str, Any]:
    (entry,) = figure({"figure": "survival", **given}, events, watermark=(LAST + 1) * DAY)["segments"]
    return entry["all"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("seed", range(8))
def test_days_to_the_first_return_are_those_of_lifelines(seed: int) -> None:
    lives = lives_of(seed, (3, 20, 300)[seed % 3])
    assert in_columns({"kind": "return"}, returning(lives)) == {"start": None} | fitted(lives)
    assert curve(None, lives) == {"start": None} | fitted(lives)


@pytest.mark.parametrize("seed", range(4))
def test_days_to_the_first_churn_are_those_of_lifelines(seed: int) -> None:
    lives = lives_of(seed, 40, least=5)
    assert in_columns({"kind": "churn", "window": "5"}, silent(lives, 5)) == {"start": None} | fitted(lives)


def test_the_waltons_example_of_lifelines_docs_has_its_median_of_56() -> None:
    data = lifelines.datasets.load_waltons()
    lives = [(int(days), bool(died)) for days, died in zip(data["T"], data["E"], strict=True)]
    found = in_columns({"kind": "return"}, returning(lives))
    assert (found["size"], found["median"]) == (163, 56)
    assert found == {"start": None} | fitted(lives)


def test_where_all_are_lost_at_once_the_curve_ends_at_zero() -> None:
    lives = [(7, True)] * 3
    assert in_columns({"kind": "return"}, returning(lives)) == {"start": None} | fitted(lives)


def test_where_nobody_is_lost_there_is_no_step_and_no_median() -> None:
    lives = [(9, False)] * 4
    assert in_columns({"kind": "return"}, returning(lives)) == {"start": None} | fitted(lives)
