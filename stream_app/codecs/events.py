"""Records of one chunk to an `EventBatch`: the hot path.

A record costs one call of a typed decoder; everything else works on columns. A record that the decoder or a column
refuses goes to `codecs.inspection`, which finds the reason or rescues it. Of a field sent twice, the last counts.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from stream_app.codecs import times
from stream_app.codecs.amounts import AmountError, minor_units
from stream_app.codecs.conditions import Conditions
from stream_app.codecs.inspection import LONGEST_ID, LONGEST_USER_ID, Fault, Inspector, Record, record_type
from stream_app.codecs.segments import SegmentDecoder
from stream_app.domain.events import DeadLetter, EventBatch, Kind, Reason
from stream_app.domain.fingerprint import ACTOR

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from numpy.typing import NDArray

    from stream_app.domain.filters import Where

_CACHED_AMOUNTS = 65_536
_UNKNOWN = -2
_SEPARATOR = "\0"
# Keeps the place of a record that cannot be read, so that rows and positions stay the same until the end.
_PLACEHOLDER = Record("visit", "-", "-", 0)


class EventDecoder:
    """Decodes visits and purchases.

    Args:
        dimensions: the configured dimensions of a segment, in order.
        currency: the reporting currency.
        future_tolerance_ms: how far past the wall clock an event time may be.
        minor_units: decimals of the currency.
        actor: the field with the id that is counted, which is the records' key.
        conditions: what the bits of a batch's `matches` are of.
        seconds: whether a time that is a number may be before 1972; False: it is taken for seconds that were meant as
            milliseconds, and is a dead letter. Times that are texts may.
    """

    def __init__(
        self, *, dimensions: Sequence[str], currency: str, future_tolerance_ms: int, minor_units: int = 2,
        actor: str = ACTOR, conditions: Sequence[Where] = (), seconds: bool = True,
    ) -> None:  # fmt: skip
        self._decode = msgspec.json.Decoder(record_type(actor)).decode
        self._conditions = Conditions(conditions) if conditions else None
        self._segments = SegmentDecoder(dimensions)
        self._currency = currency.upper()
        self._tolerance = future_tolerance_ms
        self._digits = minor_units
        self._amounts: dict[bytes, int] = {}
        self._seconds = seconds
        self._inspector = Inspector(
            self._segments, self._currency, future_tolerance_ms, minor_units, actor, seconds=seconds
        )

    def decode(
        self, keys: Sequence[bytes | None] | None, values: Sequence[bytes | None], now_ms: int
    ) -> tuple[EventBatch, list[DeadLetter]]:
        """Decode one chunk; never raises for what is in it.

        Args:
            keys: n keys, each of which must be its record's user id; None: the records have no keys.
            values: n values, JSON in UTF-8.
            now_ms: the wall clock, ms since the epoch; a later event (beyond the tolerance) is a dead letter.

        Returns:
            The good events and the dead letters, both in the order of the records; together there are n.
        """
        if not values:
            return _empty(self._segments.combos), []
        self._segments.renew()
        dead: dict[int, DeadLetter] = {}

        def inspect(row: int) -> Record:
            key = None if keys is None else keys[row]
            try:
                return self._inspector.inspect(values[row], key, keyed=keys is not None, now_ms=now_ms)
            except Fault as fault:
                dead[row] = DeadLetter(fault.reason, fault.message, row)
            return _PLACEHOLDER

        def bury(rows: Iterable[int]) -> None:
            for row in rows:
                if row not in dead:
                    inspect(row)
                    # Columns and inspector follow the same rules. Should they ever differ, no byte is lost.
                    dead.setdefault(row, DeadLetter(Reason.WRONG_TYPE, "value: a field is not valid; correct it", row))

        records, refused = self._read(values)
        for row in refused:
            records[row] = inspect(row)
        users, suspects = _users(records, keys)
        bury(suspects)
        batch, suspects = self._columns(records, users)
        bury(suspects)
        bury(np.flatnonzero(batch.times > now_ms + self._tolerance).tolist())
        if not self._seconds:
            early = np.flatnonzero(batch.times < times.SECONDS).tolist()
            bury(row for row in early if isinstance(records[row].occurred_at, int))
        # Last, because a combination is only given a number for a good event.
        batch.segments = self._numbers(records, dead)
        bury(np.flatnonzero(batch.segments < 0).tolist())
        if self._conditions is not None:
            batch.matches = self._conditions.matches(values)
        if not dead:
            return batch, []
        alive = np.ones(len(batch), np.bool_)
        alive[list(dead)] = False
        return batch.where(alive), [dead[row] for row in sorted(dead)]

    def _read(self, values: Sequence[bytes | None]) -> tuple[list[Record], list[int]]:
        """One record a value, and the rows that the typed decoder refused: they hold the placeholder."""
        try:
            return list(map(self._decode, values)), []  # type: ignore[arg-type]  # None is refused like other bad values
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
            pass  # one of them is bad: each by itself
        records: list[Record] = []
        refused: list[int] = []
        append, decode = records.append, self._decode
        for value in values:
            try:
                append(decode(value))  # type: ignore[arg-type]  # None is refused like other bad values
            except (msgspec.MsgspecError, ValueError, TypeError, RecursionError):
                refused.append(len(records))
                append(_PLACEHOLDER)
        return records, refused

    def _columns(self, records: list[Record], users: list[bytes]) -> tuple[EventBatch, set[int]]:
        """The columns of all records but their segments, and the rows with a value that is not valid."""
        event_ids = [record.event_id for record in records]
        instants = times.parse([record.occurred_at for record in records])
        suspects = set(np.flatnonzero(instants == times.BAD).tolist())
        kinds = np.zeros(len(records), np.int8)
        amounts = np.zeros(len(records), np.int64)
        orders: list[str | None] = [None] * len(records)
        types = [record.type for record in records]
        if types.count("visit") != len(types):
            rows = [i for i, kind in enumerate(types) if kind != "visit"]
            bought = [records[i] for i in rows]
            minor, wrong = self._money(bought)
            amounts[rows] = minor
            kinds[rows] = np.where(minor < 0, int(Kind.REFUND), int(Kind.PURCHASE))
            for row, record in zip(rows, bought, strict=True):
                orders[row] = record.order_id
            suspects.update(rows[i] for i in wrong)
        none = np.zeros(0, np.int32)
        return EventBatch(users, instants, kinds, event_ids, none, self._segments.combos, orders, amounts), suspects

    def _numbers(self, records: list[Record], dead: Container[int]) -> NDArray[np.int32]:
        """Numbers of the records' segments; -1 for a bad one, any other number for a dead record."""
        known = self._segments.known.get
        numbers = np.fromiter([known(bytes(record.segment), _UNKNOWN) for record in records], np.int32, len(records))
        for row in np.flatnonzero(numbers == _UNKNOWN).tolist():
            numbers[row] = 0 if row in dead else self._segments.number(bytes(records[row].segment))
        return numbers

    def _money(self, bought: list[Record]) -> tuple[NDArray[np.int64], list[int]]:
        """Amounts of purchase records in minor units, int64, and the places of those that are not valid."""
        known, digits = self._amounts, self._digits
        minor: list[int] = []
        wrong = [i for i, record in enumerate(bought) if not 0 < len(record.order_id or "") <= LONGEST_ID]
        for i, record in enumerate(bought):
            raw = bytes(record.amount)
            amount = known.get(raw)
            if amount is None:
                try:
                    amount = minor_units(raw, digits)
                except AmountError:
                    wrong.append(i)
                    amount = 0
                else:
                    if len(known) >= _CACHED_AMOUNTS:
                        known.clear()
                    known[raw] = amount
            minor.append(amount)
            if record.currency != self._currency and (record.currency or "").upper() != self._currency:
                wrong.append(i)
        return np.array(minor, np.int64), wrong


def _users(records: list[Record], keys: Sequence[bytes | None] | None) -> tuple[list[bytes], set[int]]:
    """The user ids of records, and the rows in which one is not valid or not the record's key."""
    text = _SEPARATOR.join([record.user_id for record in records])
    joined = text.encode()
    if joined.count(b"\0") == len(records) - 1 and len(joined) == len(text):  # no NUL in any, no character of two bytes
        if keys is None:
            return joined.split(b"\0"), set()
        with suppress(TypeError):  # a record without a key
            if b"\0".join(keys) == joined:  # type: ignore[arg-type]
                return list(keys), set()  # type: ignore[arg-type]
    users = [record.user_id.encode() for record in records]
    bad = {i for i, user in enumerate(users) if b"\0" in user or len(user) > LONGEST_USER_ID}
    if keys is not None:
        bad |= {i for i, (key, user) in enumerate(zip(keys, users, strict=True)) if key != user}
    return users, bad


def _empty(combos: Sequence[tuple[str, ...]]) -> EventBatch:
    none = np.zeros(0, np.int64)
    return EventBatch([], none, none.astype(np.int8), [], none.astype(np.int32), combos, [], none)
