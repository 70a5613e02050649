"""What came out: the table, and the figures as JSON."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tests.benchmarks.contenders import AIOKAFKA, CONFLUENT, FAUST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.benchmarks.contenders import Contender
    from tests.benchmarks.run import Run


@dataclass
class Score:
    """A contender and its runs."""

    contender: Contender
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def rate(self) -> float:
        """Events a second, the median."""
        return statistics.median(run.rate for run in self.runs)


def figures(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """One object a contender: medians over its runs, the largest peak, ratios of the medians."""
    rates = {score.name: score.rate for score in scores}
    faust, limit = rates.get(FAUST), rates.get(CONFLUENT, rates.get(AIOKAFKA))
    return [
        {
            "name": score.name,
            "title": score.contender.title,
            "reads_only": score.contender.reads_only,
            "events": max(run.events for run in score.runs),
            "rounds": len(score.runs),
            "rate": score.rate,
            "least": min(run.rate for run in score.runs),
            "most": max(run.rate for run in score.runs),
            "cpu_per_million": statistics.median(run.cpu_per_million for run in score.runs),
            "peak": max(run.peak for run in score.runs),
            "to_faust": score.rate / faust if faust else None,
            "of_limit": score.rate / limit if limit else None,
        }
        for score in scores
    ]


def table(found: Sequence[dict[str, Any]], workload: str) -> Table:
    """The figures, a row a contender."""
    drawn = Table(title="Daily retention from Kafka, one core", caption=workload)
    drawn.add_column(no_wrap=True)
    for heading in ("events", "rounds", "events/s", "least to most, k", "CPU s per million", "peak MB"):
        drawn.add_column(heading, justify="right")
    drawn.add_column("to Faust", justify="right")
    drawn.add_column("of the limit", justify="right")
    for row in found:
        drawn.add_row(
            row["title"], f"{row['events']:,}", str(row["rounds"]), f"{row['rate']:,.0f}",
            f"{thousands(row['least'])} to {thousands(row['most'])}", f"{row['cpu_per_million']:,.1f}",
            f"{row['peak'] / 1e6:,.0f}", _shown(row["to_faust"], "{:,.1f} x"), _shown(row["of_limit"], "{:.1%}"),
        )  # fmt: skip
    return drawn


def thousands(rate: float) -> str:
    """A rate in thousands, with two digits or more."""
    return f"{rate / 1000:,.0f}" if rate >= 10_000 else f"{rate / 1000:.1f}"


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def as_json(found: Sequence[dict[str, Any]], scores: Sequence[Score], workload: str) -> str:
    """All of it: figures, single runs without their matrices, what it ran on."""
    runs = {score.name: [{**asdict(run), "matrix": None} for run in score.runs] for score in scores}
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    whole = {"workload": workload, "machine": machine, "contenders": list(found), "runs": runs}
    return json.dumps(whole, indent=1) + "\n"
