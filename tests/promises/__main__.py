"""`cd tests && python -m promises`: simulates years of alerts and prints what became of the promise."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from promises.measured import Measured, measure_all
from promises.pictures import draw
from promises.scenes import CHAPTERS, FALLS, QUIET
from promises.tables import table


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m promises", description=__doc__)
    parser.add_argument("--streams", type=int, default=200, help="segments of a rule, which share its budget")
    parser.add_argument("--seeds", type=int, default=3, help="years that are simulated, each by itself")
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--chapter", choices=[str(i) for i in range(1, len(CHAPTERS) + 1)], action="append")
    parser.add_argument("--png", type=Path, help="where to draw the first two chapters")
    chosen = parser.parse_args(arguments)
    seeds = range(1, chosen.seeds + 1)
    print(
        f"{chosen.streams} streams, {chosen.seeds} seeds; rho 0.005; budget: 1 false alarm per year over all streams\n"
    )
    pictured: list[Measured] = []
    for number, (title, chapter) in enumerate(CHAPTERS.items(), 1):
        if chosen.chapter and str(number) not in chosen.chapter:
            continue
        begun = time.perf_counter()
        rows = list(measure_all(chapter, streams=chosen.streams, seeds=seeds, workers=chosen.workers))
        print(table(title, rows), f"\n\n({time.perf_counter() - begun:.0f} s)\n", flush=True)
        if chapter in (QUIET, FALLS):
            pictured += rows
    if chosen.png is not None and pictured:
        draw(pictured, chosen.png)


if __name__ == "__main__":
    main()
