"""The same question asked of everything that counts: lists, what `analyze` gathers, and the live service's tables."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from oracle.history import property_of, text
from properties.histories import DEFINITIONS
from support.counting import Part, batch_of
from support.population import ListPopulation

from stream_app.codecs.tallies import decode_tally, encode_tally
from stream_app.domain.filters import conditions_of
from stream_app.domain.metrics.census.asked import Asked
from stream_app.domain.metrics.figures import answer, census
from stream_app.domain.metrics.live import LivePopulation
from stream_app.domain.metrics.query import parse
from stream_app.domain.metrics.tally import Tally
from stream_app.offline.gather import Gathering
from stream_app.offline.needs import Needs
from stream_app.offline.run import analyze
from stream_app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from properties.histories import Case, Past

    from stream_app.domain.events import EventBatch
    from stream_app.domain.filters import Where
    from stream_app.domain.metrics.population import Population

DIMENSIONS = ("plan",)
Event = dict[str, Any]


def asked_of(past: Past, case: Case) -> Asked:
    """The question as the service and `analyze` ask it."""
    query = parse(case.given, definitions=DEFINITIONS, dimensions=DIMENSIONS, calendar=past.calendar)
    last = max((event["time"] for event in past.events), default=None)
    return Asked(query, past.calendar, case.question.watermark, last)


def answered(asked: Asked, populations: Sequence[Population], *, sent: bool = False) -> dict[str, Any]:
    """The answer of several partitions, whose tallies may have been `sent` from one worker to another."""
    tallies = [census(asked, population) for population in populations]
    return answer(asked, Tally.merged([decode_tally(encode_tally(t)) for t in tallies] if sent else tallies))


def shared_out(events: Sequence[Event], partitions: int) -> list[list[Event]]:
    """The events by partition: each user's lie in one."""
    return [[e for e in events if int(e["user"][1:]) % partitions == number] for number in range(partitions)]


def batch_with(events: Sequence[Event], conditions: Sequence[Where], combos: list[Any] | None = None) -> EventBatch:
    """Events as columns, with what the decoder says of their conditions."""
    batch = batch_of(events, DIMENSIONS, combos)
    batch.matches = np.array(
        [
            sum(1 << bit for bit, where in enumerate(conditions) if all(text(property_of(e, n)) == v for n, v in where))
            for e in events
        ],
        np.uint32,
    )
    return batch


class UntilPopulation(ListPopulation):
    """Everything of a list before an instant, and the orders as all of the list has them."""

    def __init__(self, events: Sequence[Event], end: int, **options: Any) -> None:
        super().__init__([e for e in events if e["time"] < end], **options)
        self._all = ListPopulation(events, **options)

    def slices(self) -> Any:
        """Those of the users who were there before, with the orders of all."""
        names = [events[0]["user"] for events in self._users]
        every = {events[0]["user"]: events for events in self._all._users}
        step = self._per_slice
        for part, start in zip(super().slices(), range(0, len(names), step), strict=True):
            whole = type(part)(self._all, [every[name] for name in names[start : start + step]])
            part.orders = whole.orders  # type: ignore[method-assign]
            yield part


def listed(asked: Asked, events: Sequence[Event], partitions: int, per_slice: int) -> dict[str, Any]:
    """Counted from plain lists."""
    options: dict[str, Any] = {"calendar": asked.calendar, "dimensions": DIMENSIONS, "per_slice": per_slice}
    parts = shared_out(events, partitions)
    return answered(asked, [UntilPopulation(own, asked.end, **options) for own in parts])


def gathered(asked: Asked, batches: Sequence[Sequence[Event]], *, in_memory: int) -> dict[str, Any]:
    """Counted from what `analyze` keeps of batches; `in_memory`: bytes from which on that goes to files."""
    needs = Needs.of(asked.query)
    conditions = conditions_of((*needs.first, *needs.active))
    gathering = Gathering(needs, asked.calendar, conditions=conditions, in_memory=in_memory)
    dimensions = DIMENSIONS if needs.dimensions else ()
    for events in batches:
        batch = batch_with(events, conditions) if dimensions else batch_of(events, ())
        batch.matches = batch_with(events, conditions).matches
        gathering.add(batch.where(batch.times < asked.end))
        gathering.add_orders(batch.where(batch.times >= asked.end))
    return answered(asked, [gathering.population()])


class Tables(Part):
    """One source partition with everything that the service can keep."""

    def __init__(self, past: Past, hour_days: int) -> None:
        super().__init__(past.calendar, dimensions=DIMENSIONS, kept=DEFINITIONS, hour_days=hour_days, orders=True)

    def take(self, events: Sequence[Event]) -> None:
        if events:
            batch = batch_with(events, self.table.conditions, self.combos)
            users = self.table.users_of(batch)
            self.counters.apply(self.table.advance_users(batch, users))
            assert self.orders is not None
            self.orders.join(users, batch)

    def population(self) -> LivePopulation:
        assert self.orders is not None
        return LivePopulation(self.table, self.orders.arranged())


def line(event: Event) -> bytes:
    """An event as it is sent."""
    sent = {name: event[name] for name in ("event_id", "properties", "channel") if name in event}
    sent |= {"user_id": event["user"], "occurred_at": event["time"], "segment": event["segment"], "type": "visit"}
    if event["kind"] != "visit":
        cents = abs(event["amount"])
        sign = "-" if event["amount"] < 0 else ""
        sent |= {"type": "purchase", "currency": "usd", "amount": f"{sign}{cents // 100}.{cents % 100:02d}"}
        sent["order_id"] = event.get("order_id", event["event_id"])
    return json.dumps(sent).encode() + b"\n"


def analyzed(past: Past, case: Case, events: Sequence[Event], directory: Path, form: str) -> dict[str, Any]:
    """What `stream-app analyze` says of a file of one form (jsonl, csv, parquet) with these events in this order."""
    path = directory / "events.jsonl"
    if form == "jsonl":
        path.write_bytes(b"".join(map(line, events)))
    else:
        path = flat(events, directory, form)
    settings = Settings(timezone=past.timezone, week_start=past.week_start, definitions=DEFINITIONS)
    return analyze(str(path), case.given, settings=settings)


def flat(events: Sequence[Event], directory: Path, form: str) -> Path:
    """The events as rows of a CSV or Parquet file; what conditions look at is a column, too."""
    rows = []
    for event in events:
        sent = json.loads(line(event))
        places = (event.get("properties") or {}, event, event["segment"])
        channel = next((place["channel"] for place in places if "channel" in place), None)
        text_of = channel if channel is None or isinstance(channel, str) else json.dumps(channel)
        row = {
            name: sent.get(name)
            for name in ("order_id", "type", "occurred_at", "user_id", "event_id", "amount", "currency")
        }
        rows.append(row | {"plan": event["segment"]["plan"], "channel": text_of})
    path = directory / f"events.{form}"
    names = ["order_id", "type", "occurred_at", "user_id", "event_id", "amount", "currency", "plan", "channel"]
    columns = {name: [row[name] for row in rows] for name in names}
    if form == "parquet":
        kinds = {name: pa.int64() if name == "occurred_at" else pa.string() for name in names}
        table = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
        pyarrow.parquet.write_table(table, path, row_group_size=7)
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter=";")
            writer.writerows([names, *zip(*columns.values(), strict=True)])
    return path
