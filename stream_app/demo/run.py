"""`stream-app demo`: a broker, the service, the real purchase log, then a simulated product whose retention drops."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from rich.console import Console

from stream_app.bootstrap import Service
from stream_app.demo import cdnow, simulate
from stream_app.demo.broker import EmbeddedBroker
from stream_app.demo.player import Played, play, progress_wanted
from stream_app.demo.summary import Matrix, Summary, show
from stream_app.domain.alerts.history import OF_ALERTS, kind_of
from stream_app.domain.errors import StreamAppError
from stream_app.domain.metrics import counted
from stream_app.domain.metrics.query import parse
from stream_app.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stream_app.domain.metrics import Snapshot
    from stream_app.settings import Settings

#: Seconds that what was played may take to come through.
PATIENCE = 120.0
_UNTIL_MS = 899_251_200_000  # cdnow.UNTIL


def demo(settings: Settings, *, once: bool = False, as_json: bool = False, kafka: str | None = None) -> int:
    """Runs the demo until Ctrl-C, or, with `once`, until everything is through. Returns the exit code.

    Args:
        settings: web address, Redis and Slack are taken from them; topics and rules are the demo's own.
        once: end when everything is through, with a summary.
        as_json: print the log's monthly `repurchase` matrix as JSON, and nothing else, on standard output.
        kafka: HOST:PORT of a broker to play through; None starts an embedded one.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    configure_logging("warning" if settings.log_level == "info" else settings.log_level)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # its own lines on what is handled here
    return asyncio.run(_until_interrupted(_demo(settings, once=once, as_json=as_json, kafka=kafka)))


async def _until_interrupted(work: Any) -> int:
    task = asyncio.ensure_future(work)
    for one in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(one, task.cancel)
    try:
        return int(await task)
    except asyncio.CancelledError:
        return 0


async def _demo(settings: Settings, *, once: bool, as_json: bool, kafka: str | None) -> int:
    say = Console(stderr=as_json)
    async with contextlib.AsyncExitStack() as stack:
        address = kafka
        if address is None:
            broker = EmbeddedBroker()
            await broker.start()
            stack.push_async_callback(broker.stop)
            address = broker.address
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stream-app-demo-"))
        service = Service(
            _demo_settings(settings, address, Path(folder), embedded=kafka is None),
            console=lambda: sys.stderr if as_json else sys.stdout,
        )
        say.print("Starting the service ...")
        await service.start()
        stack.push_async_callback(service.stop)
        say.print(f"The page: [bold]{service.web.url}[/bold]")
        scenes = asyncio.create_task(_scenes(service, address, say, once=once, as_json=as_json, real=kafka is not None))
        failing = asyncio.create_task(service.wait())
        try:
            await asyncio.wait({scenes, failing}, return_when=asyncio.FIRST_COMPLETED)
            if scenes.done():
                return scenes.result()
            failing.result()
        finally:
            for task in (scenes, failing):
                task.cancel()
            await asyncio.gather(scenes, failing, return_exceptions=True)
    return 1


def _demo_settings(settings: Settings, address: str, folder: Path, *, embedded: bool) -> Settings:
    rules = settings.rules
    if rules is None:
        rules = folder / "rules.yml"
        rules.write_text(
            simulate.rules_text(slack_channel="#stream-app-demo" if settings.slack_token else None), "utf-8"
        )
    app_id = f"stream-app-demo-{time.time_ns() // 1_000_000:x}"
    return dataclasses.replace(
        settings,
        broker=address,
        embedded_broker=embedded,
        app_id=app_id,
        visits_topic=f"{app_id}-visits",
        purchases_topic=f"{app_id}-purchases",
        alerts_topic=f"{app_id}-alerts",
        dead_letters_topic=f"{app_id}-dead-letters",
        dimensions=(cdnow.DIMENSION, *simulate.DIMENSIONS),
        rules=rules,
        timezone="UTC",
        currency="USD",
        session_timeout=2.0 if embedded else 6.0,
        idle_after=4.0,
        commit_interval=0.5,
        partials_interval=0.5,
    )


async def _scenes(service: Service, address: str, say: Console, *, once: bool, as_json: bool, real: bool) -> int:
    started = time.monotonic()
    await _until(lambda: service.sources.ready and service.merger.active, "the service to be ready")
    played: dict[str, int] = {}

    async def scene(title: str, topic: str, events: Iterable[tuple[bytes, bytes]], total: int) -> None:
        result: Played = await play(
            ((topic, key, value) for key, value in events),
            address=address, idempotent=real, total=total, title=title, show=progress_wanted(json=as_json),
        )  # fmt: skip
        played[topic] = result.records
        await _until(lambda: _read(service) >= sum(played.values()), f"{title}: all events to be counted")

    purchases, visits = service.names.purchases, service.names.visits
    await scene("Purchase log, 1997 to 1998", purchases, cdnow.events(), cdnow.ROWS)
    say.print(f"First figures after {time.monotonic() - started:.0f} s: {service.web.url}")
    stream = list(simulate.events())
    await scene("Simulated product, visits", visits, stream, len(stream))
    await _until(lambda: service.settled, "the alerts to be judged and told")
    snapshot = service.snapshot
    assert snapshot is not None  # noqa: S101 - events were counted
    if as_json:
        print(orjson.dumps(log_matrix(snapshot)).decode(), flush=True)
    else:
        show(_summary(service, snapshot, played, time.monotonic() - started), say)
    if not once:
        say.print("\nThe page stays up: look around, end with Ctrl-C.")
        await asyncio.Event().wait()
    return 0


def log_matrix(snapshot: Snapshot) -> dict[str, Any]:
    """The purchase log's monthly `repurchase` matrix, as of its end: no purchase comes after it in the demo."""
    if snapshot.watermark is None or snapshot.watermark < _UNTIL_MS:
        raise StreamAppError(f"demo: the watermark is {snapshot.as_of} and has not passed the log's end")
    at_end = dataclasses.replace(snapshot, watermark=_UNTIL_MS, last_event=_UNTIL_MS - 1)
    return _retention(at_end, definition="repurchase", grain="month")


def _retention(snapshot: Snapshot, **given: str) -> dict[str, Any]:
    """The answer that the API gives of a snapshot."""
    query = parse(
        given, definitions=snapshot.definitions, dimensions=snapshot.dimensions, calendar=snapshot.calendar
    )  # fmt: skip
    return counted.answer(counted.asked_at(snapshot, query), snapshot)


def _summary(service: Service, snapshot: Snapshot, played: dict[str, int], seconds: float) -> Summary:
    visits = _retention(snapshot, definition="engagement", grain="day", segment="plan")
    return Summary(
        played={topic.removeprefix(f"{service.settings.app_id}-"): count for topic, count in played.items()},
        totals=snapshot.totals,
        seconds=seconds,
        matrices=[
            Matrix("Purchase log: customers of a month who buy again, by months since", log_matrix(snapshot)),
            Matrix("Simulated product, plan pro: users of a day who return, by days since", visits, {"plan": "pro"},
                   at=(1, 3, 7)),
        ],
        alerts=[row for row in service.judge.history if kind_of(row) in OF_ALERTS],
        page=service.web.url,
    )  # fmt: skip


def _read(service: Service) -> int:
    return 0 if service.snapshot is None else service.snapshot.totals.get("read", 0)


async def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise StreamAppError(
                f"demo: waited {PATIENCE:.0f} s for {what}; run it again with STREAM_APP_LOG_LEVEL=debug"
            )
        await asyncio.sleep(0.1)
