"""Columns of Arrow as texts: their bytes, lengths and distinct values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


class Texts:
    """A column of n texts in UTF-8.

    Args:
        column: of whatever type; numbers and booleans become their JSON texts.
        blank: whether an empty text counts as one that is not there, as in CSV.
    """

    def __init__(self, column: Any, *, blank: bool = False) -> None:
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if not pa.types.is_binary(column.type):
            if not pa.types.is_large_binary(column.type):
                column = column.cast(pa.string())
            column = column.cast(pa.binary())
        self._column = column
        self._blank = blank

    def __len__(self) -> int:
        return len(self._column)

    @property
    def ends(self) -> Ints:
        """The places in `data` between which the texts lie, shape (n + 1,)."""
        _, ends, _ = self._column.buffers()
        if ends is None or not len(self):
            return np.zeros(len(self) + 1, np.int64)
        start = self._column.offset
        return np.frombuffer(ends, np.int32)[start : start + len(self) + 1].astype(np.int64)

    @property
    def data(self) -> NDArray[np.uint8]:
        """The bytes."""
        data = self._column.buffers()[2]
        return np.zeros(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)

    @property
    def lengths(self) -> Ints:
        """Bytes of each text, 0 for one that is not there."""
        return np.where(self.null, 0, np.diff(self.ends)) if self._column.null_count else np.diff(self.ends)

    @property
    def null(self) -> NDArray[np.bool_]:
        """Which texts are not there, shape (n,)."""
        if self._column.null_count:
            missing: NDArray[np.bool_] = self._column.is_null().to_numpy(zero_copy_only=False)
        else:
            missing = np.zeros(len(self), np.bool_)
        return missing | (np.diff(self.ends) == 0) if self._blank else missing

    def distinct(self) -> tuple[list[bytes | None], Ints]:
        """The distinct texts (None for one that is not there), and the place of each row's among them."""
        encoded = self._column.dictionary_encode("encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)

    def equals(self, text: str) -> NDArray[np.bool_]:
        """Which are this text, shape (n,)."""
        values, places = self.distinct()
        wanted = text.encode()
        return np.array([value == wanted for value in values], np.bool_)[places]

    def at(self, row: int) -> bytes | None:
        """One text."""
        value: bytes | None = self._column[row].as_py()
        return None if self._blank and not value else value

    def kept(self, keep: NDArray[np.bool_]) -> Texts:
        """Those for which `keep` (n,) is true."""
        return Texts(self._column.filter(pa.array(keep)), blank=self._blank)

    def values(self) -> list[bytes]:
        """Each one's bytes; there is none missing."""
        values: list[bytes] = self._column.to_pylist()
        return values

    def bytes_or_empty(self) -> list[bytes]:
        """Each one's bytes, none for one that is not there."""
        return [value or b"" for value in self._column.to_pylist()]

    def strings(self) -> list[str]:
        """Each one's text; there is none missing, and all are UTF-8."""
        values: list[str] = self._column.cast(pa.string()).to_pylist()
        return values

    def bad_utf8(self) -> NDArray[np.bool_]:
        """Which are not UTF-8, shape (n,)."""
        ends = self.ends
        try:
            self.data[ends[0] : ends[-1]].tobytes().decode()
        except UnicodeDecodeError:
            return np.array([_bad(value) for value in self.bytes_or_empty()], np.bool_)
        return np.zeros(len(self), np.bool_)


def _bad(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False


def bad_ids(texts: Texts, *, size: int | None = None, characters: int | None = None) -> NDArray[np.bool_]:
    """Which texts are no ids: not there, empty, not UTF-8, too long in bytes or characters, or with a NUL character."""
    lengths = texts.lengths
    bad: NDArray[np.bool_] = (lengths == 0) | texts.bad_utf8()
    if size is not None:
        bad |= lengths > size
    if characters is not None:
        for row in np.flatnonzero(~bad & (lengths > characters)).tolist():
            bad[row] = len((texts.at(row) or b"").decode()) > characters
    ends = texts.ends
    data = texts.data[ends[0] : ends[-1]]
    if size is not None and data.size and not data.all():  # only ids of users must be without NUL
        bad |= np.array([b"\0" in value for value in texts.bytes_or_empty()], np.bool_)
    return bad


class _Made(Sequence[str]):
    """Texts of which few are asked for: each is made when it is."""

    def at(self, place: int) -> str:
        """The text at a place."""
        raise NotImplementedError

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self.at(i) for i in range(*place.indices(len(self)))]
        return self.at(place)


class Lazy(_Made):
    """Texts of a column."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def at(self, place: int) -> str:
        """The text at a place."""
        return (self._texts.at(place) or b"").decode()

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts.strings())


class Numbered(_Made):
    """Ids made of row numbers: an earlier row's comes first in the order of texts."""

    def __init__(self, rows: Ints) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, place: int) -> str:
        """The text at a place."""
        return f"{int(self._rows[place]):015d}"

    def __iter__(self) -> Iterator[str]:
        return map("{:015d}".format, self._rows.tolist())
