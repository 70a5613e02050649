"""Records of orders: what is written is read back, and never taken for a user's."""

from __future__ import annotations

import pytest
from support.counting import batch_of
from support.engine import CALENDAR, START

from stream_app.codecs import orders as codec
from stream_app.domain.counters import Segments
from stream_app.domain.events import ENGAGEMENT
from stream_app.domain.orders import OrderTable
from stream_app.domain.users import UserTable

#: Ids that end or begin as the tail of a key could.
NAMES = ("a", "b" * 256, "x" * 18, "or" * 9, "ö")


def sale(user: str, order: str, time: int = START, amount: int = 5, kind: str = "purchase") -> dict:
    return {"user": user, "time": time, "kind": kind, "event_id": order, "order_id": order, "amount": amount}


def tables() -> tuple[UserTable, OrderTable]:
    return UserTable((ENGAGEMENT,), CALENDAR, Segments(())), OrderTable()


def taken(*events: dict) -> codec.Records:
    table, orders = tables()
    batch = batch_of(events, ())
    orders.join(table.users_of(batch), batch)
    return codec.encode(orders, *orders.take_dirty())


def kept(orders: OrderTable, users: int) -> list:
    return list(zip(*(column.tolist() for column in orders.arranged().part(0, users)), strict=True))


SALES = [
    *(sale(name, order) for name in NAMES for order in ("1", "2")), sale("a", "1", START + 1, 9),
    sale("a", "1", START, -3, "refund"),
]  # fmt: skip


def test_what_is_written_is_read_back():
    records = taken(*SALES)
    table, orders = tables()
    codec.restore(table, orders, records)
    again, counted = tables()
    batch = batch_of(SALES, ())
    counted.join(again.users_of(batch), batch)
    assert kept(orders, 10) == kept(counted, 10)
    assert len(orders) == 11
    assert orders.take_dirty()[0] == []


def test_the_latest_record_of_an_order_counts_and_so_does_one_given_twice():
    first, second = taken(sale("a", "1")), taken(sale("a", "1"), sale("a", "1", START + 5, 2))
    assert first.keys == second.keys
    table, orders = tables()
    codec.restore(table, orders, codec.Records(first.keys + second.keys, first.values + second.values))
    codec.restore(table, orders, first)
    assert kept(orders, 1) == [(0, START + 5, 2, True)]


def test_users_and_orders_are_told_apart_by_their_keys():
    records = taken(*SALES)
    users = [name.encode() for name in NAMES]
    keys = [key for pair in zip(users, records.keys[: len(users)], strict=True) for key in pair]
    values = [f"{place}".encode() for place in range(len(keys))]
    of_users, of_orders = codec.split(keys, values)
    assert of_users == codec.Records(users, values[::2])
    assert of_orders == codec.Records(records.keys[: len(users)], values[1::2])
    assert codec.split(users, values[::2]) == (codec.Records(users, values[::2]), codec.Records([], []))


def test_the_bytes_of_a_record_stay_what_they_are():
    records = taken(sale("a", "order-17", 1_700_000_000_123, 1999))
    assert [key.hex() for key in records.keys] == ["61006f" + DIGEST]
    assert [value.hex() for value in records.values] == ["017b68e5cf8b010000cf0700000000000000"]


#: Of order-17, see tests/unit/domain/test_orders.py, each half with its least byte first.
DIGEST = "b9f1daff86986f45582c42f1204bfb1e"


def test_orders_that_are_to_be_written_again_are_dirty():
    records = taken(*SALES)
    table, orders = tables()
    codec.restore(table, orders, records, changed=True)
    again = codec.encode(orders, *orders.take_dirty())
    assert sorted(zip(*again, strict=True)) == sorted(zip(*records, strict=True))


@pytest.mark.parametrize(("change", "words"), [(lambda v: b"\2" + v[1:], "format 2"), (lambda v: v + b"x", "length")])
def test_another_form_is_refused(change, words):
    records = taken(sale("a", "1"))
    table, orders = tables()
    with pytest.raises(ValueError, match=words):
        codec.restore(table, orders, codec.Records(records.keys, [change(records.values[0])]))
