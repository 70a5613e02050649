"""Sorted runs: columns of one user after another that are gathered in any order, in bounded memory.

What is added waits; much of it is brought to one sorted run without duplicates; past a limit runs go to temporary
files. So what is held follows the distinct entries, not how often they come.
"""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Entries = NDArray[Any]
    Ints = NDArray[np.int64]

#: Users of a slice.
SLICE = 16_384
#: Bytes that wait before they are sorted, and bytes of a run from which on it goes to a file.
WAITING = 16 << 20
IN_MEMORY = 64 << 20
#: Files of one gathering: one more, and they become one.
MOST_FILES = 8


class Kept(Protocol):
    """What the entries of a run are."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an entry."""

    def users(self, entries: Entries) -> Ints:
        """The user of each entry, shape (n,)."""

    def reduced(self, entries: Entries) -> Entries:
        """The entries in order, by user first, those of one identity joined to one. May reuse the array."""


class _Run(NamedTuple):
    """Reduced entries, and where those of each slice of users begin; one more place is the end."""

    entries: Entries
    begins: Ints

    def part(self, number: int) -> Entries:
        begin, end = _between(self.begins, number)
        return self.entries[begin:end]


class _Filed(NamedTuple):
    """A run in a file. It is read, not mapped: pages of a mapping would count as memory of the process."""

    file: IO[bytes]
    dtype: np.dtype[Any]
    begins: Ints

    def part(self, number: int) -> Entries:
        begin, end = _between(self.begins, number)
        size = self.dtype.itemsize
        self.file.seek(begin * size)
        return np.frombuffer(self.file.read((end - begin) * size), self.dtype)


def _between(begins: Ints, number: int) -> tuple[int, int]:
    last = len(begins) - 1
    return int(begins[min(number, last)]), int(begins[min(number + 1, last)])


class Runs:
    """Gathers entries.

    Args:
        kept: what they are.
        waiting: bytes that wait before they are sorted.
        in_memory: bytes of a run from which on it goes to a file.
    """

    def __init__(self, kept: Kept, *, waiting: int = WAITING, in_memory: int = IN_MEMORY) -> None:
        self._kept = kept
        self._limit, self._in_memory = waiting, in_memory
        self._waiting: list[Entries] = []
        self._waiting_bytes = 0
        self._run: Entries | None = None
        self._files: list[_Filed] = []

    def add(self, entries: Entries) -> None:
        """Adds entries in any order; the array is not to be changed afterwards."""
        if not len(entries):
            return
        self._waiting.append(entries)
        self._waiting_bytes += entries.nbytes
        if self._waiting_bytes >= max(self._limit, 0 if self._run is None else self._run.nbytes):
            self._settle()
            if self._run is not None and self._run.nbytes >= self._in_memory:
                self._to_file(iter([self._run]))
                self._run = None
                if len(self._files) > MOST_FILES:
                    self._join_files()

    def _settle(self) -> None:
        """Brings what waits into the run."""
        if not self._waiting:
            return
        every = self._waiting if self._run is None else [self._run, *self._waiting]
        self._run, self._waiting, self._waiting_bytes = None, [], 0
        joined = np.concatenate(every)
        every.clear()  # before the copy is sorted
        self._run = self._kept.reduced(joined)

    def _begins(self, entries: Entries, slices: int) -> Ints:
        return np.searchsorted(self._kept.users(entries), np.arange(slices + 1) * SLICE)

    def _to_file(self, parts: Iterable[Entries]) -> None:
        """Writes reduced entries, given one after another, to a file that ends with this process."""
        file = tempfile.TemporaryFile(prefix="stream-app-")  # noqa: SIM115 - closed when it is joined to others
        begins: list[int] = []
        count = 0
        for entries in parts:
            file.write(entries.tobytes())
            users = self._kept.users(entries)
            low, high = int(users[0]) // SLICE, int(users[-1]) // SLICE
            begins += [count] * (low + 1 - len(begins))
            begins += (count + np.searchsorted(users, np.arange(low + 1, high + 1) * SLICE)).tolist()
            count += len(entries)
        self._files.append(_Filed(file, self._kept.dtype, np.array([*begins, count])))

    def _join_files(self) -> None:
        former, self._files = self._files, []
        most = max(len(run.begins) for run in former) - 1
        parts = (self._joined([run.part(number) for run in former]) for number in range(most))
        self._to_file(part for part in parts if len(part))
        for run in former:
            run.file.close()

    def _joined(self, parts: list[Entries]) -> Entries:
        found = [part for part in parts if len(part)]
        if len(found) == 1:
            return found[0]
        return self._kept.reduced(np.concatenate(found or parts))

    def slices(self, users: int) -> Iterator[Entries]:
        """The entries of so many users, `SLICE` at a time, reduced. Nothing may be added while they are read."""
        self._settle()
        runs: list[_Run | _Filed] = [*self._files]
        count = -(-users // SLICE)
        if self._run is not None:
            runs.append(_Run(self._run, self._begins(self._run, count)))
        for number in range(count):
            yield self._joined([run.part(number) for run in runs]) if runs else np.zeros(0, self._kept.dtype)

    def close(self) -> None:
        """Gives back files and memory."""
        for run in self._files:
            run.file.close()
        self._files, self._run, self._waiting = [], None, []
