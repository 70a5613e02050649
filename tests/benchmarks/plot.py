"""The figures as a picture: one bar a contender, whiskers from the least round to the most, PNG and SVG.

    python -m tests.benchmarks.plot FIGURES.json PATH

draws it again from what `python -m tests.benchmarks --json FIGURES.json` wrote.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.contenders import SERVICE
from tests.benchmarks.report import thousands

if TYPE_CHECKING:
    from collections.abc import Sequence

OURS, THEIRS, LIMIT = "#1b6f5c", "#8a8f98", "#d9dce1"


def draw(found: Sequence[dict[str, Any]], workload: str, path: Path) -> list[Path]:
    """Writes `path` with the suffixes .png and .svg, whatever its own; returns both. Needs matplotlib."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "stream-app", "font.size": 10})  # the same figures give the same file
    from matplotlib import pyplot as plt

    rows = sorted(found, key=lambda row: float(row["rate"]))
    rates = [row["rate"] / 1000 for row in rows]
    spans = [
        [(row["rate"] - row["least"]) / 1000 for row in rows],
        [(row["most"] - row["rate"]) / 1000 for row in rows],
    ]
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.42 * len(rows)), layout="constrained")
    bars = axes.barh(
        [row["title"] for row in rows], rates, xerr=spans, color=[_colour(row) for row in rows],
        error_kw={"lw": 0.8, "capsize": 2},
    )  # fmt: skip
    # Behind the whisker, so that both can be read.
    labels = [f"{thousands(row['rate'])} k" for row in rows]
    axes.bar_label(bars, labels, padding=6)
    axes.set_xlim(0, max(row["most"] for row in rows) / 1000 * 1.12)
    axes.set_xlabel(f"thousand events a second, one core\n{workload}")
    axes.spines[["top", "right"]].set_visible(False)
    files = [path.with_suffix(suffix) for suffix in (".png", ".svg")]
    for file in files:
        # Without a date, for the same reason.
        figure.savefig(file, dpi=150, metadata={"Date": None} if file.suffix == ".svg" else None)
    plt.close(figure)
    return files


def _colour(row: dict[str, Any]) -> str:
    if row["reads_only"]:
        return LIMIT
    return OURS if str(row["name"]).startswith(SERVICE) else THEIRS


if __name__ == "__main__":
    saved = json.loads(Path(sys.argv[1]).read_text())
    draw(saved["contenders"], saved["workload"], Path(sys.argv[2]))
