"""A product that does not exist: new users and their visits, day by day, and a retention drop in one plan.

A user of a plan is back on day k after the first visit with a probability that falls with k and is the plan's
day-7 figure at k = 7. From `drop_day` on, users of the plan `pro` are back far less often, whatever their cohort,
so the first cohort whose day 7 shows it is the one that began seven days before. The same seed gives the same
events to the byte: only `Random.random()` is drawn from, whose sequence Python guarantees.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from importlib.resources import files
from random import Random
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator

DIMENSIONS = ("plan", "country")
DROPPING = "pro"


class Plan(NamedTuple):
    """One plan of the product."""

    name: str
    daily: int  #: new users a day, before the chance of up to a tenth more
    day_7: float  #: probability of a visit on day 7 after the first


PLANS = (Plan("free", 120, 0.22), Plan(DROPPING, 130, 0.50), Plan("team", 40, 0.58))
#: Countries and the cumulative share of users.
COUNTRIES = (("US", 0.45), ("DE", 0.70), ("IN", 0.88), ("BR", 1.0))
#: A user is not simulated beyond this day after the first visit.
LAST_RETURN = 12
#: No day's return probability passes this.
MOST = 0.65
FIRST_SECOND, LAST_SECOND = 6 * 3600, 24 * 3600 - 1


@dataclass(frozen=True)
class Simulation:
    """What is simulated. The defaults are the demo's: about 98,000 visits of 18,000 users."""

    start: dt.date = dt.date(1998, 7, 1)  # right after the purchase log
    days: int = 60
    drop_day: int = 50  #: days after `start`; `days` or more: no drop
    dropped_to: float = 0.25  #: factor on the return probability of `pro` from then on
    seed: int = 7

    @property
    def drops_on(self) -> dt.date:
        """The first date with the lower return probability."""
        return self.start + dt.timedelta(days=self.drop_day)


class Visit(NamedTuple):
    """One visit. Sorts by time, then user."""

    at: int  #: seconds since the start of the simulation
    user: str
    age: int  #: days since the user's first visit
    plan: str
    country: str


def return_probability(plan: Plan, age: int, *, dropped_to: float = 1.0) -> float:
    """Probability of a visit on day `age` (from 1) after the first: the day-7 figure times 7 / age, bounded."""
    return min(MOST, plan.day_7 * 7 / age) * dropped_to


def visits(simulation: Simulation) -> list[Visit]:
    """All visits in the order of their time. At most one a user and day."""
    random = Random(simulation.seed)  # noqa: S311  (a simulation, no secret)
    seen: list[Visit] = []
    for day in range(simulation.days):
        for plan in PLANS:
            for number in range(plan.daily + int(plan.daily * 0.1 * random.random())):
                user = f"sim-{day:02d}-{plan.name}-{number:03d}"
                share = random.random()
                country = next(name for name, upto in COUNTRIES if share < upto)
                for age in range(min(LAST_RETURN, simulation.days - 1 - day) + 1):
                    dropped = plan.name == DROPPING and day + age >= simulation.drop_day
                    factor = simulation.dropped_to if dropped else 1.0
                    if age and random.random() >= return_probability(plan, age, dropped_to=factor):
                        continue
                    second = FIRST_SECOND + int(random.random() * (LAST_SECOND - FIRST_SECOND))
                    seen.append(Visit((day + age) * 86_400 + second, user, age, plan.name, country))
    seen.sort()
    return seen


def events(simulation: Simulation | None = None) -> Iterator[tuple[bytes, bytes]]:
    """The visits as (key, value) of Kafka records, ordered by time: key = user id, value = a visit event in JSON."""
    simulation = simulation or Simulation()
    dates = [(simulation.start + dt.timedelta(days=day)).isoformat() for day in range(simulation.days)]
    for visit in visits(simulation):
        day, second = divmod(visit.at, 86_400)
        hour, minute = second // 3600, second // 60 % 60
        event = {
            "type": "visit",
            "event_id": f"{visit.user}-{visit.age}",
            "user_id": visit.user,
            "occurred_at": f"{dates[day]}T{hour:02d}:{minute:02d}:{second % 60:02d}Z",
            "segment": {"plan": visit.plan, "country": visit.country},
        }
        yield visit.user.encode(), orjson.dumps(event)


def rules_text(*, slack_channel: str | None = None) -> str:
    """The demo's alert rules (YAML): told on the console, and in a Slack channel where one is given.

    Args:
        slack_channel: such as `#retention`; None where no Slack token is set.
    """
    text = files(__package__).joinpath("rules.yml").read_text("utf-8")
    if slack_channel is None:
        return text
    return text.replace("to: [console]", f'to: [console, "slack:{slack_channel}"]')
