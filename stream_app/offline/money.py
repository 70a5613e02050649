"""Columns of a flat file that say what was bought: kinds of events, amounts, and which rows are not valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from stream_app.codecs.amounts import AmountError, minor_units
from stream_app.codecs.inspection import LONGEST_ID
from stream_app.domain.events import Kind
from stream_app.offline.texts import bad_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from stream_app.offline.records import Wanted
    from stream_app.offline.texts import Texts

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_KINDS = {b"visit": int(Kind.VISIT), b"purchase": int(Kind.PURCHASE)}
_UNKNOWN = -1
_CACHED = 65_536
_WRONG = np.iinfo(np.int64).min


class Money:
    """Reads type, amount and currency.

    Args:
        constants: by field, its value in every row.
        wanted: what to make of rows.
    """

    def __init__(self, constants: Mapping[str, str], wanted: Wanted) -> None:
        self._constants, self._wanted = constants, wanted
        self._amounts: dict[bytes, int] = {}

    def read(self, texts: Mapping[str, Texts], bad: Flags) -> tuple[NDArray[np.int8], Ints]:
        """Kinds and amounts (minor units, 0 of a visit) of n rows; marks in `bad` (n,) the rows that are not valid."""
        kinds = self._kinds(texts, bad.size)
        bad |= kinds == _UNKNOWN
        bought = kinds == Kind.PURCHASE
        amounts = np.zeros(bad.size, np.int64)
        if not bought.any():
            return kinds, amounts
        if "amount" in texts:
            values, places = texts["amount"].distinct()
            amounts = np.array([self._amount(value) for value in values], np.int64)[places]
            bad |= bought & (amounts == _WRONG)
        else:
            amounts[:] = self._amount(self._constants["amount"].encode())
        amounts[~bought] = 0
        if "currency" in texts:
            values, places = texts["currency"].distinct()
            own = self._wanted.currency.encode()
            bad |= bought & np.array([value is None or value.upper() != own for value in values], np.bool_)[places]
        if "order_id" in texts:
            bad |= bought & bad_ids(texts["order_id"], characters=LONGEST_ID)
        kinds[bought & (amounts < 0)] = Kind.REFUND
        return kinds, amounts

    def _kinds(self, texts: Mapping[str, Texts], count: int) -> NDArray[np.int8]:
        if "type" in self._constants:
            return np.full(count, _KINDS[self._constants["type"].encode()], np.int8)
        values, places = texts["type"].distinct()
        return np.array([_KINDS.get(value or b"", _UNKNOWN) for value in values], np.int8)[places]

    def _amount(self, raw: bytes | None) -> int:
        if not raw:
            return _WRONG
        known = self._amounts.get(raw)
        if known is None:
            try:
                known = minor_units(_quoted(raw), self._wanted.minor_units)
            except AmountError:
                known = _WRONG
            if len(self._amounts) >= _CACHED:
                self._amounts.clear()
            self._amounts[raw] = known
        return known


def _quoted(raw: bytes) -> bytes:
    raw = raw.strip()
    return raw if raw[:1].isdigit() or raw[:1] == b"-" else b'"' + raw + b'"'
