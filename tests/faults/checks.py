"""What must hold at the end of every scenario, looked at from outside: figures, topics, workers."""

from __future__ import annotations

import asyncio
import base64
import json
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from oracle import as_of
from support.workers import read_all

from faults import telling
from faults.load import Broken
from faults.rig import watermark
from faults.trial import ALERTS, BROKEN_RULES
from stream_app.domain.alerts import Action
from stream_app.domain.alerts.history import OF_ALERTS

if TYPE_CHECKING:
    from support.workers import Worker

    from faults.load import Event
    from faults.trial import Trial


@dataclass
class Findings:
    """What was found: nothing lost, nothing twice, nothing wrong, or else."""

    written: int = 0
    cells: int = 0
    wrong: int = 0
    lost: int = 0
    twice: int = 0
    letters: int = 0
    changes: int = 0
    changes_twice: int = 0
    messages: int = 0
    withheld: int = 0
    commands: int = 0
    problems: list[str] = field(default_factory=list)

    def expect(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.problems.append(f"{what}: {_short(found)}, should be {_short(wanted)}")


async def verify(trial: Trial) -> Findings:
    """Everything, after the load's end. Writes the closing events itself."""
    found = Findings(problems=trial.troubles)
    load, per_topic = trial.load, 2 * trial.options.partitions
    records = [record for record in load.arrivals() if isinstance(record, Broken)]
    letters = Counter((trial.topics[r.topic], r.key, r.value) for r in records) + Counter(trial.broken)
    before = load.events + trial.again + len(trial.broken)

    await _read(trial, found, before)
    await trial.until(trial.fair, trial.options.patience, "every worker to own its share")
    counts = {worker: worker.metric("stream_app_records_read_total") for worker in trial.running}
    # A few more to every partition: past the end, which closes all before, and then some that are too old.
    await _send(trial, load.closing())
    await _read(trial, found, before + per_topic)
    closed = await trial.until(lambda: _closed(trial, as_of(watermark(load))), 30, "the last periods to close")
    await _send(trial, load.ancient())
    await _read(trial, found, before + 2 * per_topic)

    found.written = await _written(trial)
    found.expect("records in the source topics", found.written, before + 2 * per_topic)
    totals = await trial.totals()
    read = totals.get("read", 0)
    found.lost, found.twice = max(found.written - read, 0), max(read - found.written, 0)
    found.expect("records read", read, found.written)
    found.expect("dead-lettered", totals.get("dead_lettered"), letters.total())
    found.expect("dropped", totals.get("dropped"), per_topic)
    found.expect("counted", totals.get("counted"), found.written - letters.total() - per_topic)
    for worker in trial.running:
        await _consumes(trial, found, worker, counts)
    if closed:
        await _figures(trial, found)
    await _letters(trial, found, letters)
    await _alerts(trial, found)
    return found


async def _read(trial: Trial, found: Findings, records: int) -> None:
    async def read() -> bool:
        return (await trial.totals()).get("read", 0) >= records

    await trial.until(read, trial.options.patience, f"{records} records to be read")


async def _closed(trial: Trial, wanted: str | None) -> bool:
    status = await trial.ask(trial.running[0], "/api/v1/status")
    assert status["figures"]["as_of"] == wanted, (status["figures"]["as_of"], wanted)
    return True


async def _consumes(trial: Trial, found: Findings, worker: Worker, counts: dict[Worker, int]) -> None:
    """A worker has read exactly the last records of its own partitions, and nothing waits."""
    status = (await trial.ask(worker, "/api/v1/status"))["worker"]
    grown = worker.metric("stream_app_records_read_total") - counts.get(worker, 0)
    found.expect(f"the last records read by the owner of {status['partitions']}", grown, 4 * len(status["partitions"]))
    found.expect(f"lag of the owner of {status['partitions']}", status["lag"], 0)


async def _figures(trial: Trial, found: Findings) -> None:
    for (path, query), wanted in trial.rig.answers(trial.load).items():
        worker = trial.chance.choice(trial.running)
        url = f"http://127.0.0.1:{worker.port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        answer = await asyncio.to_thread(_fetch, url)
        cells, wrong = await asyncio.to_thread(compare, wanted, told_of(wanted, answer))
        found.cells += cells
        found.wrong += len(wrong)
        if wrong:
            found.problems.append(f"{path} {dict(query)}: {len(wrong)} of {cells} cells wrong, such as {wrong[:3]}")


def _fetch(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url, timeout=120) as answer:
        return dict(json.load(answer))


def told_of(wanted: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    """Of an answer what `Expected` says something of: it knows no means and no late events."""
    rows = "cohorts" if "grain" in wanted else "days"
    segments = [{"segment": segment["segment"], rows: segment[rows]} for segment in answer["segments"]]
    return {name: answer.get(name, "missing") for name in wanted} | {"segments": segments}


def compare(wanted: dict[str, Any], answer: dict[str, Any]) -> tuple[int, list[Any]]:
    """The number of cells that should be there, and those that differ: (place, found, wanted)."""
    rows = "cohorts" if "grain" in wanted else "days"
    width = (lambda row: 1 + len(row["retained"])) if rows == "cohorts" else (lambda _row: 3)
    count = sum(width(row) for segment in wanted["segments"] for row in segment[rows])
    if answer == wanted:
        return count, []
    flat, other = dict(_flat(wanted, rows)), dict(_flat(answer, rows))
    places = [*flat, *(place for place in other if place not in flat)]
    return count, [(p, other.get(p, "missing"), flat.get(p, "none")) for p in places
                   if other.get(p, "missing") != flat.get(p, "none")]  # fmt: skip


def _flat(answer: dict[str, Any], rows: str) -> Any:
    yield from (((name,), value) for name, value in answer.items() if name != "segments")
    for segment in answer["segments"]:
        name = tuple(segment["segment"].items())
        for row in segment[rows]:
            start = row.get("start") or row.get("date")
            for key, value in row.items():
                if key == "retained":
                    yield from (((name, start, index), cell) for index, cell in enumerate(value))
                else:
                    yield (name, start, key), value


async def _letters(trial: Trial, found: Findings, wanted: Counter[tuple[str, bytes | None, bytes | None]]) -> None:
    """Each broken record stands in the dead-letters topic once, with its bytes and its place."""
    records = await read_all(trial.rig.broker.bootstrap, trial.cluster.settings["dead_letters_topic"])
    told = [json.loads(record.value) for record in records]
    found.letters = len(told)
    places = Counter((letter["topic"], letter["partition"], letter["offset"]) for letter in told)
    found.expect("dead letters of one place twice", [p for p, n in places.items() if n > 1], [])
    bytes_of = Counter((letter["topic"], _raw(letter["key"]), _raw(letter["value"])) for letter in told)
    found.expect("dead letters missing", list((wanted - bytes_of).items()), [])
    found.expect("dead letters too many", list((bytes_of - wanted).items()), [])


def _raw(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


async def _alerts(trial: Trial, found: Findings) -> None:
    """Each alert of the rules that are always broken changed once; every change was told once, or rightly withheld."""
    broker, app = trial.rig.broker.bootstrap, trial.cluster.app
    if trial.people is not None:
        await trial.people.leave()
    records = await read_all(broker, trial.cluster.alerts)
    changes = {change["id"]: change for change in (json.loads(record.value) for record in records)}
    found.changes, found.changes_twice = len(changes), len(records) - len(changes)
    always = [change for change in changes.values() if change["rule"] in BROKEN_RULES]
    of = Counter((change["rule"], json.dumps(change["segment"])) for change in always)
    found.expect("changes of alerts", (len(of), set(of.values())), (ALERTS, {1}))
    found.expect("states of alerts", {change["state"] for change in always}, {"firing"})
    await trial.until(lambda: _settled(trial), 120, "all that is owed to be told")
    # Changes of one instant are one message, which names each of them.
    found.messages = sum(bool(message.changes) for message in trial.slack.messages)
    if trial.people is None:
        owed = [(target, change["id"]) for change in changes.values() for target in change["to"]]
        found.expect("changes told in Slack", Counter(_told(trial)), Counter(owed))
        return
    desk = await telling.commands(trial, found)
    entries = await read_all(broker, f"{app}-outbox-changelog")
    telling.told(desk, records, entries, _told(trial), found)
    history = await trial.ask(trial.running[0], "/api/v1/alerts/history?last=10000")
    rows = history.get("history", [])
    of_alerts = [row["id"] for row in rows if row["kind"] in OF_ALERTS]
    found.expect("the history", sorted(of_alerts), sorted(changes))
    begun = [row["id"] for row in rows if row.get("action") == Action.SILENCE]
    found.expect("silences in the history", sorted(begun), sorted(desk.silences))


def _told(trial: Trial) -> list[tuple[str, str]]:
    """Target and change, as often as it was told."""
    names = {channel: f"slack:#{name}" for name, channel in trial.slack.channels.items()}
    return [(names[message.channel], change) for message in trial.slack.messages for change in message.changes]


async def _settled(trial: Trial) -> bool:
    """Whether nothing waits to be told, and nothing is owed."""
    await asyncio.sleep(0.3)
    broker, app = trial.rig.broker.bootstrap, trial.cluster.app
    states = await read_all(broker, f"{app}-alert-states-changelog")
    rows = {record.key: json.loads(record.value or b"null") for record in states}
    groups = [row for key, row in rows.items() if json.loads(key).startswith(telling.GROUP) and row is not None]
    entries = await read_all(broker, f"{app}-outbox-changelog")
    latest = {record.key: json.loads(record.value or b"null") for record in entries}
    owed = [entry["id"] for entry in latest.values() if entry and entry["status"] in ("owed", "posting")]
    assert not any(group["waiting"] for group in groups), "changes wait"
    assert not owed, owed
    return True


# -- Kafka


async def _send(trial: Trial, events: list[Event]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=trial.rig.broker.bootstrap, enable_idempotence=True)
    async with producer:
        for event in events:
            topic, partition = trial.load.place(event)
            await producer.send_and_wait(trial.topics[topic], key=event.key, value=event.value, partition=partition)


async def _written(trial: Trial) -> int:
    async with AIOKafkaConsumer(bootstrap_servers=trial.rig.broker.bootstrap) as consumer:
        tps = [TopicPartition(topic, p) for topic in trial.topics for p in range(trial.options.partitions)]
        return sum((await consumer.end_offsets(tps)).values())


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}..."
