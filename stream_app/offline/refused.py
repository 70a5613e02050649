"""Rows of a flat file that are no events: told as the service tells of a record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stream_app.codecs import times
from stream_app.domain.bits import true_at
from stream_app.domain.errors import ConfigurationError
from stream_app.domain.events import Reason
from stream_app.offline.jsonlines import decoder
from stream_app.offline.records import NO_CLOCK
from stream_app.offline.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from stream_app.offline.records import Bad, Wanted

    Ints = NDArray[np.int64]


class Refused:
    """Counts rows that are not valid, and says why: the first ones are judged as the records they would have been.

    Args:
        constants: by field, its value in every row.
        wanted: what to make of rows.
        bad: takes them.
        blank: whether an empty text counts as one that is not there, as in CSV.
        place: how messages call the row of a number, counted from 0.

    Raises:
        ConfigurationError: a constant is not valid itself.
    """

    def __init__(
        self, constants: Mapping[str, str], wanted: Wanted, bad: Bad, *, blank: bool, place: Callable[[int], str]
    ) -> None:
        self._constants, self._wanted, self._bad = dict(constants), wanted, bad
        self._blank, self._place = blank, place
        self._decoder = decoder(wanted)
        made = {"type": "purchase", "user_id": "u", "occurred_at": 0, "event_id": "e", "order_id": "o", "amount": "0"}
        fault = self._judged({**made, "currency": wanted.currency, **constants})
        if fault is not None:
            raise ConfigurationError(f"--set: {fault[1]}")

    def add(self, texts: Mapping[str, Texts], instants: Ints, given: Any, rows: Ints, bad: NDArray[np.bool_]) -> None:
        """Counts the rows of a part for which `bad` is true.

        Args:
            texts: by field, its column.
            instants: the times (ms) that were made of the column `given`.
            given: the column of times as it is.
            rows: the number of each row, shape (n,).
            bad: which are not valid, shape (n,).
        """
        for row in true_at(bad).tolist():
            fault = None
            if not self._bad.silent:
                fields: dict[str, Any] = {field: column.at(row) for field, column in texts.items()}
                good = instants[row] != times.BAD
                fields["occurred_at"] = int(instants[row]) if good else Texts(given, blank=self._blank).at(row)
                made = {"event_id": "row", "order_id": "row", "currency": self._wanted.currency}
                fault = self._judged({**made, **self._constants, **fields})
            reason, message = fault or (Reason.WRONG_TYPE.value, "a field is not valid")
            self._bad.add(self._place(int(rows[row])), reason, message)

    def _judged(self, fields: Mapping[str, Any]) -> tuple[str, str] | None:
        _, letters = self._decoder.decode(None, [self._record(fields)], NO_CLOCK)
        return (letters[0].reason.value, letters[0].message) if letters else None

    def _record(self, fields: Mapping[str, Any]) -> bytes:
        """A record as it would have been sent, of the texts of its fields; a time may be a number."""
        record: dict[str, Any] = {}
        for field, value in fields.items():
            if value is None:
                continue
            text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
            group, point, name = field.partition(".")
            if point:
                record.setdefault(group, {})[name] = text
            else:
                record[self._wanted.actor if field == "user_id" else field] = text
        return json.dumps(record, ensure_ascii=False).encode("utf-8", "surrogateescape")
