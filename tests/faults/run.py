"""Runs scenarios one after the other, and says of each what was done and what was found."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from faults.checks import Findings, verify
from faults.rig import LONG, Options, Rig
from faults.scenarios import SCENARIOS
from faults.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Outcome:
    """A scenario that has run."""

    name: str
    seconds: float
    done: dict[str, int] = field(default_factory=dict)
    instants: list[tuple[float, str]] = field(default_factory=list)
    exits: dict[int, int] = field(default_factory=dict)
    found: Findings = field(default_factory=Findings)

    @property
    def good(self) -> bool:
        f = self.found
        return not f.problems and not f.wrong and not f.lost and not f.twice and f.cells > 0

    def __str__(self) -> str:
        f = self.found
        lines = [f"{'ok   ' if self.good else 'WRONG'} {self.name}: {SCENARIOS[self.name].tells}"]
        lines += [f"      {count} x {what}" for what, count in self.done.items()]
        if self.instants:
            lines.append("      at second " + ", ".join(f"{second:g}" for second, _ in self.instants[:60]))
        if self.exits:
            lines.append(f"      workers that ended by themselves, by exit code: {self.exits}")
        lines.append(
            f"      {self.seconds:.0f} s, {f.written:,} records; {f.cells:,} cells compared, {f.wrong:,} wrong; "
            f"events lost {f.lost:,}, twice {f.twice:,}; {f.letters:,} dead letters; {f.changes} changes of alerts "
            f"in {f.messages} messages, {f.withheld} withheld under a silence; {f.commands} commands"
            + (f" ({f.changes_twice} written twice under one id)" if f.changes_twice else "")
        )
        lines += [f"      ! {problem}" for problem in f.problems]
        return "\n".join(lines)


async def run(rig: Rig, name: str, options: Options) -> Outcome:
    """Runs one scenario. What goes wrong is in the outcome."""
    scenario = SCENARIOS[name]
    await asyncio.to_thread(rig.answers, options.load)
    started = time.monotonic()
    former = options.former if name == "upgraded" else None
    settings = scenario.settings if former is None else {}  # a former version knows no such setting
    trial = Trial(rig, name, options, proxied=scenario.proxied, compacted=scenario.compacted, settings=settings)
    trial.cluster.root = former
    outcome = Outcome(name, 0.0)
    async with trial:
        try:
            await trial.begin(scenario.workers or options.workers)
            await scenario.run(trial)
            await trial.end()
            outcome.found = await verify(trial)
        except (Exception, asyncio.CancelledError) as error:
            if not trial.troubles and isinstance(error, asyncio.CancelledError):
                raise
            # A scenario that cannot be run to its end is as wrong as one that loses something.
            logs = "\n".join(f"--- worker {w.port}\n{w.log[-2500:]}" for w in trial.cluster.workers)
            outcome.found.problems += [*trial.troubles, f"{error!r}\n{traceback.format_exc()}\n{logs}"]
    outcome.seconds = time.monotonic() - started
    outcome.done, outcome.instants, outcome.exits = dict(trial.done), trial.instants, dict(trial.exits)
    return outcome


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--long", action="store_true", help="2,000,000 events, 21 kills; without it a short form")
    parser.add_argument("--seed", type=int, help="replays what was done at random, as far as processes can be replayed")
    parser.add_argument("--scenario", nargs="+", choices=sorted(SCENARIOS), help="only these")
    parser.add_argument("--events", type=int)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--former", type=Path, help="a checkout of a former version, for the rolling upgrade")
    parser.add_argument("--folder", type=Path, help="data and logs; kept. Without it, a temporary one")
    return parser.parse_args(words)


def options_of(chosen: argparse.Namespace) -> Options:
    """The options of a command line."""
    base = LONG if chosen.long else Options()
    changes = {name: value for name in ("seed", "events", "workers") if (value := getattr(chosen, name)) is not None}
    if chosen.events:
        changes["users"] = max(chosen.events * base.users // base.events, 100)
    return dataclasses.replace(base, former=chosen.former, **changes)


def main(words: Sequence[str] | None = None) -> int:
    """Prints an outcome a scenario. Returns 1 where anything was wrong."""
    chosen = arguments(words)
    options = options_of(chosen)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    with tempfile.TemporaryDirectory(prefix="stream-app-faults-") as temporary:
        rig = Rig(chosen.folder or Path(temporary))
        rig.start()
        try:
            outcomes = []
            for name in chosen.scenario or SCENARIOS:
                outcomes.append(asyncio.run(run(rig, name, options)))
                print(outcomes[-1], flush=True)
        finally:
            rig.stop()
    wrong = [outcome.name for outcome in outcomes if not outcome.good]
    print(f"{len(outcomes)} scenarios, {sum(o.found.cells for o in outcomes):,} cells compared, "
          f"{sum(o.found.wrong for o in outcomes):,} wrong; seed {options.seed}."
          + (f" Wrong: {', '.join(wrong)}." if wrong else ""))  # fmt: skip
    return 1 if wrong else 0
