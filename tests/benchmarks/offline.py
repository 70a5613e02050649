"""How fast `stream-app analyze` reads a file, in how much memory: JSON lines, CSV and Parquet of the same events.

    python -m tests.benchmarks.offline --events 2000000
    python -m tests.benchmarks.offline --events 2000000 --copies 40

Each run is the command in a process of its own, start-up included; wall clock and CPU (of all threads) beside each
other, memory at its peak. `mapped` is JSON lines with a `--map`. All have to give the same JSON. With `--copies`, the
events come so often one after another through standard input, each time a month later and of other users, of whom there
are seven times as many: a large file is not needed.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, NamedTuple

#: Of all events: the month they begin in.
BEGIN = b"2024-03-"
COLUMNS = ("type", "event_id", "user_id", "occurred_at", "order_id", "amount", "currency", "plan", "country")
FORMATS = ("jsonl", "mapped", "csv", "parquet")
#: By question: what it is told, and the options.
QUESTIONS = {
    "retention by day": [],
    "24-hour windows": ["--windows", "24h"],
    "value by plan": ["--figure", "value", "--grain", "week", "--segment", "plan"],
}


class Ran(NamedTuple):
    """What a run took."""

    seconds: float
    cpu: float
    peak_mb: float
    output: bytes


def run(path: str, options: list[str], feed: list[Path] | None = None) -> Ran:
    """Runs `analyze`; its standard input is what `feed` makes of the files."""
    line = [sys.executable, "-m", "stream_app", "analyze", path, "--json", *options]
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(line, stdin=subprocess.PIPE if feed else None, stdout=output)
        if feed:
            assert process.stdin is not None
            feeding = threading.Thread(target=pour, args=(feed, process.stdin))
            feeding.start()
            feeding.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(line)} ended with {process.returncode}")
        output.seek(0)
        seconds = time.perf_counter() - begun
        return Ran(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read())


def pour(copies: list[Path], pipe: IO[bytes]) -> None:
    """Writes the first file as often as there are entries, each time a month later and under other ids."""
    data = copies[0].read_bytes()
    with pipe:
        for number in range(len(copies)):
            year, month = divmod(number, 12)
            later = data.replace(b'"occurred_at":"' + BEGIN, b'"occurred_at":"%d-%02d-' % (2000 + year, month + 1))
            if month == 1:  # there is no 30th of February
                later = later.replace(b"-02-", b"-03-")
            pipe.write(later.replace(b'"user-', b'"user%d-' % (number % 7)).replace(b'"order-', b'"order%d-' % number))


def write(files: dict[str, Path], events: int, users: int) -> None:
    """Writes the files by format."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    from tests.benchmarks import workload

    made = workload.make(events, users, seed=1)
    with files["jsonl"].open("wb") as lines, files["csv"].open("w", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(COLUMNS)
        for _, _, _, value in made.records():
            lines.write(value + b"\n")
            event = json.loads(value, parse_float=str)
            rows.writerow([(event | event["segment"]).get(name, "") for name in COLUMNS])
    texts = dict.fromkeys(COLUMNS, pa.string())
    table_ = pyarrow.csv.read_csv(
        files["csv"], convert_options=pyarrow.csv.ConvertOptions(column_types=texts, strings_can_be_null=True)
    )
    place = COLUMNS.index("occurred_at")
    times = table_["occurred_at"].cast(pa.timestamp("ms", "UTC"))
    pyarrow.parquet.write_table(table_.set_column(place, "occurred_at", times), files["parquet"])


def main() -> None:
    """Prints what each format took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--formats", default=",".join(FORMATS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stream-app-benchmark-") as folder:
        files = {form: Path(folder) / f"events.{form.replace('mapped', 'jsonl')}" for form in FORMATS}
        # In a process of its own: the peak of a child begins with the memory of its parent.
        making = multiprocessing.get_context("spawn").Process(target=write, args=(files, options.events, options.users))
        making.start()
        making.join()
        print(f"{'':<18}{'':<9}{'MB':>8}{'seconds':>9}{'events/s':>12}{'CPU s/M':>9}{'peak MB':>9}")
        if options.copies:
            show("retention by day", "stdin", options.events * options.copies, copied(files["jsonl"], options.copies))
            return
        for question, asked in QUESTIONS.items():
            answers = set()
            for form in options.formats.split(","):
                mapping = ["--map", "segment.plan=segment.plan"] if form == "mapped" else []
                runs = [run(str(files[form]), asked + mapping) for _ in range(options.rounds)]
                best = min(runs, key=lambda one: one.seconds)
                answers |= {one.output for one in runs}
                show(question, form, options.events, (best, files[form].stat().st_size))
            if len(answers) != 1:
                raise SystemExit(f"{question}: the formats do not agree")


def copied(file: Path, copies: int) -> tuple[Ran, int]:
    """What so many copies through standard input took, and their bytes."""
    return run("-", [], [file] * copies), file.stat().st_size * copies


def show(question: str, form: str, events: int, took: tuple[Ran, int]) -> None:
    """Prints a line."""
    ran, size = took
    print(
        f"{question:<18}{form:<9}{size / 1e6:>8,.0f}{ran.seconds:>9.2f}{events / ran.seconds:>12,.0f}"
        f"{ran.cpu / events * 1e6:>9.2f}{ran.peak_mb:>9.0f}", flush=True,
    )  # fmt: skip


if __name__ == "__main__":
    main()
