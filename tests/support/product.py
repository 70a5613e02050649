"""Products that are played into a running service day by day, under alert rules."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from typing import TYPE_CHECKING, Any

import servers

from support.workers import produce, read_all, visit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from support.cluster import Cluster

START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
USERS, RETURNING, INDEX = 20, 15, 7
#: The cohort whose users do not return, and the days on which the cells of it and of the next one close.
BAD_COHORT = 3
FIRED, RESOLVED = BAD_COHORT + INDEX, BAD_COHORT + INDEX + 1


class Played:
    """A product, day by day.

    Args:
        cluster: the service; its settings get the rules, before workers start.
        rules: the text of the rules file.
    """

    def __init__(self, cluster: Cluster, rules: str) -> None:
        self.cluster, self.produced = cluster, 0
        self._days, self._numbers = itertools.count(), itertools.count()
        self.rules = cluster.folder / "rules.yml"
        self.rules.write_text(rules)
        cluster.settings |= {
            "dimensions": "plan",
            "rules": self.rules,
            # One topic, every partition of which has records of each day: whether a partition is idle decides nothing.
            # Days follow each other within seconds here. Were all partitions taken for idle between two of them, the
            # first that is fetched would close the next day without the events of the others.
            "purchases_topic": cluster.visits,
            "idle_after": 600,
        }

    def _day(self, day: int) -> Iterator[tuple[bytes, bytes]]:
        raise NotImplementedError

    def _of_plan(self, plan: str, day: int, index: int, *, bad: bool) -> Iterator[tuple[bytes, bytes]]:
        """The day of one plan: its new users, those back after `index` days (unless bad), and what closes the day."""
        users = [f"{plan}-{day}-{i}" for i in range(USERS)]
        if (cohort := day - index) >= 0 and not bad:
            users += [f"{plan}-{cohort}-{i}" for i in range(RETURNING)]
        for user in users:
            yield self._visit(user, plan, START + dt.timedelta(days=day, hours=12))
        # Closes the day in every partition that is read: the allowed lateness is ten minutes.
        for i in range(USERS):
            yield self._visit(f"{plan}-0-{i}", plan, START + dt.timedelta(days=day + 1, minutes=11))

    def _visit(self, user: str, plan: str, at: dt.datetime) -> tuple[bytes, bytes]:
        return user.encode(), visit(user, at.isoformat(), next(self._numbers), {"plan": plan})

    async def through(self, last: int) -> None:
        """Plays the days that have not been played, and waits until the service has counted and closed them."""
        for day in self._days:
            self.produced += await produce(self.cluster.bootstrap, self.cluster.visits, self._day(day))
            if day == last:
                break
        closed = (START + dt.timedelta(days=last + 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self.cluster.read(self.produced)
        await servers.eventually(lambda: (self.cluster.get("/api/v1/retention")["as_of"] or "") >= closed, 30, closed)

    async def changes(self) -> list[dict[str, Any]]:
        """The lines of the alerts topic."""
        return [json.loads(record.value) for record in await read_all(self.cluster.bootstrap, self.cluster.alerts)]


class Product(Played):
    """A product whose users of plan pro come back on day 7, but for those who began on one day.

    Args:
        cluster: the service.
        targets: of the rule.
        more: further keys of the rule, as YAML in one line.
    """

    def __init__(self, cluster: Cluster, targets: Iterable[str], more: str = "") -> None:
        super().__init__(
            cluster,
            f"rules: [{{name: day-7, definition: engagement, grain: day, index: {INDEX}, segment: {{plan: pro}},"
            f" below: 0.5, min_group: {USERS}, to: {json.dumps(list(targets))}{more and ', '}{more}}}]",
        )

    def _day(self, day: int) -> Iterator[tuple[bytes, bytes]]:
        return self._of_plan("pro", day, INDEX, bad=day - INDEX == BAD_COHORT)
