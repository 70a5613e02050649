"""What the contenders in Python share: the command line, the clock, the result; and what one event changes.

python -m tests.benchmarks.peers.NAME BOOTSTRAP VISITS PURCHASES EVENTS RESULT
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks.machine import peak_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A user's first day, and the days seen: bit i is set for the first day + i. Both fit JSON's integers.
State = tuple[int, int]
#: Cohort's day, days since, and how many users more.
Change = tuple[int, int, int]
_EPOCH = dt.date(1970, 1, 1).toordinal()


@dataclass
class Job:
    """One run. The clock is started by the first record, and read when the last one is counted."""

    bootstrap: str
    visits: str
    purchases: str
    events: int
    result: Path
    started: float = field(default=0.0, init=False)
    cpu: float = field(default=0.0, init=False)

    @classmethod
    def of_command_line(cls) -> Job:
        bootstrap, visits, purchases, events, result = sys.argv[1:]
        return cls(bootstrap, visits, purchases, int(events), Path(result))

    @property
    def name(self) -> str:
        """Not used by any other run: for groups, topics and folders."""
        return self.result.stem

    def begin(self) -> None:
        """The first record is here; called again, it does nothing."""
        if not self.started:
            self.started, self.cpu = time.monotonic(), time.process_time()

    def end(self, matrix: Mapping[tuple[int, int], int] | None = None, note: str = "") -> None:
        """Writes the result, whole: all is counted (and durable, where the contender makes it so)."""
        found = {
            "events": self.events,
            "seconds": time.monotonic() - self.started,
            "cpu": time.process_time() - self.cpu,
            "peak": peak_memory(),
            "matrix": [[*cell, users] for cell, users in matrix.items() if users] if matrix is not None else None,
            "note": note,
        }
        part = self.result.with_suffix(".part")
        part.write_text(json.dumps(found))
        part.rename(self.result)


@lru_cache(maxsize=1024)
def day_number(date: str) -> int:
    """Days since 1970 of an ISO date. Events fall on few days: looking one up costs a tenth of parsing it."""
    return dt.date.fromisoformat(date).toordinal() - _EPOCH


def see(state: State | None, day: int) -> tuple[State, list[Change]]:
    """A user's next state and what it changes in the matrix; the same state and nothing where the day was known.

    Topics are read side by side, not in order of time, so a user's first day may turn out to be an earlier one.
    """
    if state is None:
        return (day, 1), [(day, 0, 1)]
    first, days = state
    if day >= first:
        bit = 1 << (day - first)
        return (state, []) if days & bit else ((first, days | bit), [(first, day - first, 1)])
    seen = [index for index in range(days.bit_length()) if days >> index & 1]
    moved = [(first, index, -1) for index in seen] + [(day, index + first - day, 1) for index in seen]
    return (day, days << (first - day) | 1), [*moved, (day, 0, 1)]
