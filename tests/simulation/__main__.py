"""`cd tests && python -m simulation [--schedules N] [--seed N]`: plays schedules, and says which went wrong."""

from __future__ import annotations

import argparse
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from simulation.schedules import wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=10_000, metavar="N", help="how many (default: 10000)")
    parser.add_argument("--first", type=int, default=0, metavar="SEED", help="the first seed (default: 0)")
    parser.add_argument("--seed", type=int, metavar="SEED", help="only this one")
    args = parser.parse_args()
    if args.seed is not None:
        print(f"seed {args.seed}: {wrong(args.seed) or 'right'}")
        return 0
    started = time.perf_counter()
    seeds = range(args.first, args.first + args.schedules)
    with ProcessPoolExecutor() as pool:
        failures = {seed: why for seed, why in zip(seeds, pool.map(wrong, seeds, chunksize=50), strict=True) if why}
    took = time.perf_counter() - started
    print(
        f"{len(seeds)} schedules in {took:.0f} s ({1000 * took / len(seeds):.1f} ms each): {len(failures)} went wrong"
    )
    for seed, why in failures.items():
        print(f"  seed {seed}: {why}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
