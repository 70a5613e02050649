"""The changelog's records of orders and refunds, beside those of their users (`codecs.rows`).

Key = user_id, a NUL byte, a byte that says whether it is an order or a refund, and the 16 bytes of its id's hash; no
key of a user has a NUL byte. Value = the format's number, the time (ms), the amount (minor units) and whether differing
purchases of the order were met.
"""

from __future__ import annotations

from itertools import compress
from operator import not_
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from stream_app.domain.orders import CONFLICT, REFUND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.orders import OrderTable
    from stream_app.domain.users import UserTable

    Ints = NDArray[np.int64]

FORMAT = 1
_ORDER, _REFUND = ord("o"), ord("r")
_KEY = np.dtype([("nul", "u1"), ("kind", "u1"), ("digest", "<u8", (2,))])
_VALUE = np.dtype([("version", "u1"), ("time", "<i8"), ("amount", "<i8"), ("conflict", "u1")])
_TAIL = _KEY.itemsize


class Records(NamedTuple):
    """Keys and values of n records."""

    keys: list[bytes]
    values: list[bytes]


def encode(orders: OrderTable, names: Sequence[bytes], places: Ints) -> Records:
    """The records of orders.

    Args:
        orders: the table they are in.
        names: the ids of their users, n of them.
        places: their places in it, shape (n,).
    """
    refunds = orders.flags[places] & REFUND != 0
    tails, values = np.zeros(places.size, _KEY), np.empty(places.size, _VALUE)
    tails["kind"] = np.where(refunds, _REFUND, _ORDER)
    tails["digest"] = orders.digests(places)
    values["version"] = FORMAT
    values["time"], values["amount"] = orders.times[places], orders.amounts[places]
    values["conflict"] = orders.flags[places] & CONFLICT != 0
    keys = [name + tail for name, tail in zip(names, tails.view(f"V{_TAIL}").tolist(), strict=True)]
    return Records(keys, values.view(f"V{_VALUE.itemsize}").tolist())


def split(keys: Sequence[bytes], values: Sequence[bytes]) -> tuple[Records, Records]:
    """The records of users, and those of orders."""
    sold = [key[-_TAIL : 1 - _TAIL] == b"\0" for key in keys]
    if True not in sold:
        return Records(list(keys), list(values)), Records([], [])
    rest = list(map(not_, sold))
    users, orders = (Records(list(compress(keys, of)), list(compress(values, of))) for of in (rest, sold))
    return users, orders


def restore(table: UserTable, orders: OrderTable, records: Records, *, changed: bool = False) -> None:
    """Puts orders back.

    Args:
        table: the users.
        orders: their orders.
        records: of orders; one may come twice.
        changed: whether they are to be written again.

    Raises:
        ValueError: a record has a form that this program does not read.
    """
    if not records.keys:
        return
    tails = np.frombuffer(b"".join([key[-_TAIL:] for key in records.keys]), _KEY)
    if {len(value) for value in records.values} != {_VALUE.itemsize} or not np.isin(
        tails["kind"], (_ORDER, _REFUND)
    ).all():
        raise ValueError("a record of an order in the changelog has a kind or length that this program does not read")
    found = np.frombuffer(b"".join(records.values), _VALUE)
    if (found["version"] != FORMAT).any():
        raise ValueError(
            f"records of orders in the changelog have format {int(found['version'].max())}, this program reads {FORMAT}"
        )
    names = [key[:-_TAIL] for key in records.keys]
    orders.restore(
        table.restore_users(names), tails["kind"] == _REFUND, tails["digest"].astype(np.uint64),
        found["time"].astype(np.int64), found["amount"].astype(np.int64), found["conflict"] != 0,
        names if changed else (),
    )  # fmt: skip
