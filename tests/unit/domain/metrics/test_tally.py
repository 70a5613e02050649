import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_app.domain.metrics.tally import Tally

KEYS = st.tuples(st.integers(0, 3), st.one_of(st.integers(-5, 5), st.integers(-(1 << 40), 1 << 40)), st.integers(-9, 9))
ADDED = st.lists(st.lists(st.tuples(KEYS, st.integers(-1000, 1000)), max_size=12), max_size=8)


def plain(added):
    sums = {}
    for batch in added:
        for key, weight in batch:
            sums[key] = sums.get(key, 0) + weight
    return sorted(sums.items())


def tally_of(added, values):
    tally = Tally(values)
    for batch in added:
        keys = np.array([key for key, _ in batch], np.int64).reshape(len(batch), 3)
        tally.add("cells", list(keys.T), np.array([weight for _, weight in batch], np.int64))
    return tally


def rows(tally):
    cells = tally.of("cells", 3)
    return [(tuple(key), total) for key, total in zip(cells.keys.tolist(), cells.sums.tolist(), strict=True)]


@given(ADDED)
def test_what_is_added_in_any_number_of_parts_is_the_sum_by_key_in_order(added):
    assert rows(tally_of(added, list("abcd"))) == plain(added)


@given(ADDED, ADDED)
def test_merged_tallies_are_the_sum_of_both_by_value(one, other):
    merged = Tally.merged([tally_of(one, ["a", "b", "c", "d"]), tally_of(other, ["d", "x", "a", "y"])])

    assert merged.values == ["a", "b", "c", "d", "x", "y"]
    place = [3, 4, 0, 5]
    moved = [[((place[key[0]], *key[1:]), weight) for key, weight in batch] for batch in other]
    assert rows(merged) == plain([*one, *moved])


@given(ADDED)
def test_asking_in_between_changes_nothing(added):
    tally = Tally(list("abcd"))
    for number, batch in enumerate(added):
        keys = np.array([key for key, _ in batch], np.int64).reshape(len(batch), 3)
        tally.add("cells", list(keys.T), np.array([weight for _, weight in batch], np.int64))
        assert rows(tally) == plain(added[: number + 1])


def test_without_weights_each_key_counts_as_one():
    tally = Tally([""])
    tally.add("cells", [np.zeros(5, np.int64), np.array([3, 1, 3, 3, 1])])

    assert tally.of("cells", 2).keys.tolist() == [[0, 1], [0, 3]]
    assert tally.of("cells", 2).sums.tolist() == [2, 3]
    assert tally.of("others", 2).keys.shape == (0, 2)
