import json
from pathlib import Path

import numpy as np
import pytest

from stream_app.domain.metrics.kaplan_meier import kaplan_meier

EXAMPLES = {
    example["id"]: example
    for example in json.loads((Path(__file__).parents[3] / "data" / "worked_examples.json").read_text())
}


def estimate(lives):
    """Of (day, 1 for an event and 0 for last seen) of each user."""
    days = sorted({day for day, _ in lives})
    died, censored = ([sum(life == (day, event) for life in lives) for day in days] for event in (1, 0))
    return kaplan_meier(np.array(days, np.int64), np.array(died, np.int64), np.array(censored, np.int64))


def test_worked_example():
    example = EXAMPLES["kaplan_meier_5"]
    found = estimate(list(zip(example["T"], example["E"], strict=True)))

    for day, survival in example["S"].items():
        last = [s for d, s in zip(found["days"], found["survival"], strict=True) if d <= int(day)][-1]
        assert last == pytest.approx(survival, abs=1e-15)
    assert (found["size"], found["events"], found["censored"]) == (5, 3, 2)
    assert found["median"] == 30


def test_who_is_last_seen_on_a_day_was_at_risk_on_it():
    found = estimate([(3, 1), (3, 0), (3, 0), (7, 1)])

    assert found["days"] == [3, 7]
    assert found["at_risk"] == [4, 1]
    assert found["survival"] == [0.75, 0.0]


def test_days_without_an_event_are_not_listed_but_count():
    found = estimate([(0, 0), (2, 1), (4, 0), (5, 1), (9, 0)])

    assert (found["days"], found["at_risk"], found["died"]) == ([2, 5], [4, 2], [1, 1])


def test_bounds_are_those_of_the_exponential_greenwood_formula():
    # lifelines 0.30.3: KaplanMeierFitter().fit([1, 2, 2, 3, 0], [1, 1, 0, 1, 0]).confidence_interval_
    found = estimate([(1, 1), (2, 1), (2, 0), (3, 1), (0, 0)])

    assert found["low"] == pytest.approx([0.127947, 0.057847, 0.0], abs=5e-7)
    assert found["high"] == pytest.approx([0.960549, 0.844861, 0.0], abs=5e-7)


def test_the_median_is_the_first_day_by_which_half_are_gone_without_rounding():
    # 10 * 9 * ... / ... of steps that no float holds; the product is one half exactly, on day 5.
    assert estimate([(day, 1) for day in range(1, 11)])["median"] == 5
    assert estimate([(day, 1) for day in range(1, 7)] + [(40, 0)] * 6)["median"] == 6
    for half in range(1, 200):
        assert estimate([(day, 1) for day in range(1, half + 1)] + [(400, 0)] * half)["median"] == half


def test_there_is_no_median_where_more_than_half_are_left():
    assert estimate([(1, 1), (2, 0), (2, 0)])["median"] is None


def test_nobody():
    assert estimate([]) == {
        "size": 0, "events": 0, "censored": 0, "median": None,
        "days": [], "at_risk": [], "died": [], "survival": [], "low": [], "high": [],
    }  # fmt: skip
