"""What a test file of rules says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What is expected in a field: as it is written; None for nothing.
Wanted = str | dict[str, str] | list[str] | None


@dataclass(frozen=True)
class Expected:
    """One entry of what is expected: the line it begins in, and its fields as they are written."""

    line: int
    fields: Mapping[str, Wanted]


@dataclass(frozen=True)
class FiringAt:
    """What fires at an instant, and nothing else does."""

    line: int
    at: str
    alerts: Sequence[Expected]


@dataclass(frozen=True)
class GivenCells:
    """Cells as they are written, see `backtest.cells.Cells`."""

    line: int
    rule: str
    begin: str
    segment: Mapping[str, str]
    groups: Sequence[int | None]
    counted: Sequence[int | None] | None
    values: Sequence[float | None] | None


@dataclass(frozen=True)
class Case:
    """One test.

    Attributes:
        line: it begins in.
        name: for people.
        events: a file of events; None: `cells` are given.
        form: its format; None: found by its content.
        columns, constants: how it is read, as `--map` and `--set` of `analyze`.
        until: the end of time; None: the last event, or the last closing.
        cells: of rules.
        volume: the first day and the active users of each day from then on; None.
        told, changes, messages: what is expected; None: anything.
        firing: what fires when.
    """

    line: int
    name: str
    events: str | None
    form: str | None
    columns: Mapping[str, str]
    constants: Mapping[str, str]
    until: str | None
    cells: Sequence[GivenCells]
    volume: tuple[str, Sequence[int | None]] | None
    told: Sequence[Expected] | None
    changes: Sequence[Expected] | None
    firing: Sequence[FiringAt]
    messages: Sequence[Expected] | None


@dataclass(frozen=True)
class TestFile:
    """A test file: the paths of rules and settings as they are written, and its tests."""

    __test__ = False  # pytest: no test class

    rules: str
    config: str | None
    cases: Sequence[Case]
