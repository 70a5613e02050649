"""What the scenarios share: a broker, paths to it, a Redis, and the figures that every one must end with."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - a field's type
from typing import Any

import servers

from faults.expected import Expected
from faults.load import Event, Load
from faults.paths import Paths

TIMEZONE, WEEK_START, INACTIVITY_DAYS, LATENESS = "Europe/Berlin", "sunday", 30, 600
#: How many days of churn are asked for: what rings of 128 days are sure to hold. Of earlier ones the service counts its
#: users' bitmaps, of which `Expected` knows nothing.
CHURN_DAYS = 120 - INACTIVITY_DAYS


@dataclass(frozen=True)
class Options:
    """How much of everything.

    Attributes:
        seed: of the load and of all that is done at random.
        events, days, users, partitions: the load.
        workers: how many own the partitions between them.
        seconds: the time most of the load takes to be written.
        faults: how many of one kind, where a scenario counts them.
        outage: seconds of an outage.
        patience: seconds that are waited for the service to catch up.
        former: a checkout of a former version, which the rolling upgrade begins with.
    """

    seed: int = 20_261_122
    events: int = 20_000
    days: int = 100
    users: int = 2_500
    partitions: int = 4
    workers: int = 2
    seconds: float = 8.0
    faults: int = 3
    outage: float = 8.0
    patience: float = 90.0
    former: Path | None = None

    @property
    def load(self) -> Load:
        return Load(self.seed, self.events, self.partitions, self.days, self.users)


LONG = Options(
    events=2_000_000, days=370, users=300_000, partitions=6, workers=3, seconds=90.0, faults=21, outage=62.0,
    patience=600.0,
)  # fmt: skip

Query = tuple[str, tuple[tuple[str, Any], ...]]


class Rig:
    """Starts everything, and stops it. `folder` holds data and logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = Paths(4)
        self.broker = servers.KafkaBroker(folder / "kafka")
        # The log cleaner looks every second, so that it runs within a scenario.
        self.broker.properties |= {"log.cleaner.backoff.ms": "1000", **self.paths.properties(self.broker)}
        (folder / "redis").mkdir(parents=True, exist_ok=True)
        self.redis = servers.RedisServer(folder / "redis")
        self._answers: dict[Load, dict[Query, dict[str, Any]]] = {}

    def start(self) -> None:
        self.paths.start()
        self.broker.start()
        self.redis.start()

    def stop(self) -> None:
        self.redis.kill()
        self.broker.wipe()
        self.paths.stop()

    def answers(self, load: Load) -> dict[Query, dict[str, Any]]:
        """What the API must answer, by query, once the load and its closing events are counted."""
        if load not in self._answers:
            self._answers[load] = dict(_answers(load))
        return self._answers[load]


def watermark(load: Load) -> int:
    """The service's watermark (ms) once the closing events are read."""
    return load.closing()[0].time - LATENESS * 1000


def _answers(load: Load) -> Any:
    started = time.monotonic()
    expected = Expected(timezone=TIMEZONE, week_start=WEEK_START, inactivity_days=INACTIVITY_DAYS)
    expected.add(record for record in load.arrivals() if isinstance(record, Event))
    expected.add(load.closing())
    for definition in ("engagement", "repurchase"):
        for dimension in (None, "plan", "country"):
            of = {"definition": definition, "dimension": dimension, "watermark": watermark(load)}
            named = {"definition": definition} | ({"segment": dimension} if dimension else {})
            for grain in ("day", "week", "month"):
                for kind in ("classic", "rolling"):
                    query = named | {"grain": grain, "kind": kind}
                    yield ("retention", tuple(query.items())), expected.retention(grain=grain, kind=kind, **of)
            yield ("churn", tuple((named | {"last": CHURN_DAYS}).items())), expected.churn(days=CHURN_DAYS, **of)
    users, seconds = len(expected.first), time.monotonic() - started
    print(f"The oracle has read {load.events} records of {users} users in {seconds:.0f} s.", flush=True)
