"""What is gathered of the events of a file: pairs of user and day or hour, and orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.metrics.population import Orders, Pairs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: Bits of a pair that hold the day or hour: hours reach to the year 9999.
_UNIT_BITS = 27
_UNITS = (1 << _UNIT_BITS) - 1
#: Units before number 0: west of Greenwich 1970 begins on the last local day of 1969.
_BEFORE = 1
_ORDER = np.dtype(
    [("user", np.int32), ("conflict", np.bool_), ("digest", np.uint64, (2,)), ("time", np.int64), ("amount", np.int64)],
    align=True,
)
# A digest's last bit tells refunds, which are known by their event ids, from orders.
_REFUND = np.uint64(1)


class UnitPairs:
    """Users and the local days, or hours, of their events: one int64 each, no pair twice."""

    dtype: np.dtype[Any] = np.dtype(np.int64)

    @staticmethod
    def packed(users: Ints, units: Ints) -> Ints:
        """The pairs of n users and units, each once, in order."""
        return _distinct(users << _UNIT_BITS | (units + _BEFORE))

    @staticmethod
    def unpacked(entries: Ints, first_user: int) -> Pairs:
        """Pairs with users counted from `first_user` on."""
        return Pairs((entries >> _UNIT_BITS) - first_user, (entries & _UNITS) - _BEFORE)

    def users(self, entries: Ints) -> Ints:
        """The user of each pair."""
        return entries >> _UNIT_BITS

    def reduced(self, entries: Ints) -> Ints:
        """The pairs in order, each once."""
        return _distinct(entries)


class OrderEntries:
    """Orders and refunds, one of a user and id: the later time wins, then the larger amount."""

    dtype = _ORDER

    @staticmethod
    def packed(users: Ints, digests: NDArray[np.uint64], times: Ints, amounts: Ints) -> NDArray[Any]:
        """Entries of n orders or refunds; `digests` (n, 2) are of order ids, of a refund of its event id."""
        entries = np.zeros(len(users), _ORDER)
        entries["user"], entries["time"], entries["amount"] = users, times, amounts
        entries["digest"] = digests & ~_REFUND
        entries["digest"][amounts < 0] |= _REFUND
        return entries

    @staticmethod
    def unpacked(entries: NDArray[Any], first_user: int) -> Orders:
        """Orders by user and time, users counted from `first_user` on."""
        entries = entries[np.lexsort((entries["amount"], entries["time"], entries["user"]))]
        users = entries["user"].astype(np.int64) - first_user
        return Orders(users, entries["time"].copy(), entries["amount"].copy(), entries["conflict"].copy())

    def users(self, entries: NDArray[Any]) -> Ints:
        """The user of each order."""
        return entries["user"].astype(np.int64)

    def reduced(self, entries: NDArray[Any]) -> NDArray[Any]:
        """The orders by user and id, each once."""
        order, new = _by_identity(entries)
        entries = entries[order]
        if new.all():
            return entries
        group = np.cumsum(new) - 1
        times, amounts = entries["time"], entries["amount"]
        best = np.lexsort((amounts, times, group))
        starts = true_at(new)
        last = best[np.append(starts[1:], len(entries)) - 1]
        joined: NDArray[Any] = entries[last]
        differ = (np.minimum.reduceat(times, starts) != joined["time"]) | (
            np.minimum.reduceat(amounts, starts) != np.maximum.reduceat(amounts, starts)
        )
        differ |= np.logical_or.reduceat(entries["conflict"], starts)
        joined["conflict"] = differ & (joined["digest"][:, 1] & _REFUND == 0)
        return joined


def _by_identity(entries: NDArray[Any]) -> tuple[Ints, NDArray[np.bool_]]:
    """An order by user in which one identity's entries lie side by side, and where another begins in it."""
    users, digests = entries["user"].astype(np.int64), entries["digest"]
    # Half of the digest in one number with the user: sorting by the whole costs several times as much.
    key = users << 32 | (digests[:, 0] >> np.uint64(32)).astype(np.int64)
    order = np.argsort(key, kind="stable")
    new = _differs(users[order], digests[order])
    if np.count_nonzero(new) > 1 + np.count_nonzero(np.diff(key[order])):  # ids that share that half
        order = np.lexsort((digests[:, 1], digests[:, 0], users))
        new = _differs(users[order], digests[order])
    return order, new


def _differs(users: Ints, digests: NDArray[np.uint64]) -> NDArray[np.bool_]:
    new = np.ones(users.size, np.bool_)
    new[1:] = (users[1:] != users[:-1]) | (digests[1:] != digests[:-1]).any(axis=1)
    return new


def _distinct(values: Ints) -> Ints:
    """The values in order, each once; the array given may be sorted in place."""
    values.sort()
    new = np.ones(values.size, np.bool_)
    np.not_equal(values[1:], values[:-1], out=new[1:])
    return values[new]
