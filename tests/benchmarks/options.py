"""The command's options."""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.contenders import SERVICE, everybody
from tests.benchmarks.log import Batching

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Events, users, rounds, events of the sample.
LONG, SHORT = (2_000_000, 300_000, 3, 80_000), (60_000, 10_000, 1, 3_000)
#: Left out of the short form unless they are named: building them brings 200 MB.
JAVA = ("kafka-streams", "flink-rocksdb", "flink-heap")


def parse(arguments: Sequence[str] | None, description: str | None) -> argparse.Namespace:
    """The options; `contenders` and `batching` are made from them. Exits with 2 where one is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, help=f"visits and purchases (default {LONG[0]:,})")
    parser.add_argument("--users", type=int, help=f"users they are of, some of whom never come (default {LONG[1]:,})")
    parser.add_argument("--seed", type=int, default=1, help="the workload follows from it (default 1)")
    parser.add_argument("--rounds", type=int, help=f"how often each runs; slow ones once (default {LONG[2]})")
    parser.add_argument("--sample", type=int, help=f"events for idiomatic Faust (default {LONG[3]:,})")
    parser.add_argument("--only", metavar="NAME,...", help=f"of {', '.join(one.name for one in everybody(1))}")
    parser.add_argument("--workers", type=int, default=1, help="also so many workers of the service (default 1)")
    parser.add_argument(
        "--batch-bytes", type=int, default=16_384, help="producers' batch size (default 16,384: Kafka's)"
    )
    parser.add_argument("--batch-records", type=int, help="records in a producer's batch (default: by size)")
    parser.add_argument(
        "--compression", choices=("gzip", "lz4", "snappy", "zstd"), help="of the batches (default none)"
    )
    parser.add_argument("--plot", type=Path, metavar="PATH", help="draw PATH.png and PATH.svg (needs matplotlib)")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures and every run")
    parser.add_argument("--short", action="store_true", help="small numbers, one round: shows that it runs, no more")
    options = parser.parse_args(arguments)
    for name, default in zip(("events", "users", "rounds", "sample"), SHORT if options.short else LONG, strict=True):
        if getattr(options, name) is None:
            setattr(options, name, default)
    for name in ("events", "users", "rounds", "sample", "workers", "batch_bytes", "batch_records"):
        value = getattr(options, name)
        if value is not None and value < 1:
            parser.error(f"--{name.replace('_', '-')} is {value}: give 1 or more")
    if options.plot and importlib.util.find_spec("matplotlib") is None:
        parser.error("--plot needs matplotlib: pip install -e '.[bench]'")
    options.batching = Batching(options.batch_bytes, options.batch_records, options.compression)
    all_of_them = everybody(options.workers)
    names = [one.name for one in all_of_them if not (options.short and one.name in JAVA)]
    if options.only:
        names = [name.strip() for name in options.only.split(",")]
        # `--only stream-app --workers 2` means both of them.
        names += [one.name for one in all_of_them if one.name.startswith(f"{SERVICE}-") and SERVICE in names]
    unknown = set(names) - {one.name for one in all_of_them}
    if unknown:
        parser.error(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(one.name for one in all_of_them)}")
    options.contenders = [one for one in all_of_them if one.name in names]
    return options
