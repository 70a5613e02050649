"""Files of rows: CSV and Parquet, a part at a time."""

from __future__ import annotations

import csv
import io
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from stream_app.domain.errors import ConfigurationError
from stream_app.offline.columns import Columns
from stream_app.offline.layout import layout_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stream_app.domain.events import EventBatch
    from stream_app.domain.periods import Calendar
    from stream_app.offline.records import Bad, Reading, Wanted

DELIMITERS = ",;\t|"
#: Bytes of CSV in a part, and rows of Parquet.
_BLOCK = 4 << 20
_ROWS = 32_768
_BUFFER = 1 << 20
#: Rows of a wrong width whose places are remembered.
_PLACES = 10_000


class Csv:
    """Reads a file of comma-separated values whose first row names the columns.

    Args:
        file: open for reading bytes, unpacked.
        head: its first bytes.
        path: how messages call it.
        reading: the columns and constants that were given.
        wanted: what to make of rows.
        bad: takes those that cannot be counted.
        calendar: of times without an offset.
    """

    def __init__(
        self, file: IO[bytes], head: bytes, path: str, reading: Reading, wanted: Wanted, bad: Bad, calendar: Calendar
    ) -> None:
        self._file, self._path, self._bad = file, path, bad
        self._delimiter, names = heading(head, path)
        self._layout = layout_of(path, names, reading, wanted)
        self._columns = Columns(path, self._layout, wanted, bad, calendar, blank=True, place=self._place)
        self._misfits: list[int] = []
        self._refused = 0

    def batches(self) -> Iterator[tuple[int, EventBatch]]:
        """How many rows were read, and the good ones of them as a batch."""
        needed = self._layout.needed
        try:
            reader = pyarrow.csv.open_csv(
                self._file,
                # One thread: rows of a wrong width are then told with their numbers.
                read_options=pyarrow.csv.ReadOptions(use_threads=False, block_size=_BLOCK),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=self._misfit
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=needed, column_types=dict.fromkeys(needed, pa.binary()), check_utf8=False
                ),
            )
            for part in reader:
                refused, self._refused = self._refused, 0
                count, batch = self._columns.batch(dict(zip(part.schema.names, part.columns, strict=True)))
                yield refused + count, batch
        except (pa.ArrowException, OSError, EOFError) as error:
            raise ConfigurationError(f"{self._path}: cannot be read as CSV ({error}); give a whole file") from error
        if self._refused:
            yield self._refused, self._columns.nothing

    def _misfit(self, row: Any) -> str:
        self._refused += 1
        if len(self._misfits) < _PLACES:
            self._misfits.append(row.number)
        message = f"it has {row.actual_columns} columns, not {row.expected_columns}; quote values that have a delimiter"
        self._bad.add(f"row {row.number}", "wrong_type", message)
        return "skip"

    def _place(self, number: int) -> str:
        """The row of a number, as it lies in the file: the first one names the columns."""
        row = number + 2
        for other in self._misfits:
            if other <= row:
                row += 1
        return f"row {row}"


def heading(head: bytes, path: str) -> tuple[str, list[str]]:
    """The delimiter of a file and the names of its columns.

    Raises:
        ConfigurationError: the names are not UTF-8.
    """
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")  # only the names have to be UTF-8
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=lambda one: len(next(csv.reader([first], delimiter=one), [])))
    names = next(csv.reader(io.StringIO(text.lstrip("\r\n")), delimiter=delimiter), [])
    if any("\udc80" <= character <= "\udcff" or character == "\0" for name in names for character in name):
        raise ConfigurationError(f"{path}: the names of its columns are not UTF-8 text; save it as UTF-8")
    return delimiter, names


class Parquet:
    """Reads a file of Parquet.

    Args:
        file: open for reading bytes, seekable.
        path: how messages call it.
        reading: the columns and constants that were given.
        wanted: what to make of rows.
        bad: takes those that cannot be counted.
        calendar: of times without an offset.
        progress: is told the share of rows that was read, 0 to 1.
    """

    def __init__(
        self, file: IO[bytes], path: str, reading: Reading, wanted: Wanted, bad: Bad, calendar: Calendar,
        progress: Callable[[float], None] | None = None,
    ) -> None:  # fmt: skip
        self._path, self._progress = path, progress
        try:
            # A column chunk may be as large as the file: it is read through a buffer, not at once.
            self._file = pyarrow.parquet.ParquetFile(file, pre_buffer=False, buffer_size=_BUFFER)
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(f"{path}: cannot be read as Parquet ({error}); give a whole file") from error
        names = [name for field in self._file.schema_arrow for name in _names(field.name, field.type)]
        self._layout = layout_of(path, names, reading, wanted)
        self._columns = Columns(
            path, self._layout, wanted, bad, calendar, blank=False, place=lambda number: f"row {number + 1}"
        )

    def batches(self) -> Iterator[tuple[int, EventBatch]]:
        """How many rows were read, and the good ones of them as a batch."""
        needed, total, done = self._layout.needed, self._file.metadata.num_rows, 0
        try:
            for part in self._file.iter_batches(_ROWS, columns=needed, use_threads=True):
                count, batch = self._columns.batch({name: _column(part, name) for name in needed})
                yield count, batch
                done += count
                if self._progress is not None:
                    self._progress(done / total)
        except pa.ArrowNotImplementedError as error:
            what = "a column is neither text nor number nor time"
            raise ConfigurationError(f"{self._path}: {what} ({error}); map a field of it, or another one") from error
        except (pa.ArrowException, OSError) as error:
            raise ConfigurationError(f"{self._path}: cannot be read as Parquet ({error}); give a whole file") from error


def _names(name: str, form: Any) -> Iterator[str]:
    """The names of a column and of those within it."""
    yield name
    if pa.types.is_struct(form):
        for place in range(form.num_fields):
            inner = form.field(place)
            yield from _names(f"{name}.{inner.name}", inner.type)


def _column(part: Any, path: str) -> Any:
    """A column, or one within another."""
    if path in part.schema.names:
        return part.column(path)
    outer, _, rest = path.partition(".")
    found = part.column(outer)
    while rest:
        name, _, rest = rest.partition(".")
        found = pa.compute.struct_field(found, name)
    return found
