"""What the contenders in Python share finds the same matrix as the benchmark's own plain Python."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import workload
from tests.benchmarks.peers.job import day_number, see


def cells(days):
    state, found = None, Counter()
    for day in days:
        state, changes = see(state, day)
        for cohort, index, more in changes:
            found[cohort, index] += more
    return {cell: users for cell, users in found.items() if users}


@given(st.lists(st.integers(19_000, 19_040), min_size=1))
def test_days_in_any_order_and_any_number_of_times_give_one_cell_each(days):
    assert cells(days) == {(min(days), day - min(days)): 1 for day in days}


def test_a_known_day_leaves_the_very_same_state():
    state, _ = see(None, 19_783)
    assert see(state, 19_783) == (state, [])


def test_days_are_numbered_from_1970():
    assert [day_number("1970-01-01"), day_number("2024-03-01")] == [0, 19_783]


def test_the_workload_has_one_purchase_in_twenty_and_some_orders_twice_under_two_event_ids():
    work = workload.make(20_000, 3_000, seed=7)
    records = list(work.records())
    purchases = [value for topic, _, _, value in records if topic == workload.PURCHASES]
    assert (len(records), len(purchases)) == (20_000, 1_000)
    orders = Counter(value.partition(b'"order_id":')[2].partition(b",")[0] for value in purchases)
    assert sum(orders.values()) - len(orders) == 20
    assert len({value.partition(b'"event_id":')[2].partition(b",")[0] for *_, value in records}) == 20_000


def test_a_users_visits_and_purchases_lie_in_partitions_of_one_number():
    partitions = defaultdict(set)
    for _, partition, key, _ in workload.make(5_000, 200, seed=7).records():
        partitions[key].add(partition)
    assert {len(found) for found in partitions.values()} == {1}
    assert set().union(*partitions.values()) == set(range(workload.PARTITIONS))


def test_the_same_seed_gives_the_same_events_and_a_sample_has_all_events_of_its_users():
    one, again = (workload.make(5_000, 500, seed=3) for _ in range(2))
    assert list(one.records()) == list(again.records())
    sample = one.sample(1_000)
    chosen = set(sample.events.users.tolist())
    assert len(sample) == sum(user in chosen for user in one.events.users.tolist())
