"""A judge over tables in memory, a clock that tests move, and what it wrote."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stream_app.agents import judge as module
from stream_app.agents.alert_rows import HISTORY_TABLE, TABLE
from stream_app.agents.notify import TABLE as OUTBOX
from stream_app.agents.notify import Notify
from stream_app.domain.alerts import Command, Quality, RuleSet
from stream_app.engine.ledger import Fenced
from stream_app.engine.tables import Tables
from support.alerts import CALENDAR

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from stream_app.agents.look import Look
    from stream_app.domain.alerts import Course, Notice, Rule
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.tables import Record

NOW = 1_800_000_000_000


class Broker:
    """The topics of the tables, and each write as it came."""

    def __init__(self) -> None:
        self.topics: dict[str, dict[bytes, bytes]] = {}
        self.writes: list[list[Record]] = []
        self.holder = 0

    async def read(self, topic: str) -> AsyncGenerator[tuple[bytes, bytes | None]]:
        for key, value in self.topics.get(topic, {}).items():
            yield key, value

    def ledger(self) -> _Ledger:
        return _Ledger(self)


class _Ledger:
    def __init__(self, broker: Broker) -> None:
        self.broker, self.epoch = broker, 0

    async def start(self) -> None:
        self.broker.holder += 1
        self.epoch = self.broker.holder

    async def write(self, records: Sequence[Record]) -> None:
        if self.epoch != self.broker.holder:
            raise Fenced("tables")
        self.broker.writes.append(list(records))
        for record in records:
            topic = self.broker.topics.setdefault(record.topic, {})
            topic.pop(record.key, None) if record.value is None else topic.update({record.key: record.value})

    async def stop(self) -> None: ...


class Bench:
    """A judge, its rules, and what it shows and tells."""

    def __init__(self, *rules: Rule, look: Look, broker: Broker | None = None) -> None:
        self.broker = broker or Broker()
        self.now = NOW
        self.book: Any = SimpleNamespace(current=RuleSet(rules, Quality(stalled=None)), rules=rules)
        self.failures: list[BaseException] = []
        self.shown: tuple[Sequence[Any], Sequence[Any], Sequence[Any]] = ((), (), ())
        self.notices: list[Notice] = []
        self.withheld: list[str] = []
        self.latest: Snapshot | None = None
        self.tables = Tables(
            {TABLE: "states", HISTORY_TABLE: "history", OUTBOX: "outbox"},
            ledger=self.broker.ledger, read=self.broker.read, fail=self.failures.append,
        )  # fmt: skip
        notify = Notify(self.tables, {}, lambda: self.now / 1000, lambda *_: None)

        def owe(tenure: Any, notices: Sequence[Notice]) -> Any:
            self.notices += notices
            return notify.owe(tenure, notices)

        self.judge = module.Judge(
            self.tables, self.book, look, owe=owe, show=self._show, calendar=CALENDAR, clock=lambda: self.now,
            line=lambda change: module.line("alerts", "app", change), withheld=self.withheld.append, thread=inline,
        )  # fmt: skip

    async def _show(self, now: Any, changes: Any, silences: Any) -> None:
        self.shown = now, changes, silences

    async def own(self) -> Bench:
        self.tables.on_assigned(True, 1)
        await self.tables.taken()
        return self

    async def see(self, snapshot: Snapshot) -> None:
        self.latest = snapshot
        await self.judge.judge(lambda: self.latest)

    async def tick(self, seconds: float = 1.0) -> None:
        self.now += int(seconds * 1000)
        await self.judge.tick(lambda: self.latest)

    async def ask(self, command: Command, following: int) -> None:
        import orjson

        assert self.tables.tenure is not None
        await self.judge.obey(self.tables.tenure, orjson.dumps(command.to_json()), following)

    def told(self) -> list[str]:
        """Each message: its kind and the plans it tells of."""
        return [
            " ".join([n.kind.value, *(f"{c.segment.get('plan', 'all')}-{c.state.value}" for c in n.changes)])
            for n in self.notices
        ]


async def inline(work: Any, *args: Any, **options: Any) -> Any:
    return work(*args, **options)


class Given:
    """A look that gives what it is told to."""

    currency = "USD"

    def __init__(self, courses: Mapping[str, Course | str], value: Any = "no orders") -> None:
        self.given, self.value, self.asked = courses, value, 0

    async def courses(self, rules: Sequence[Rule], _: Snapshot) -> dict[str, Course | str]:
        self.asked += len(rules)
        return {rule.name: self.given[rule.name] for rule in rules}

    async def answer(self, *_: Any) -> Any:
        return self.value
