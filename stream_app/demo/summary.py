"""What the demo says at its end: what went through, the cohorts, the alerts, and where the page is."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

#: Cohorts shown of one table, the last ones.
MOST_ROWS = 12
NOT_OBSERVED = "·"
_FIRST_COLUMNS, _CELL = 24, 7  # characters of the cohort and its size; of one share
_GAP = 2  # between columns


@dataclass(frozen=True)
class Matrix:
    """One series of a retention answer, to be shown as a table."""

    title: str
    answer: Mapping[str, Any]  #: as `/api/v1/retention` gives it
    segment: Mapping[str, str] = field(default_factory=dict)  #: which of the answer's segments; {} is all users
    at: Sequence[int] = ()  #: the period indexes to show; none: all observed, thinned to the width


@dataclass(frozen=True)
class Summary:
    """Everything the summary shows."""

    played: Mapping[str, int]  #: topic -> records
    totals: Mapping[str, int]  #: read, counted, dead_lettered, dropped, late, users
    seconds: float
    matrices: Sequence[Matrix] = ()
    alerts: Sequence[Mapping[str, Any]] = ()  #: lines of the alerts topic, oldest first
    page: str | None = None


def render(summary: Summary, *, width: int = 100) -> str:
    """The summary as plain text of at most `width` characters a line."""
    out = io.StringIO()
    show(summary, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def show(summary: Summary, console: Console) -> None:
    """Print the summary."""
    for part in _parts(summary, console.width):
        console.print(part, soft_wrap=isinstance(part, Text))


def _parts(summary: Summary, width: int) -> Iterator[RenderableType]:
    totals = summary.totals
    played = ", ".join(f"{count:,} {topic}" for topic, count in summary.played.items())
    yield Text(f"Played {played or 'nothing'} in {summary.seconds:.1f} s.")
    counts = ", ".join(f"{totals.get(name, 0):,} {name.replace('_', '-')}" for name in _ROADS)
    yield Text(f"Read {totals.get('read', 0):,} events: {counts}. {totals.get('users', 0):,} users.")
    for matrix in summary.matrices:
        yield Text()
        yield _table(matrix, width)
    yield Text()
    yield Text("Alerts:" if summary.alerts else "Alerts: none.")
    for alert in summary.alerts:
        yield Text(f"  {alert_line(alert)}")
    if summary.page is not None:
        yield Text()
        yield Text(f"Page: {summary.page}")


_ROADS = ("counted", "dead_lettered", "dropped")


def _table(matrix: Matrix, width: int) -> RenderableType:
    every: list[Mapping[str, Any]] = [
        cohort
        for series in matrix.answer["segments"]
        if series["segment"] == matrix.segment
        for cohort in series["cohorts"]
    ]
    # A row of dots alone says nothing.
    cohorts = [cohort for cohort in every if any(observed(cohort, index) for index in matrix.at or (0,))]
    if not cohorts:
        return Text(f"{matrix.title}: no cohort yet.")
    grain = matrix.answer["grain"]
    shown = cohorts[-MOST_ROWS:]
    last = max(index for cohort in shown for index in range(len(cohort["retained"])) if observed(cohort, index))
    cell = max(_CELL, len(f"{grain} {last}")) + _GAP
    chosen = matrix.at or indexes(last, most=max(1, (width - _FIRST_COLUMNS) // cell))
    table = Table(title=matrix.title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column(f"{grain} of", justify="left", no_wrap=True)
    table.add_column("users", justify="right", no_wrap=True)
    for index in chosen:
        table.add_column(f"{grain} {index}", justify="right", no_wrap=True)
    for cohort in shown:
        cells = [share(cohort, index) for index in chosen]
        table.add_row(cohort["start"], f"{cohort['size']:,}", *cells)
    if len(cohorts) > MOST_ROWS:
        table.caption = f"the last {MOST_ROWS} of {len(cohorts)}"
        table.caption_justify = "left"
    return table


def indexes(last: int, *, most: int) -> list[int]:
    """The period indexes to show: 1 to `last`, thinned evenly to at most `most`, the last one always there.

    >>> indexes(17, most=6)
    [2, 5, 8, 11, 14, 17]
    >>> indexes(3, most=6)
    [1, 2, 3]
    """
    if last < 1:
        return []
    step = -(-last // most)
    return list(range(last, 0, -step))[::-1]


def share(cohort: Mapping[str, Any], index: int) -> str:
    """One cell: the share retained, or a dot where it is not yet observed.

    >>> share({"size": 200, "retained": [200, 50, None]}, 1)
    '25.0 %'
    """
    if not observed(cohort, index) or not cohort["size"]:
        return NOT_OBSERVED
    return f"{100 * cohort['retained'][index] / cohort['size']:.1f} %"


def observed(cohort: Mapping[str, Any], index: int) -> bool:
    """Whether the cell is observed: within the cohort's row and not null."""
    return index < len(cohort["retained"]) and cohort["retained"][index] is not None


def alert_line(alert: Mapping[str, Any]) -> str:
    """One change of an alert in one line."""
    segment = ", ".join(f"{name}={value}" for name, value in alert["segment"].items()) or "all users"
    if alert["value"] is None or alert["threshold"] is None or alert.get("figure", "retention") != "retention":
        what = alert["state"] if alert.get("health", "ok") == "ok" else alert["health"]
        return f"{what:<8} {alert['rule']} ({segment}): {alert['reason']}, {alert['cohort']}; {alert['at']}"
    return (
        f"{alert['state']:<8} {alert['rule']} ({segment}): {100 * alert['value']:.1f} % of {alert['group']:,} users "
        f"of the {alert['grain']} of {alert['cohort']} were back on {alert['grain']} {alert['index']}, "
        f"limit {100 * alert['threshold']:.0f} %; closed {alert['at']}"
    )
