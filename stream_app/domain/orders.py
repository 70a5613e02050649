"""Orders and refunds of a partition's users, each once, however often and in whatever form it was sent.

An order is one per user and order id, a refund one per user and event id. Of two that differ the later one wins, then
the larger amount; that differing purchases of one order were met is remembered. All of it is a join: the result is the
same for every order of arrival and any redelivery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.domain.bits import true_at
from stream_app.domain.columns import grow
from stream_app.domain.events import Kind
from stream_app.domain.index import HashIndex, hash_keys
from stream_app.domain.metrics.population import Orders

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from stream_app.domain.events import EventBatch

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

REFUND, CONFLICT, CHANGED = np.uint8(1), np.uint8(2), np.uint8(4)
_NEVER = np.iinfo(np.int64).min
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_MIX = np.uint64(0xBF58476D1CE4E5B9)


class OrderTable:
    """Orders and refunds in the order of their first appearance.

    About 50 bytes an order: its id is kept as a hash of 128 bits, mixed with its user's number.

    Args:
        durable: whether `take_dirty` is to name what changed; else that is not kept.

    Attributes:
        users: by order, the user's number; int32. The first `len(self)` of every column are in use.
        times: when (ms); int64.
        amounts: minor units; int64.
        flags: uint8 of `REFUND`, `CONFLICT` and `CHANGED`.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self.users: NDArray[np.int32] = np.zeros(64, np.int32)
        self.times: Ints = np.full(64, _NEVER, np.int64)
        self.amounts: Ints = np.zeros(64, np.int64)
        self.flags: NDArray[np.uint8] = np.zeros(64, np.uint8)
        self._index = HashIndex()
        self._durable = durable
        # Of the orders that changed since they were last taken: places, and their users' ids.
        self._changed: list[Ints] = []
        self._names: list[bytes] = []

    def __len__(self) -> int:
        return len(self._index)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._index.nbytes + sum(c.nbytes for c in (self.users, self.times, self.amounts, self.flags))

    def join(self, users: Ints, batch: EventBatch) -> None:
        """Joins the purchases and refunds of a batch.

        Args:
            users: the number of each event's user, shape (n,).
            batch: n events.
        """
        events = true_at(batch.kinds != Kind.VISIT)
        if not events.size:
            return
        places, refunds = events.tolist(), batch.kinds[events] == Kind.REFUND
        ids = list(map(batch.orders.__getitem__, places))
        for place in true_at(refunds).tolist():
            ids[place] = batch.event_ids[places[place]]
        digests = digests_of([str(text) for text in ids])
        names = list(map(batch.users.__getitem__, places)) if self._durable else []
        none = np.zeros(events.size, np.bool_)
        self._join(users[events], refunds, digests, batch.times[events], batch.amounts[events], none, names)

    def restore(
        self, users: Ints, refunds: Flags, digests: NDArray[np.uint64], times: Ints, amounts: Ints, conflicts: Flags,
        names: Sequence[bytes] = (),
    ) -> None:  # fmt: skip
        """Joins orders that are read back. Shapes (n,), of digests (n, 2).

        Args:
            users: the numbers of their users.
            refunds: which are refunds.
            digests: of their ids, see `digests_of`.
            times: when (ms).
            amounts: minor units.
            conflicts: of which differing purchases were met.
            names: the ids of their users where they are to be written again.
        """
        if users.size:
            self._join(users, refunds, digests, times, amounts, conflicts, names)

    def take_dirty(self) -> tuple[list[bytes], Ints]:
        """The orders changed since the last call: their users' ids and their places; each is then clean."""
        changed = np.concatenate(self._changed) if self._changed else np.zeros(0, np.int64)
        names, self._names, self._changed = self._names, [], []
        self.flags[changed] &= ~CHANGED
        return names, changed

    def digests(self, places: Ints) -> NDArray[np.uint64]:
        """The hashes of the ids of orders: shape (n,) -> (n, 2)."""
        return self._index.hashes(places) ^ _of_user(self.users[places], self.flags[places] & REFUND != 0)

    def arranged(self) -> Arranged:
        """The orders by user, as they are now."""
        return Arranged(self)

    def _join(
        self, users: Ints, refunds: Flags, digests: NDArray[np.uint64], times: Ints, amounts: Ints, conflicts: Flags,
        names: Sequence[bytes],
    ) -> None:  # fmt: skip
        known = len(self._index)
        rows = self._index.upsert(digests ^ _of_user(users, refunds))
        self._reserve(len(self._index))
        if _repeats(rows):  # an order twice in one batch: its latest form stands for it
            order = np.lexsort((amounts, times, rows))
            starts = true_at(np.diff(rows[order], prepend=-1) != 0)
            lowest, best = order[starts], order[np.append(starts[1:], order.size) - 1]
            met = np.logical_or.reduceat(conflicts[order], starts)
            met |= (times[lowest] != times[best]) | (amounts[lowest] != amounts[best])
            rows, users, refunds, times, amounts = (c[best] for c in (rows, users, refunds, times, amounts))
            names, conflicts = [names[i] for i in best.tolist()] if names else (), met
        before, sums, flags = self.times[rows], self.amounts[rows], self.flags[rows]
        new = rows >= known
        later = (times > before) | ((times == before) & (amounts > sums))
        differs = ~new & ((times != before) | (amounts != sums))
        clash = (conflicts | differs) & ~refunds & (flags & CONFLICT == 0)
        changed = new | later | clash
        to = rows[new]
        self.users[to] = users[new]
        won = new | later
        to = rows[won]
        self.times[to], self.amounts[to] = times[won], amounts[won]
        marks = np.where(refunds, REFUND, np.uint8(0)) | np.where(clash, CONFLICT, np.uint8(0))
        if names:
            dirty = true_at(changed & (flags & CHANGED == 0))
            marks[dirty] = marks[dirty] | CHANGED
            self._changed.append(rows[dirty])
            self._names += map(names.__getitem__, dirty.tolist())
        self.flags[rows] = flags | marks

    def _reserve(self, count: int) -> None:
        if count > len(self.users):
            grow(self.users, count, 0)
            grow(self.times, count, _NEVER)
            grow(self.amounts, count, 0)
            grow(self.flags, count, 0)


class Arranged:
    """The orders of a table by user, as they were when this was made. It sorts all of them once.

    Args:
        table: the orders; they must not change while this is in use.
    """

    def __init__(self, table: OrderTable) -> None:
        self._table = table
        count = len(table)
        packed = (table.users[:count].astype(np.int64) << 32) | np.arange(count)
        packed.sort()
        self._users = (packed >> 32).astype(np.int32)
        self._places = (packed & 0xFFFFFFFF).astype(np.int32)

    def part(self, start: int, stop: int) -> Orders:
        """The orders of the users `start` to `stop` - 1, by user and then by time; users count from `start`."""
        table = self._table
        low, high = np.searchsorted(self._users, [start, stop])
        places = self._places[low:high].astype(np.int64)
        users, times = self._users[low:high].astype(np.int64) - start, table.times[places]
        order = np.lexsort((times, users))
        places = places[order]
        conflicts = table.flags[places] & CONFLICT != 0
        return Orders(users[order], times[order], table.amounts[places], conflicts)


def _repeats(rows: Ints) -> bool:
    """Whether a row is there twice."""
    if (rows[1:] > rows[:-1]).all():  # as new ones are numbered
        return False
    ordered = np.sort(rows)
    return bool((ordered[1:] == ordered[:-1]).any())


def digests_of(ids: Sequence[str]) -> NDArray[np.uint64]:
    """The 128-bit hashes of ids, shape (n, 2). They are stored: the same for good."""
    return hash_keys([text.encode("utf-8", "surrogatepass") for text in ids])


def _of_user(users: NDArray[np.signedinteger], refunds: Flags) -> NDArray[np.uint64]:
    """What a user's number and the kind add to the hash of an id, shape (n, 2): ids are each user's own."""
    number = (users.astype(np.uint64) << np.uint64(1)) | refunds.astype(np.uint64)
    mixed = np.empty((number.size, 2), np.uint64)
    for part, odd in enumerate(_ODD):
        value = (number + np.uint64(1)) * odd
        value = (value ^ (value >> np.uint64(32))) * _MIX
        mixed[:, part] = value ^ (value >> np.uint64(29))
    return mixed
