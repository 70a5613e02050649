import json
from pathlib import Path

import numpy as np
import pytest

from stream_app.domain.metrics.mean import mean_of, nullable
from stream_app.domain.metrics.wilson import wilson

EXAMPLES = {
    example["id"]: example
    for example in json.loads((Path(__file__).parents[3] / "data" / "worked_examples.json").read_text())
}


def of_one_index(cohorts, mean):
    sizes, retained = (np.array([[cohort[name]] for cohort in cohorts]) for name in ("size", "retained"))
    return mean_of(retained, sizes, np.ones(sizes.shape, bool), mean)


@pytest.mark.parametrize(
    "name", ["weighted_vs_simple_mean", "mean_keeps_zero_rate_cohorts", "mean_drops_empty_cohorts"]
)
def test_worked_examples(name):
    example = EXAMPLES[name]
    for mean in ("simple", "weighted"):
        assert of_one_index(example["cohorts"], mean)["rate"] == [pytest.approx(example[mean], abs=1e-15)]


def test_only_observed_cells_count():
    mean = mean_of(
        np.array([[4, 3, 2], [6, 1, 0], [2, 0, 0]]),
        np.array([[4, 4, 4], [6, 6, 6], [2, 2, 2]]),
        np.array([[True, True, False], [True, True, False], [True, False, False]]),
    )

    assert mean["rate"] == [1.0, 0.4, None]
    assert mean["users"] == [12, 10, 0]
    assert mean["cohorts"] == [3, 2, 0]
    assert mean["low"][2] is mean["high"][2] is None


def test_the_simple_mean_has_no_interval():
    mean = of_one_index([{"size": 10, "retained": 2}, {"size": 100, "retained": 0}], "simple")

    assert mean == {"rate": [0.1], "low": [None], "high": [None], "users": [110], "cohorts": [2]}


@pytest.mark.parametrize("mean", ["weighted", "simple"])
def test_rows_of_empty_cohorts_and_the_order_of_rows_change_no_digit(mean):
    chance = np.random.default_rng(7)
    sizes = chance.integers(1, 50, (40, 1))
    retained, observed = chance.integers(0, sizes, (40, 9)), chance.random((40, 9)) < 0.7
    once = mean_of(retained, sizes, observed, mean)
    rows = chance.permutation(80) % 40
    seen = np.isin(np.arange(80), np.unique(rows, return_index=True)[1])[:, None]

    again = mean_of(retained[rows], np.where(seen, sizes[rows], 0), np.asfortranarray(observed[rows]), mean)

    assert again == once


def test_a_mean_of_no_cohorts_is_empty():
    none = np.zeros((0, 0), np.int64)

    assert mean_of(none, none, none.astype(bool)) == {"rate": [], "low": [], "high": [], "users": [], "cohorts": []}


def test_what_is_not_shown_is_null_and_the_rest_are_python_numbers():
    values = nullable(np.array([[1, 0], [2, 3]]), np.array([[True, True], [False, True]]))

    assert json.dumps(values) == "[[1, 0], [null, 3]]"


def test_the_wilson_interval_of_published_examples():
    # R. G. Newcombe in Statistics in Medicine 17 (1998), p. 861, method 3.
    low, high = wilson(np.array([81, 15, 0, 1]), np.array([263, 148, 20, 29]))

    assert low.round(4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert high.round(4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]


def test_the_wilson_interval_of_none_and_of_all_ends_exactly_there():
    of = np.arange(1, 3000)
    assert (wilson(np.zeros_like(of), of)[0] == 0).all()
    assert (wilson(of, of)[1] == 1).all()


def test_the_wilson_interval_lies_within_0_to_1_and_around_the_share():
    of = np.repeat(np.arange(1, 60), np.arange(2, 61))
    hits = np.concatenate([np.arange(n + 1) for n in range(1, 60)])
    low, high = wilson(hits, of)

    assert (low >= 0).all()
    assert (high <= 1).all()
    assert ((low <= hits / of) & (hits / of <= high)).all()
