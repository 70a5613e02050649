"""Orders: each once, the later and then the larger of what differs, conflicts remembered, in any order of arrival."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from stream_app.domain.events import EventBatch, Kind
from stream_app.domain.orders import CONFLICT, OrderTable, digests_of

#: user, order id (or a refund's event id), time, amount
Sale = tuple[int, str, int, int]


def batch_of(sales: list[Sale], visits: int = 0) -> EventBatch:
    kinds = [Kind.REFUND if amount < 0 else Kind.PURCHASE for *_, amount in sales] + [Kind.VISIT] * visits
    nothing: list[Any] = [None] * visits
    return EventBatch(
        [b"u%d" % user for user, *_ in sales] + [b"v"] * visits,
        np.array([time for _, _, time, _ in sales] + [0] * visits, np.int64),
        np.array(kinds, np.int8),
        [name if amount < 0 else f"e{number}" for number, (_, name, _, amount) in enumerate(sales)] + ["e"] * visits,
        np.zeros(len(kinds), np.int32),
        [()],
        [("o-of-refund" if amount < 0 else name) for _, name, _, amount in sales] + nothing,
        np.array([amount for *_, amount in sales] + [0] * visits, np.int64),
    )  # fmt: skip


def join(table: OrderTable, sales: list[Sale], visits: int = 0) -> OrderTable:
    table.join(np.array([user for user, *_ in sales] + [99] * visits, np.int64), batch_of(sales, visits))
    return table


def kept(table: OrderTable, users: int = 10) -> list[tuple[int, int, int, bool]]:
    orders = table.arranged().part(0, users)
    return list(zip(*(column.tolist() for column in orders), strict=True))


def plain(sales: list[Sale]) -> list[tuple[int, int, int, bool]]:
    """The same, event by event."""
    forms: dict[tuple[int, str, bool], set[tuple[int, int]]] = {}
    for user, name, time, amount in sales:
        forms.setdefault((user, name, amount < 0), set()).add((time, amount))
    return sorted((key[0], *max(met), len(met) > 1 and not key[2]) for key, met in forms.items())


def test_an_order_sent_again_is_one_order():
    table = join(OrderTable(), [(1, "a", 10, 500), (1, "a", 10, 500)], visits=3)
    join(table, [(1, "a", 10, 500)])
    assert kept(table) == [(1, 10, 500, False)]


def test_of_differing_purchases_the_later_wins_then_the_larger_and_the_conflict_is_remembered():
    sales = [(1, "a", 10, 900), (1, "a", 20, 100), (1, "a", 20, 300), (2, "b", 5, 1), (2, "b", 5, 1)]
    for order in permutations(sales):
        table = OrderTable()
        for one in order:
            join(table, [one])
        assert kept(table) == kept(join(OrderTable(), list(order))) == [(1, 20, 300, True), (2, 5, 1, False)]


def test_a_refund_is_one_by_its_event_and_never_a_conflict():
    sales = [(1, "r", 10, -5), (1, "r", 10, -5), (1, "s", 10, -5), (1, "r", 11, -9), (1, "r", 10, 700)]
    assert kept(join(OrderTable(), sales)) == [(1, 10, -5, False), (1, 10, 700, False), (1, 11, -9, False)]


def test_ids_are_each_users_own():
    assert kept(join(OrderTable(), [(1, "a", 1, 5), (2, "a", 1, 7)])) == [(1, 1, 5, False), (2, 1, 7, False)]


def test_a_part_has_its_users_orders_by_user_and_time_counted_from_its_start():
    table = join(OrderTable(), [(5, "x", 3, 1), (4, "y", 9, 2), (5, "z", 1, 3), (6, "w", 0, 4)])
    orders = table.arranged().part(4, 6)
    assert (orders.users.tolist(), orders.times.tolist(), orders.amounts.tolist()) == ([0, 1, 1], [9, 1, 3], [2, 3, 1])
    assert kept(OrderTable()) == []


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_a_dictionary_gives_whatever_the_order_and_the_batches(seed):
    random_ = random.Random(seed)
    sales = [
        (random_.randrange(4), random_.choice("abcdef"), random_.randrange(3), random_.choice((-7, -3, 0, 5, 9)))
        for _ in range(60)
    ]
    expected = plain(sales)
    sales += random_.choices(sales, k=20)
    random_.shuffle(sales)
    table = OrderTable()
    while sales:
        size = random_.randrange(1, 15)
        join(table, sales[:size], visits=random_.randrange(2))
        sales = sales[size:]
    assert sorted(kept(table)) == expected


@pytest.mark.parametrize("seed", range(10))
def test_what_is_restored_is_what_was_taken_and_goes_on_the_same(seed):
    """Only what changed is taken; a table made of all that was taken, the latest form last, is the same table."""
    random_ = random.Random(seed)
    table, log = OrderTable(), {}
    everything: list[Sale] = []
    for _ in range(6):
        sales = [(random_.randrange(3), random_.choice("abc"), random_.randrange(9), random_.choice((-1, 4, 6)))
                 for _ in range(random_.randrange(6))]  # fmt: skip
        join(table, sales)
        everything += sales
        names, places = table.take_dirty()
        assert names == [b"u%d" % user for user in table.users[places].tolist()]
        for place, digest in zip(places.tolist(), table.digests(places).tolist(), strict=True):
            refund = bool(table.flags[place] & 1)
            log[(int(table.users[place]), refund, *digest)] = (
                int(table.times[place]), int(table.amounts[place]), bool(table.flags[place] & CONFLICT)
            )  # fmt: skip
        assert table.take_dirty()[0] == []
        join(table, sales)
        assert table.take_dirty()[0] == []  # nothing new in it
    again = OrderTable()
    columns = [np.array(column) for column in zip(*(k + v for k, v in log.items()), strict=True)]
    if columns:
        users, refunds, low, high, times, amounts, conflicts = columns
        again.restore(users, refunds, np.stack([low, high], axis=1).astype(np.uint64), times, amounts, conflicts)
    assert sorted(kept(again)) == sorted(kept(table)) == plain(everything)
    assert again.take_dirty()[0] == []


def test_what_is_restored_to_be_written_again_is_dirty():
    table = OrderTable()
    table.restore(
        np.array([3]), np.array([False]), digests_of(["a"]), np.array([1]), np.array([2]), np.array([True]), [b"u3"]
    )
    assert table.take_dirty()[0] == [b"u3"]
    assert kept(table) == [(3, 1, 2, True)]


def test_digests_are_stored_and_must_never_change():
    found = [[f"{half:016x}" for half in row] for row in digests_of(["", "a", "order-17", "ö" * 20, "\ud800"]).tolist()]
    assert found == PINNED


PINNED = [
    ["d0bd7ff386ad0729", "f93f73298a651f85"],
    ["42f5180ea7bf9b6f", "153d636e5b322cc8"],
    ["456f9886ffdaf1b9", "1efb4b20f1422c58"],
    ["57ded587f73577dc", "338988c10abc9c70"],
    ["6de3843a3c28a13c", "540617516dfeeb02"],
]


def test_an_order_takes_about_fifty_bytes():
    table = OrderTable()
    count = 100_000
    batch = batch_of([(0, f"{n}", 1, 2) for n in range(count)])
    table.join(np.arange(count), batch)
    table.take_dirty()
    assert table.nbytes / count < 56
