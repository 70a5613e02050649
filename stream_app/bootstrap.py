"""The composition root: from settings to a running worker. Nothing connects before `Service.start`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.agents import ingest, judge, merge, notify
from stream_app.codecs.events import EventDecoder
from stream_app.domain.alerts import Change, frontier, load_rules
from stream_app.domain.errors import ConfigurationError, StreamAppError
from stream_app.domain.fingerprint import fingerprint
from stream_app.domain.merging import Merged
from stream_app.engine.app import ServiceApp
from stream_app.engine.changelog import read_changelog
from stream_app.engine.ledger import LedgerTopics, SoloLedger, TransactionalLedger, has_transactions
from stream_app.engine.source import SourceConfig
from stream_app.engine.sources import Sources
from stream_app.engine.tables import DurableTable
from stream_app.engine.topics import TopicAdmin, Topics
from stream_app.exporters.observer import MetricsObserver
from stream_app.exporters.prometheus import Metrics
from stream_app.notifiers.console import ConsoleNotifier
from stream_app.notifiers.slack import SlackNotifier
from stream_app.stores.base import StoreUnavailable
from stream_app.stores.redis import RedisStore
from stream_app.web.health import HealthBoard, State
from stream_app.web.server import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from stream_app.domain.alerts import Rule
    from stream_app.domain.counters import BlockKey
    from stream_app.domain.metrics import Snapshot
    from stream_app.engine.ledger import Ledger
    from stream_app.notifiers.base import Notifier
    from stream_app.settings import Settings

log = logging.getLogger(__name__)

#: Seconds without progress, with records waiting, after which the worker gives up and lets a supervisor restart it:
#: after a broker outage a Faust worker can sit there for good (faust #523, #532).
STALL_SECONDS = 120.0
#: Seconds a notification may be owed before health says so.
OWED_SECONDS = 60.0
STOP_SECONDS = 20.0


class Service:
    """One worker: agents, engine, store, web server.

    Args:
        settings: checked settings.
        console: where the console notifier prints; standard output if absent.
    """

    def __init__(self, settings: Settings, *, console: Callable[[], TextIO] | None = None) -> None:
        self.settings = settings
        self.rules = rules_of(settings)
        self.names = topics_of(settings)
        self.metrics = Metrics(top=settings.top_values)
        self.health = HealthBoard()
        self.snapshot: Snapshot | None = None
        self._kafka: dict[str, object] = {"bootstrap_servers": settings.bootstrap_servers, "client_id": settings.app_id}
        self._fingerprint = fingerprint(settings.definitions, settings.calendar, settings.dimensions, settings.currency)
        self._console = console
        self._partitions = 0
        self._announced_at: int | None = None
        # None: not yet since the assignment. Without rules there is something to judge too: alerts to withdraw.
        self._announced: tuple[int | None, ...] | None = None
        self._failure: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Connects, and begins to read.

        Raises:
            StreamAppError: something is wrong that the message names; nothing is left running.
        """
        self._failure = asyncio.get_running_loop().create_future()
        async with contextlib.AsyncExitStack() as undo:
            settings = self.settings
            self.store = await RedisStore.open(settings.redis, app_id=settings.app_id, fingerprint=self._fingerprint)
            undo.push_async_callback(self.store.close)
            self.web = WebServer(
                settings.web_host, settings.web_port, self.store, self.health, self.metrics.registry,
                status=self.status, top=settings.top_values,
            )  # fmt: skip
            await self.web.start()
            undo.push_async_callback(self.web.stop)
            self._partitions = await TopicAdmin(self._kafka, settings.replication).prepare(
                self.names, settings.partitions
            )
            shared = not settings.embedded_broker and await has_transactions(self._kafka, settings.app_id)
            if not shared and not settings.embedded_broker:
                log.warning("The broker has no transactions: this worker must be the only one of app_id %s.",
                            settings.app_id)  # fmt: skip
            self._compose(shared=shared)
            await self.app.start()
            undo.pop_all()
        self._tasks = [asyncio.create_task(self._watch())]

    def _compose(self, *, shared: bool) -> None:
        settings = self.settings
        servers = ";".join(f"kafka://{server}" for server in settings.bootstrap_servers.split(","))
        self.app = ServiceApp(
            settings.app_id,
            self.names,
            broker=servers,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.session_timeout / 4,
            broker_request_timeout=max(30.0, settings.session_timeout * 2),
            topic_replication_factor=settings.replication,
        )
        self.sources = Sources(
            self._source_config(),
            ledger=lambda number: self._ledger(number, shared=shared),
            changelog=lambda number: read_changelog(self._kafka, self.names.changelog, number),
            offsets=self._offsets if shared else self._unknown_offsets,
            observer=MetricsObserver(self.metrics),
            commit_interval=settings.commit_interval,
            partitions=self._partitions,
            shared=shared,
            fail=self.fail,
        )
        self.app.sources = self.sources
        states = self.app.tables.add(DurableTable(self.app, name="alert-states", partitions=1, beacon=self.app.beacon))
        outbox = self.app.tables.add(DurableTable(self.app, name="outbox", partitions=1, beacon=self.app.beacon))
        self.judge = judge.Judge(states, self.rules, self._write_change, self._show_alerts)
        self.merger = merge.Merger(self.app, self._fresh, self._publish, _clock)
        self.notify = notify.Notify(self.app, outbox, self._notifiers(), time.time, self._observe_notification)
        ingest.register(self.app, self.fail)
        merge.register(self.app, self.merger, self.fail, min(settings.partials_interval, 1.0))
        judge.register(self.app, self.judge, lambda: self.snapshot, self.fail)
        notify.register(self.app, self.notify, self.fail, 0.5)
        self.app.rewind = self._rewind

    def _source_config(self) -> SourceConfig:
        s = self.settings
        return SourceConfig(
            definitions=s.definitions,
            calendar=s.calendar,
            dimensions=s.dimensions,
            max_values=s.max_values,
            fingerprint=self._fingerprint,
            topics=self.names.sources,
            lateness=int(s.allowed_lateness * 1000),
            idle_after=int(s.idle_after * 1000),
            partials_interval=s.partials_interval,
            clock=_clock,
            decoder=lambda: EventDecoder(
                dimensions=s.dimensions,
                currency=s.currency,
                future_tolerance_ms=int(s.future_tolerance * 1000),
                minor_units=s.minor_units,
            ),
        )

    def _ledger(self, number: int, *, shared: bool) -> Ledger:
        topics = LedgerTopics(self.names.changelog, self.names.partials, self.names.dead_letters)
        if shared:
            return TransactionalLedger(self._kafka, self.settings.app_id, number, topics, 1)
        return SoloLedger(self._kafka, number, topics, 1)

    async def _offsets(self, number: int) -> tuple[dict[str, int], dict[str, int]]:
        consumer = AIOKafkaConsumer(**self._kafka)
        await consumer.start()
        try:
            tps = [TopicPartition(topic, number) for topic in self.names.sources]
            beginnings, ends = await consumer.beginning_offsets(tps), await consumer.end_offsets(tps)
        finally:
            await consumer.stop()
        return {tp.topic: o for tp, o in beginnings.items()}, {tp.topic: o for tp, o in ends.items()}

    async def _unknown_offsets(self, _number: int) -> tuple[dict[str, int], dict[str, int]]:
        """A broker without transactions may not know its ends either; its topics are as young as this worker."""
        return dict.fromkeys(self.names.sources, 0), dict.fromkeys(self.names.sources, 1 << 62)

    def _notifiers(self) -> Mapping[str, Notifier]:
        settings = self.settings
        found: dict[str, Notifier] = {"console": ConsoleNotifier(stream=self._console, public_url=settings.public_url)}
        if settings.slack_token:
            found["slack"] = SlackNotifier(
                settings.slack_token, base_url=settings.slack_url, public_url=settings.public_url
            )
        return found

    # -- what the agents bring

    def _rewind(self) -> None:
        self.merger.rewind()
        self.notify.reset()
        self._announced = None

    def _fresh(self) -> Merged:
        s = self.settings
        return Merged(
            s.calendar, s.definitions, s.dimensions, partitions=self._partitions,
            lateness=int(s.allowed_lateness * 1000), previous=self.judge.watermark,
        )  # fmt: skip

    async def _publish(self, snapshot: Snapshot, dirty: set[BlockKey]) -> bool:
        self.snapshot = snapshot
        self.metrics.show(snapshot)
        closed = frontier(self.rules, snapshot)
        if closed != self._announced and snapshot.watermark is not None:
            await judge.announce(self.app, snapshot)
            self._announced, self._announced_at = closed, snapshot.watermark
        try:
            await self.store.publish(snapshot, dirty)
        except StoreUnavailable as error:
            self.metrics.snapshot_writes.labels("unavailable").inc()
            self.health.set("redis", State.DEGRADED, str(error))
            return False
        self.metrics.snapshot_writes.labels("written").inc()
        self.health.set("redis", State.OK)
        return True

    @property
    def settled(self) -> bool:
        """Whether everything closed has been judged, and everything judged has been told."""
        if self.snapshot is None or frontier(self.rules, self.snapshot) != self._announced:
            return False
        judged = self.judge.watermark
        done = self._announced_at is None or (judged is not None and judged >= self._announced_at)
        return done and all(self.notify.told(Change.from_json(change)) for change in self.judge.history)

    async def _write_change(self, change: Change) -> None:
        topic = self.app.topic(self.names.alerts, key_serializer="raw", value_serializer="raw")
        key, value = judge.line(change)
        await (await topic.send(key=key, value=value, headers={notify.APP_HEADER: self.settings.app_id.encode()}))

    async def _show_alerts(self, now: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> None:
        firing = [alert["rule"] for alert in now if alert["state"] == "firing"]
        for rule in self.rules:
            self.metrics.alerts_firing.labels(rule.name).set(firing.count(rule.name))
        try:
            await self.store.publish_alerts(now, changes)
        except StoreUnavailable as error:
            self.health.set("redis", State.DEGRADED, str(error))  # they go out with the next snapshot

    def _observe_notification(self, kind: str, outcome: str) -> None:
        self.metrics.notifications.labels(kind, outcome).inc()

    # -- life

    def fail(self, error: BaseException) -> None:
        """Ends the worker with this error."""
        if self._failure is not None and not self._failure.done():
            self._failure.set_exception(error)

    async def wait(self) -> None:
        """Returns never; raises what ended the worker."""
        assert self._failure is not None  # noqa: S101 - started
        stopped = asyncio.create_task(self.app.wait_until_stopped())
        try:
            await asyncio.wait({self._failure, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
        if self._failure.done():
            self._failure.result()
        raise RuntimeError(f"Faust stopped by itself: {self.app.crash_reason!r}")

    async def stop(self) -> None:
        """Commits what was counted, then closes everything. Never raises."""
        for task in self._tasks:
            task.cancel()
        for what, end in (("sources", self.sources.stop), ("app", self.app.stop), ("web", self.web.stop),
                          ("store", self.store.close)):  # fmt: skip
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await end()
            except Exception as error:  # noqa: BLE001 - the others must be closed too
                log.warning("Stopping: %s did not end in good order (%r); nothing is lost by it.", what, error)

    async def _watch(self) -> None:
        """Reports health each second, and gives up where records wait and none is read."""
        while True:
            owned = self.sources.owned
            recovering = sorted(n for n, source in owned.items() if not source.ready)
            if not self.sources.flowing or recovering:
                self.health.set("partitions", State.STARTING, f"recovering or joining the group; waiting: {recovering}")
            else:
                self.health.set("partitions", State.OK)
            self.metrics.partitions_owned.set(len(owned))
            lag = self._report_lag()
            if lag and self.sources.flowing and time.monotonic() - self.sources.progressed_at > STALL_SECONDS:
                self.fail(RuntimeError(f"{lag} records wait and none was read for {STALL_SECONDS:.0f} s"))
            elif not lag:
                self.sources.progressed_at = time.monotonic()
            late = [e for e in self.notify.owed if e.added_at < time.time() - OWED_SECONDS]
            state, note = (State.DEGRADED, f"{len(late)} owed; {late[0].note}") if late else (State.OK, "")
            self.health.set("notifications", state, note)
            await asyncio.sleep(1)

    def _report_lag(self) -> int:
        total = 0
        for number, source in self.sources.owned.items():
            for topic, status in source.status(_clock()).items():
                self.metrics.lag_records.labels(topic, str(number)).set(status.lag)
                total += status.lag
        return total

    def status(self) -> dict[str, Any]:
        """What this worker alone knows, for the API."""
        if not hasattr(self, "sources"):
            return {"partitions": [], "lag": None, "merging": False}
        lag = sum(s.lag for source in self.sources.owned.values() for s in source.status(_clock()).values())
        return {"partitions": sorted(self.sources.owned), "lag": lag, "merging": self.merger.active}


def _clock() -> int:
    return time.time_ns() // 1_000_000


def topics_of(settings: Settings) -> Topics:
    """The names of all topics."""
    return Topics(
        visits=settings.visits_topic,
        purchases=settings.purchases_topic,
        changelog=f"{settings.app_id}-users-changelog",
        partials=f"{settings.app_id}-partials",
        closings=f"{settings.app_id}-closings",
        alerts=settings.alerts_topic,
        dead_letters=settings.dead_letters_topic,
    )


def rules_of(settings: Settings) -> tuple[Rule, ...]:
    """The rules of the rules file, none without one.

    Raises:
        ConfigurationError: the file cannot be read, or a rule in it is wrong.
    """
    if settings.rules is None:
        return ()
    try:
        text = settings.rules.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"rules: {str(settings.rules)!r} cannot be read ({error}); correct the path"
        ) from error
    return load_rules(
        text, source=str(settings.rules), definitions=settings.definitions, dimensions=settings.dimensions
    )


def run(settings: Settings) -> int:
    """Runs a worker until SIGTERM or SIGINT. Returns the exit code.

    Raises:
        StreamAppError: something is wrong that the message names.
    """
    configure_logging(settings.log_level)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    service = Service(settings)
    ended = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, ended.set)
    starting = asyncio.create_task(service.start())
    stopping = asyncio.create_task(ended.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return 0
    await starting
    log.info("The page is at %s", service.web.url)
    waiting = asyncio.create_task(service.wait())
    await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if waiting.done():
            waiting.result()
    except StreamAppError:
        raise
    except Exception:
        log.exception("The worker ends; a restarted one goes on from the last commit.")
        return 1
    finally:
        waiting.cancel()
        await service.stop()
    return 0


def check(settings: Settings) -> int:
    """Tries configuration and connections one by one and prints what was found. Returns 0, or 2 if any is wrong."""
    configure_logging("error")
    return asyncio.run(_check(settings))


async def _check(settings: Settings) -> int:
    wrong = 0
    for name, attempt in (("rules", _check_rules), ("broker", _check_broker), ("redis", _check_redis),
                          ("slack", _check_slack)):  # fmt: skip
        try:
            print(f"{name}: ok, {await attempt(settings)}")  # noqa: T201 - what the command is for
        except StreamAppError as error:
            wrong += 1
            print(error, file=sys.stderr)  # noqa: T201
    return 2 if wrong else 0


async def _check_rules(settings: Settings) -> str:
    return f"{len(rules_of(settings))} rules"


async def _check_broker(settings: Settings) -> str:
    kafka: dict[str, object] = {"bootstrap_servers": settings.bootstrap_servers}
    names = topics_of(settings)
    count = await TopicAdmin(kafka, settings.replication).prepare(names, settings.partitions, create=False)
    kind = "with" if await has_transactions(kafka, settings.app_id) else "without (one worker only)"
    return f"{settings.bootstrap_servers}, {count} partitions, transactions: {kind}"


async def _check_redis(settings: Settings) -> str:
    store = await RedisStore.open(settings.redis, app_id=settings.app_id)
    await store.close()
    return store.where


async def _check_slack(settings: Settings) -> str:
    targets = sorted({t for rule in rules_of(settings) for t in rule.to if t.startswith("slack:")})
    if not settings.slack_token:
        if targets:
            raise ConfigurationError(f"slack_token: it is not set, and rules notify {', '.join(targets)}; set it")
        return "not used"
    problems = await SlackNotifier(settings.slack_token, base_url=settings.slack_url).check(targets)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return f"{len(targets)} channels"


def configure_logging(level: str) -> None:
    """Log lines on stderr; Kafka's clients and Faust only from warnings on, unless everything is asked for."""
    logging.basicConfig(
        level=level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", force=True
    )
    if level != "debug":
        for noisy in ("faust", "mode", "aiokafka", "stream_app.engine.app", "stream_app.engine.transport"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        logging.getLogger("mode.timers").setLevel(logging.ERROR)  # a slow round of a timer only delays the next
