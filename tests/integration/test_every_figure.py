"""Every figure through the API of every worker, over a real Kafka: what `analyze` says of the same events."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import signal
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jsonschema
import orjson
import pytest
import servers
from support.cluster import Cluster, log_records
from support.command import stream_app
from support.workers import Worker, produce, visit

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
Record = tuple[bytes, bytes]

DEFINITIONS = [
    {"name": "web-buyers", "start": "visit", "return": {"event": "purchase", "where": {"channel": "web"}}},
    {"name": "twice", "start": "any", "return": "any", "min_active": 2, "inactivity_days": 7},
]


def answer(worker: Worker, given: dict[str, str], timeout: float = 60) -> tuple[int, Any]:
    """Status and JSON of a figure; (0, None) where the worker is not there."""
    figure = given.get("figure", "retention")
    query = urlencode({name: value for name, value in given.items() if name != "figure"})
    try:
        with urllib.request.urlopen(
            f"http://127.0.0.1:{worker.port}/api/v1/{figure}?{query}", timeout=timeout
        ) as found:
            return found.status, json.load(found)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, None


def analyzed(file: Path, given: dict[str, str], *options: str) -> Any:
    arguments = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", value)]
    done = stream_app("analyze", file, *arguments, *options, "--json", timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def without_share(found: Any) -> Any:
    """How many events were late depends on the order in which the partitions are read."""
    return {name: value for name, value in found.items() if name != "late_share"}


def within(live: Any, offline: Any, path: str = "") -> str | None:
    """Where a live answer says anything else than the one of everything: it may say less, by null or by no row."""
    if live is None:
        return None
    if isinstance(live, dict) and isinstance(offline, dict):
        if list(live) != list(offline):
            return f"{path}: {list(live)} is not {list(offline)}"
        return next((found for name in live if (found := within(live[name], offline[name], f"{path}.{name}"))), None)
    if isinstance(live, list) and isinstance(offline, list):
        key = next((k for k in ("start", "date") if live and isinstance(live[0], dict) and k in live[0]), None)
        if key is not None:
            known = {row[key]: row for row in offline}
            pairs = [(row, known.get(row[key])) for row in live]
        elif len(live) != len(offline):
            return f"{path}: {len(live)} entries, not {len(offline)}"
        else:
            pairs = list(zip(live, offline, strict=True))
        return next((found for n, (a, b) in enumerate(pairs) if (found := within(a, b, f"{path}[{n}]"))), None)
    return None if live == offline else f"{path}: {live!r} is not {offline!r}"


async def counted(cluster: Cluster, topics: dict[str, list[Record]], as_of: str) -> None:
    """Has two workers count these records, and the watermark reach an instant."""
    cluster.start(2)
    await cluster.shared_out()
    for topic, records in topics.items():
        await produce(cluster.bootstrap, topic, records)
    await cluster.read(sum(map(len, topics.values())))
    await servers.eventually(
        lambda: (cluster.get("/api/v1/retention").get("as_of") or "") >= as_of, 60, f"the watermark to reach {as_of}"
    )


def written(file: Path, records: Iterable[Record]) -> Path:
    file.write_bytes(b"\n".join(value for _, value in records))
    return file


# -- the purchase log: a year and a half, more than the rows keep of each day

END = "1998-07-01"
LOG_EXACT = [
    {"definition": "repurchase", "grain": "month"},
    {"definition": "repurchase", "grain": "month", "kind": "rolling", "segment": "tier"},
    {"definition": "repurchase", "grain": "month", "until": END, "mean": "simple"},
    {"definition": "repurchase", "grain": "quarter", "until": END},
    {"definition": "repurchase", "grain": "half-year", "cohorts": "recurring", "until": END},
    {"definition": "repurchase", "grain": "month", "kind": "bracket", "brackets": "1,3,7", "until": END},
    {"definition": "repurchase", "grain": "week", "last": "10"},
    {"definition": "repurchase", "grain": "day", "last": "90"},
    {"figure": "churn", "definition": "repurchase", "last": "60"},
    {"figure": "lifecycle", "definition": "repurchase", "grain": "month", "until": END},
    {"figure": "lifecycle", "definition": "repurchase", "grain": "quarter", "until": END, "segment": "tier"},
    {"figure": "crr", "definition": "repurchase", "last": "3", "until": END},
    {"figure": "crr", "definition": "repurchase", "from": "1998-06-01", "until": END, "last": "2"},
    {"figure": "stickiness", "definition": "repurchase", "last": "30"},
    {"figure": "value", "definition": "repurchase", "until": END, "segment": "tier"},
    {"figure": "value", "definition": "repurchase", "grain": "half-year", "until": "1998-06-15"},
    {"figure": "concentration", "definition": "repurchase", "until": END, "last": "4"},
]
LOG_WITHIN = [
    {"figure": "churn", "definition": "repurchase"},
    {"figure": "crr", "definition": "repurchase"},
    {"figure": "lifecycle", "definition": "repurchase"},
    {"figure": "stickiness", "definition": "repurchase"},
    {"figure": "crr", "definition": "repurchase", "until": "1998-03-01"},
    {"figure": "concentration", "definition": "repurchase", "until": END},
]


async def test_the_purchase_log_is_answered_as_analyze_does(cluster: Cluster, tmp_path: Path) -> None:
    records = sorted(log_records(), key=lambda record: orjson.loads(record[1])["occurred_at"])
    # Later than the log's last month, so that it closes; the log's days are those of UTC.
    closing = [(b"late-riser", visit("late-riser", "1998-07-01T00:00:00Z", 0))]
    cluster.settings["allowed_lateness"] = 0
    file = written(tmp_path / "log.jsonl", [*records, *closing])
    await counted(cluster, {cluster.purchases: records, cluster.visits: closing}, "1998-07-01")
    for given in (*LOG_EXACT, *LOG_WITHIN):
        offline = without_share(analyzed(file, given))
        for worker in cluster.workers:
            status, live = answer(worker, given)
            assert status == 200, (given, live)
            assert within(without_share(live), offline) is None, given
            if given in LOG_EXACT:
                assert without_share(live) == offline, given


# -- a mixed stream of which everything is known

TIMEZONE = "Europe/Berlin"
START = int(datetime(2024, 3, 20, tzinfo=UTC).timestamp() * 1000)  # clocks change on the 31st
DAYS = 25
MIXED = [
    {},
    {"kind": "rolling", "segment": "plan", "top": "1"},
    {"grain": "hour"},
    {"windows": "24h"},
    {"windows": "24h", "grain": "week", "segment": "country"},
    {"kind": "bracket", "brackets": "1,2,4"},
    {"cohorts": "recurring", "grain": "week", "mean": "simple"},
    {"definition": "web-buyers"},
    {"definition": "twice", "kind": "rolling"},
    {"definition": "twice", "grain": "week"},
    {"start": "any", "return": "purchase", "grain": "quarter"},
    {"from": "2024-03-25", "until": "2024-04-05", "last": "4"},
    *({"figure": "churn", "definition": name} for name in ("engagement", "twice", "web-buyers")),
    {"figure": "churn", "window": "3", "grain": "week", "segment": "plan"},
    {"figure": "lifecycle", "segment": "plan"},
    {"figure": "lifecycle", "grain": "week", "definition": "web-buyers"},
    {"figure": "crr", "grain": "day", "window": "5", "segment": "country"},
    {"figure": "crr", "grain": "week", "window": "7", "from": "2024-03-28", "until": "2024-04-10"},
    {"figure": "stickiness", "window": "7", "segment": "plan"},
    {"figure": "value", "grain": "day", "segment": "plan"},
    {"figure": "value", "grain": "week", "definition": "repurchase", "until": "2024-04-03T13:37:00+02:00"},
    {"figure": "survival", "window": "4", "grain": "week"},
    {"figure": "survival", "kind": "return", "segment": "plan", "grain": "day"},
    {"figure": "concentration", "grain": "week", "segment": "country"},
]


def mixed(users: int = 400, seed: int = 4) -> tuple[list[Record], list[Record]]:
    """Visits, and purchases with refunds and conflicting orders, in an order that is off by up to a day."""
    chance = random.Random(seed)
    events: list[tuple[int, str, dict[str, Any]]] = []
    for user in range(users):
        name = f"user-{user}"
        first = START + chance.randrange(20 * 86_400_000)
        times = [first, *(first + round(chance.expovariate(1 / 2.5e8)) for _ in range(chance.randrange(12)))]
        for n, time in enumerate(time for time in times if time < START + DAYS * 86_400_000):
            segment = {"plan": chance.choice(("free", "pro", "team")), "country": chance.choice(("DE", "AT"))}
            event = {"event_id": f"{user}-{n}", "user_id": name, "occurred_at": _written(time), "segment": segment}
            event["properties"] = {"channel": chance.choice(("web", "app"))}
            if chance.random() < 0.5:
                events.append((time, "visits", {"type": "visit", **event}))
                continue
            refund = chance.random() < 0.1
            amount = f"{'-' if refund else ''}{chance.randrange(1, 9_000) / 100:.2f}"
            order = f"order-{user}-{chance.choice((n, n // 3))}"
            paid = {"order_id": order, "amount": amount, "currency": "USD"}
            events.append((time, "purchases", {"type": "purchase", **event, **paid}))
    events.sort(key=lambda event: event[0] + chance.randrange(86_400_000))
    records = [(topic, (plain["user_id"].encode(), orjson.dumps(plain))) for _, topic, plain in events]
    return tuple([record for topic, record in records if topic == wanted] for wanted in ("visits", "purchases"))  # type: ignore[return-value]


def _written(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
async def counted_mix(cluster: Cluster, tmp_path: Path) -> tuple[Cluster, Path, tuple[str, ...]]:
    """Two workers that have counted a mixed stream, the file of it, and how `analyze` is to read it."""
    visits, purchases = mixed()
    last = [(b"last", visit("last", _written(START + DAYS * 86_400_000), 0, {"plan": "free", "country": "DE"}))]
    cluster.settings |= {
        "allowed_lateness": 0, "timezone": TIMEZONE, "dimensions": "plan,country", "hour_days": 32,
        "definitions": json.dumps(DEFINITIONS),
    }  # fmt: skip
    config = tmp_path / "config.yml"
    config.write_text(
        json.dumps({"timezone": TIMEZONE, "dimensions": ["plan", "country"], "definitions": DEFINITIONS}), "utf-8"
    )
    await counted(cluster, {cluster.visits: visits + last, cluster.purchases: purchases}, "2024-04-14")
    return cluster, written(tmp_path / "mixed.jsonl", [*visits, *purchases, *last]), ("--config", str(config))


async def test_a_mixed_stream_is_answered_as_analyze_does(counted_mix) -> None:
    cluster, file, options = counted_mix
    for given in MIXED:
        offline = without_share(analyzed(file, given, *options))
        for worker in cluster.workers:
            status, live = answer(worker, given)
            assert status == 200, (given, live)
            assert without_share(live) == offline, given
            jsonschema.validate(live, json.loads((SCHEMAS / f"{given.get('figure', 'retention')}.json").read_text()))
    status, refused = answer(cluster.workers[0], {"figure": "lifecycle", "grain": "hour"})
    assert (status, refused["error"]["parameter"]) == (400, "grain")
    assert sum(worker.metric("stream_app_census_total") for worker in cluster.workers) > len(MIXED)


async def test_a_late_event_corrects_what_was_closed_and_says_so(counted_mix) -> None:
    cluster, _, _ = counted_mix
    assert _corrections(cluster)["count"] == 0
    late = visit("late", _written(START + 5 * 86_400_000), 9, {"plan": "pro", "country": "AT"})
    before = answer(cluster.workers[0], {"figure": "lifecycle"})[1]["segments"][0]["periods"]
    await produce(cluster.bootstrap, cluster.visits, [(b"late", late)])
    corrections = await servers.eventually(
        lambda: found if (found := _corrections(cluster))["count"] else None, 20, "a correction"
    )
    assert corrections["latest"] >= corrections["since"]
    # The cohort's size and index 0 by day, week and month, and the closed days on which one more is active.
    assert corrections["by_definition"] == {"engagement": 2 + 2 + 2 + 20}
    assert any("Late events changed cells of closed periods" in worker.log for worker in cluster.workers)
    assert sum(worker.metric("stream_app_corrected_cells_total") for worker in cluster.workers) == corrections["count"]

    def corrected() -> bool:
        found = answer(cluster.workers[0], {"figure": "lifecycle"})[1]["segments"][0]["periods"]
        changed = [now for now, then in zip(found, before, strict=True) if now != then]
        return [row["start"] for row in changed] == ["2024-03-25", "2024-03-26"]

    await servers.eventually(corrected, 20, "the census to be counted anew")


def _corrections(cluster: Cluster) -> Any:
    return cluster.get("/api/v1/status")["figures"]["corrections"]


async def test_a_worker_that_is_killed_while_it_counts_leaves_no_wrong_answer(counted_mix) -> None:
    cluster, file, options = counted_mix
    victim, asked = cluster.workers
    chance = random.Random(20_261_122)
    questions = [{"figure": "lifecycle", "last": str(last)} for last in range(1, 26)]
    right = {given["last"]: without_share(analyzed(file, given, *options)) for given in questions}
    answers: list[int] = []
    killed = asyncio.Event()

    async def ask(given: dict[str, str]) -> None:
        status, found = await asyncio.to_thread(answer, asked, given)
        answers.append(status)
        if status == 200:
            assert without_share(found) == right[given["last"]]
        else:
            assert status == 503, found

    async def kill() -> None:
        await asyncio.sleep(chance.uniform(0, 0.2))  # a random instant is what is tested
        victim.kill()
        killed.set()

    await asyncio.gather(kill(), *(ask(given) for given in questions))
    assert killed.is_set()
    await servers.eventually(lambda: asked.partitions == list(range(4)) and asked.ready, 60, "the other to take over")
    status, found = await asyncio.to_thread(answer, asked, questions[-1])
    assert (status, without_share(found)) == (200, right["25"])
    victim.start()
    await cluster.shared_out()
    for worker in cluster.workers:
        status, found = await asyncio.to_thread(answer, worker, {"figure": "lifecycle", "last": "24"})
        assert (status, without_share(found)) == (200, right["24"])


async def test_an_owner_that_freezes_is_waited_for_and_not_believed_when_it_wakes(counted_mix) -> None:
    cluster, file, options = counted_mix
    # Who merges holds the most that can be lost: how far the watermark came, for one.
    asked, frozen = sorted(cluster.workers, key=lambda worker: worker.metric("stream_app_watermark_timestamp_seconds"))
    given = {"figure": "lifecycle", "segment": "plan"}
    right = without_share(analyzed(file, given, *options))
    frozen.send(signal.SIGSTOP)
    status, found = await asyncio.to_thread(answer, asked, given)  # goes on once the other has taken over
    assert status in (200, 503), found
    await servers.eventually(lambda: asked.partitions == list(range(4)) and asked.ready, 60, "the other to take over")
    if status == 200:
        assert without_share(found) == right
    more = [
        (f"new-{n}".encode(), visit(f"new-{n}", _written(START + n * 3_600_000), n, {"plan": "pro", "country": "AT"}))
        for n in range(200)
    ]
    file = written(file.parent / "more.jsonl", [(b"", file.read_bytes()), *more])
    read = asked.get("/api/v1/status")["figures"]["totals"]["read"]
    await produce(cluster.bootstrap, cluster.visits, more)
    await servers.eventually(
        lambda: asked.get("/api/v1/status")["figures"]["totals"]["read"] == read + len(more), 60, "them to be counted"
    )
    frozen.send(signal.SIGCONT)
    questions = [{**given, "last": str(last)} for last in range(1, 11)]
    found_now = await asyncio.gather(*(asyncio.to_thread(answer, asked, question) for question in questions))
    for question, (status, found) in zip(questions, found_now, strict=True):
        assert status == 200, found
        assert without_share(found) == without_share(analyzed(file, question, *options)), question
