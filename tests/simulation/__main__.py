"""`cd tests && python -m simulation`: plays schedules, and says which went wrong and what happened in them.

`--seed N` plays one and prints what happened in it, step by step.
"""

from __future__ import annotations

import argparse
import sys

from simulation.campaign import campaign
from simulation.protocol import BROKEN
from simulation.schedules import play


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, metavar="N", help="how many (default: 10000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="only this one, with all that happens in it")
    parser.add_argument("--processes", type=int, metavar="N", help="default: one a core")
    parser.add_argument("--broken", choices=sorted(BROKEN), help="break this part of the protocol")
    args = parser.parse_args()
    protocol = BROKEN.get(args.broken)
    if args.seed is not None:
        trace: list[str] = []
        outcome = play(args.seed, protocol, trace=trace)
        print(*trace, f"seed {args.seed}: {outcome.wrong or 'right'}", sep="\n")
        return 1 if outcome.wrong else 0
    report = campaign(range(args.first, args.first + args.schedules), protocol, processes=args.processes)
    print(report)
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
